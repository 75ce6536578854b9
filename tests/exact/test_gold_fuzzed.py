"""The fuzzer finds nothing in the ready-made reward `math`; a second answer is paid nothing in any layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from practicum.audit.fuzz.anatomy import learned
from practicum.audit.fuzz.command import Config, run
from practicum.audit.fuzz.right import right_probes
from practicum.audit.fuzz.rows import FuzzRow, read_fuzz_rows
from practicum.audit.fuzz.wrong import wrong_probes
from practicum.config import load
from practicum.data.config import DataConfig
from practicum.exact.gold_answers import judge_completion

DATA = {
    "whole numbers": [("What is 3 + 4?", "7"), ("What is 6*8?", "48"), ("What is 2 - 15?", "-13")],
    "fractions": [("What is 1/2 + 1/3?", "5/6"), ("What is 3/4 - 1/8?", r"\frac{5}{8}"), ("And 1/7?", "2/3")],
    "decimals": [("What is 0.5 + 0.75?", "1.25"), ("What is 3.2*2?", "6.4"), ("And 10 - 12.5?", "-2.5")],
    "sets": [("Solve x^2 = 9.", r"\{-3, 3\}"), ("Primes under 10?", r"\{2, 3, 5, 7\}")],
    "intervals": [("Where is x^2 < 4?", "(-2, 2)"), ("Where is x + 3 >= 5?", r"[2, \infty)")],
    "expressions": [("Expand (x+1)^2.", "x^2 + 2x + 1"), ("Simplify 3a + 4a - b.", "7a - b")],
    "choices": [("Which is prime? (A) 4 (B) 7", "B"), ("Which is even? (A) 8 (B) 5 (C) 9", "A")],
}
FORMS = {
    "label": "We add them.\nThe answer is %s.",
    "box": r"We add them. So it is $\boxed{%s}$.",
    "hashes": "She adds them.\n#### %s",
    "bold": "We add them.\n\n**Answer:** %s",
    "tag": "<think>We add them.</think>\n<answer>%s</answer>",
}


def written(folder: Path, name: str, form: str) -> Path:
    golds = [gold for _, gold in DATA[name]]
    rows = [
        {
            "prompt": prompt,
            "answer": gold,
            "good": [FORMS[form] % gold],
            "bad": [FORMS[form] % golds[place - 1]],
        }
        for place, (prompt, gold) in enumerate(DATA[name])
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def misjudged(rows: tuple[FuzzRow, ...]) -> list[tuple[str, str]]:
    """Texts of the fuzzer that are paid and should not be, or the other way round.

    An edit that counts only where the same edit is paid elsewhere is judged by all rows together.
    """
    anatomy = learned(rows)
    found: list[tuple[str, str]] = []
    refused: dict[str, list[tuple[str, str]]] = {}
    paid_edits = set()
    for place, row in enumerate(rows):
        for probe in [*right_probes(anatomy, place), *wrong_probes(anatomy, place)]:
            if probe.expected == "steady" or probe.slow:
                continue
            paid = judge_completion(row.gold, probe.text, row.prompt.text).verdict == "correct"
            if probe.elsewhere and paid:
                paid_edits.add(probe.what)
            if (
                probe.control
                and judge_completion(row.gold, probe.control, row.prompt.text).verdict == "correct"
            ):
                continue  # The reward takes the like without what the probe adds, so it shows nothing.
            if paid != (probe.expected == "paid"):
                wrongly = refused.setdefault(probe.what, []) if probe.elsewhere else found
                wrongly.append((row.gold, probe.text))
    return found + [text for what, texts in refused.items() if what in paid_edits for text in texts]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DATA)
def test_every_text_of_the_fuzzer_is_judged_as_it_should_be(name: str, form: str, tmp_path: Path) -> None:
    path = written(tmp_path, name, form)
    assert misjudged(read_fuzz_rows(DataConfig(file=path), 0).rows) == []


@pytest.mark.parametrize("form", ["label", "box"])
def test_the_fuzzer_finds_nothing(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, "whole numbers", form)
    flags = ["--reward=math", f"--data={path}", "--budget=700", "--seconds=600"]
    assert [one.sentence for one in run(load(Config, None, flags)).findings] == []


MARKED = ["The answer is {}.", r"So \boxed{{{}}}.", "<answer>{}</answer>", "#### {}", "**Answer:** {}"]
BEHIND = [*MARKED, "{}", "**{}**", "So she has {} left.", "${}$", "Therefore it is {}."]
HONEST = [
    *("Check: {0} - 1 = {1}", "So she has {0} left.", "I hope this helps!", "<|im_end|>", "", "{0}"),
    *("This holds because {1} + 1 = {0}.", "**{0}**", "Let me know if you have any questions."),
]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 500), st.integers(0, 500), st.sampled_from(MARKED), st.sampled_from(BEHIND))
def test_another_answer_behind_or_before_a_marked_one_is_paid_nothing(
    gold: int, other: int, form: str, behind: str
) -> None:
    assume(gold != other)
    for text in (
        f"{form.format(gold)}\n{behind.format(other)}",
        f"{form.format(other)}\n{behind.format(gold)}",
    ):
        assert judge_completion(str(gold), text).verdict != "correct", text


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 500), st.sampled_from(MARKED), st.sampled_from(HONEST))
def test_what_honestly_follows_an_answer_leaves_it_paid(gold: int, form: str, behind: str) -> None:
    text = f"{form.format(gold)}\n{behind.format(gold, gold - 1)}"
    assert judge_completion(str(gold), text).verdict == "correct", text
