"""Rules broken one at a time, numbers turned, forms too narrow, new branches: each with its sound twin."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.audit.fuzz.anatomy import Anatomy, Form, learned
from practicum.audit.fuzz.command import Config, Result, run
from practicum.audit.fuzz.decided import NEEDS_ANOTHER
from practicum.audit.fuzz.odd import numbers_turned, odd_probes, slow_probes
from practicum.audit.fuzz.permitted import demands, permitted
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.programs import is_python
from practicum.audit.fuzz.right import right_probes
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.rules import unchecked_rules
from practicum.audit.fuzz.wrong import wrong_probes
from practicum.config import load
from practicum.reward.reached import reached
from practicum.types import Prompt
from tests.audit import (
    fuzz_rewards_eighth,
    fuzz_rewards_fifth,
    fuzz_rewards_fourth,
    fuzz_rewards_more,
    fuzz_rewards_ninth,
    fuzz_rewards_seventh,
    fuzz_rewards_sixth,
    fuzz_rewards_tenth,
    fuzz_rewards_third,
)
from tests.audit.fuzz_rewards_eighth import EIGHTH, EIGHTH_ROWS
from tests.audit.fuzz_rewards_fifth import FIFTH, FIFTH_ROWS
from tests.audit.fuzz_rewards_fourth import FOURTH, FOURTH_ROWS
from tests.audit.fuzz_rewards_more import MORE as SECOND
from tests.audit.fuzz_rewards_more import MORE_ROWS as SECOND_ROWS
from tests.audit.fuzz_rewards_ninth import NINTH, NINTH_ROWS
from tests.audit.fuzz_rewards_seventh import SEVENTH, SEVENTH_ROWS
from tests.audit.fuzz_rewards_sixth import SIXTH, SIXTH_ROWS
from tests.audit.fuzz_rewards_tenth import TENTH, TENTH_ROWS
from tests.audit.fuzz_rewards_third import THIRD, THIRD_ROWS

MORE = SECOND | THIRD | FOURTH | FIFTH | SIXTH | SEVENTH | EIGHTH | NINTH | TENTH
ALL_ROWS = (
    *(SECOND_ROWS, THIRD_ROWS, FOURTH_ROWS, FIFTH_ROWS),
    *(SIXTH_ROWS, SEVENTH_ROWS, EIGHTH_ROWS, NINTH_ROWS, TENTH_ROWS),
)
MORE_ROWS = {name: rows for one in ALL_ROWS for name, rows in one.items()}
MODULES = (
    fuzz_rewards_more,
    fuzz_rewards_third,
    fuzz_rewards_fourth,
    fuzz_rewards_fifth,
    fuzz_rewards_sixth,
    fuzz_rewards_seventh,
    fuzz_rewards_eighth,
    fuzz_rewards_ninth,
    fuzz_rewards_tenth,
)
FUZZED = (
    "boards_in_a_bag",
    "totalled_by_any_digits",
    "sound_begun",
    "sound_repaid",
    "sentences_by_commas",
    "sound_last_lines",
    "measured_by_what_is_off",
    "chosen_by_lone_letters",
    "sound_seated",
    "replied_at_first",
    "looked_up_anywhere",
    "voted_by_a_set",
    "sound_fees",
    "sound_poured",
    "about_anything",
    "boxes_in_one_piece",
    "briefs_below",
    "clock_of_any_digits",
    "entities_by_half",
    "expand_at_two_points",
    "fields_in_order_at_times",
    "lasting_in_plural",
    "letters_by_two_breaks",
    "links_by_their_end",
    "machines_without_end",
    "meetings_never_at_noon",
    "members_twice",
    "plans_to_the_letter",
    "steps_without_objects",
    "prices_as_text",
    "products_as_floats",
    "helpers_that_drop_broken_calls",
    "marks_without_a_group",
    "outlines_at_the_margin",
    "spans_at_best",
    "bookings_as_written",
    "sound_commits",
    "sound_knights",
    "sound_units",
    "range_as_answer",
    "routes_without_roads",
    "shunned_between_spaces",
    "sound_boxed",
    "sound_called",
    "sound_chosen",
    "sound_cited",
    "sound_entities",
    "sound_feelings",
    "sound_first_words",
    "sound_letters_in_brackets",
    "sound_mails",
    "sound_notes",
    "sound_queens",
    "sound_repaired",
    "sound_sections",
    "sound_shapes",
    "sound_thoughts",
    "sound_values",
    "squares_by_sums",
    "thoughts_as_reply",
    "topics_by_pattern",
    "verses_of_one_word",
)
"""Those that are fuzzed whole here; the others are asked text by text."""
WAITS = {"machines_without_end"}
"""Those that wait for what never ends: slow ones. The fast tests ask their texts one by one."""
BY_CODE = {"range_as_answer", "dozens_of_any", "about_anything"}
"""Faults that only words of their own code reach."""


assert len(MORE_ROWS) == sum(map(len, ALL_ROWS)), "a name twice"


def module_of(name: str) -> ModuleType:
    return next(one for one in MODULES if hasattr(one, name))


def rows_of(name: str) -> list[FuzzRow]:
    return [
        FuzzRow(Prompt(row["prompt"], data={"answer": row["answer"]}), tuple(row["good"]), tuple(row["bad"]))
        for row in MORE_ROWS[MORE[name][0]]
    ]


def probes(anatomy: Anatomy) -> Iterator[Probe]:
    for row in range(len(anatomy.rows)):
        yield from right_probes(anatomy, row)
        yield from wrong_probes(anatomy, row)


def paid(name: str, anatomy: Anatomy, one: Probe) -> bool:
    answer = anatomy.rows[one.row].answer
    return getattr(module_of(name), name)(completions=[one.text], answer=[answer]) == [1.0]


@pytest.mark.parametrize("name", MORE)
def test_honest_replies_are_paid_and_refused_as_they_should(name: str) -> None:
    for row in MORE_ROWS[MORE[name][0]]:
        for texts, value in ((row["good"], 1.0), (row["bad"], 0.0)):
            for judge in (name, MORE[name][2]):
                given = {"completions": texts, "answer": [row["answer"]] * len(texts)}
                assert set(getattr(module_of(judge), judge)(**given)) == {value}, (judge, texts)


@pytest.mark.parametrize("name", [name for name, case in MORE.items() if case[1] == "clean"])
def test_what_is_right_or_wrong_for_certain_is_so_for_sound_rewards(name: str) -> None:
    anatomy = learned(rows_of(name))
    for one in probes(anatomy):
        if one.expected == "refused" and not one.contrast and one.alone:
            assert not paid(name, anatomy, one), one
        if one.expected == "paid" and not one.elsewhere and one.family not in NEEDS_ANOTHER:
            base = Probe(one.row, one.base, "", "paid", "")
            sound = not one.base or paid(name, anatomy, base)
            assert not sound or paid(name, anatomy, one), one


@pytest.mark.parametrize(
    "name", [name for name, case in MORE.items() if case[1] in ("false_accept", "false_reject")]
)
def test_a_text_shows_each_fault(name: str) -> None:
    if name in BY_CODE:
        return
    anatomy, (_, kind, sound) = learned(rows_of(name)), MORE[name]
    expected = "refused" if kind == "false_accept" else "paid"
    wrongly = kind == "false_accept"
    shown = [
        one
        for one in probes(anatomy)
        if one.expected == expected
        and paid(name, anatomy, one) is wrongly
        and paid(sound, anatomy, one) is not wrongly
    ]
    assert shown


@pytest.mark.parametrize("name", ["clock_of_any_digits", "date_of_any_month", "lengths_of_any_digits"])
def test_a_number_out_of_range_crashes_what_does_not_check_it(name: str) -> None:
    anatomy = learned(rows_of(name))
    failed = 0
    for one in numbers_turned(anatomy, 0):
        try:
            paid(name, anatomy, one)
        except ValueError:
            failed += 1
        paid(MORE[name][2], anatomy, one)
    assert failed


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in WAITS else name for name in FUZZED]
)
def test_the_whole_search_names_them(name: str, tmp_path: Path) -> None:
    rows, kind, sound = MORE[name]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in MORE_ROWS[rows]))
    flags = [
        f"--reward={module_of(name).__file__}:{name}",
        f"--data={data}",
        "--budget=1600",
        "--seconds=36000",
    ]
    result: Result = run(load(Config, None, flags))
    kinds = {one.kind for one in result.findings}
    assert kind in kinds if kind != "clean" else not kinds, [one.sentence for one in result.findings]
    assert result.calls <= 1600
    answers = {row["prompt"]: row["answer"] for row in MORE_ROWS[rows]}
    for one in result.findings:
        if one.kind != "unstable":
            judged = getattr(module_of(sound), sound)(
                completions=[one.completion], answer=[answers[one.prompt]]
            )
            assert judged == [float(one.kind == "false_reject")], one


# ------------------------------------------------------------------------------------------- properties


@given(
    st.lists(st.one_of(st.integers(), st.floats(allow_nan=False), st.text("ab c", min_size=1)), min_size=1)
)
def test_what_a_program_prints_is_no_program_and_what_prints_it_is_one(values: list[object]) -> None:
    printed = "\n".join(map(repr, values))
    assert not is_python("```\n", printed)
    assert not is_python("```text\n", f"print({printed!r})")
    for program in (
        f"print({printed!r})",
        f"x = {values!r}",
        f"def f():\n    return {values!r}",
        "import math",
    ):
        assert is_python("```\n", program)
        assert is_python("```python\n", program)


@pytest.mark.parametrize(
    "inside",
    ["{" * 4000, "a" * 8000, " " * 4000, "a" + " " * 4000, "{a" * 2000, "{}" * 3000, "\\frac{1}{2" * 600],
)
def test_an_answer_between_braces_is_looked_for_in_little_time(inside: str) -> None:
    form = Form("\\boxed{", "}")
    started = time.process_time()
    form.values("\\boxed{" + inside)
    assert time.process_time() - started < 2
    assert form.values(r"so \boxed{\frac{1}{2}} and \boxed{\text{a{b}}}") == [r"\frac{1}{2}", r"\text{a{b}}"]


NAMES = st.lists(
    st.sampled_from(["oak", "elm", "ash", "fir", "yew", "pine", "palm", "teak"]),
    min_size=3,
    max_size=6,
    unique=True,
)


@given(NAMES, st.randoms(use_true_random=False), st.sampled_from([", ", "\n", " -> "]))
def test_parts_that_are_all_wanted_are_broken_and_never_only_moved(
    names: list[str], random: object, gap: str
) -> None:
    turned = [*names[1:], names[0]]
    good = (gap.join(names), gap.join(turned))
    row = FuzzRow(Prompt(f"Plant {', '.join(names)}, each once.", data={"answer": "7"}), good, ("none",))
    found = list(unchecked_rules(learned([row]), 0))
    assert found
    for one in found:
        parts = [part.strip() for part in one.text.split(gap.strip() or gap)]
        assert sorted(parts) != sorted(names), one


@given(st.lists(st.integers(2, 99).map(lambda one: 5 * one), min_size=3, max_size=5))
def test_a_count_that_is_stated_is_missed_by_one(numbers: list[int]) -> None:
    words = {3: "three", 4: "four", 5: "five"}
    written = ", ".join(map(str, numbers))
    other = ", ".join(map(str, numbers[::-1]))
    prompt = f"Give {words[len(numbers)]} different multiples of {5}."
    row = FuzzRow(Prompt(prompt, data={"answer": "{}"}), (written, other), ("1",))
    counted = [one for one in unchecked_rules(learned([row]), 0) if "too" in one.what]
    assert counted
    for one in counted:
        assert abs(len(one.text.split(",")) - len(numbers)) == 1
        if "same sum" in one.what:
            assert sum(map(int, one.text.split(","))) == sum(numbers)


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=8), st.sampled_from([":", ", ", " km ", "/"]))
def test_every_number_of_a_reply_is_turned(numbers: list[int], gap: str) -> None:
    good = f"from {gap.join(map(str, numbers))} on"
    row = FuzzRow(Prompt("Say it.", data={"answer": "x"}), (good,), ("no",))
    texts = [one.text for one in numbers_turned(learned([row]), 0)]
    for found in re.finditer(r"\d+", good):
        head, tail = good[: found.start()], good[found.end() :]
        turned = [text for text in texts if text.startswith(head) and text.endswith(tail)]
        assert any("\u00b2" in text[len(head) :] for text in turned)


def test_another_branch_runs_other_instructions() -> None:
    def judged(text: str) -> int:
        return 1 if "a" in text else len(re.sub("b", "", text))

    found = []
    for text in ("a", "aa", "b"):
        with reached() as places:
            judged(text)
        found.append(frozenset(places))
    assert found[0] == found[1] != found[2]
    assert not any("compile" in place for place in found[2]), "Python's own code is not followed"


@given(st.sampled_from(["ANSWER:", "Answer:", "So ANSWER:", "My final answer:"]), st.sampled_from("ABCD"))
def test_a_bracket_is_not_expected_behind_a_label_that_the_prompt_spells_out(label: str, right: str) -> None:
    def row(letter: str) -> FuzzRow:
        prompt = Prompt("Which one? End with a line ANSWER: letter", data={"answer": letter})
        other = "D" if letter != "D" else "A"
        goods = (f"I weigh them.\n{label} {letter}", f"I look at them.\n{label} {letter}")
        return FuzzRow(prompt, goods, (f"I weigh them.\n{label} {other}",))

    anatomy = learned([row(right), row("B" if right != "B" else "C")])
    added = [one for one in right_probes(anatomy, 0) if one.family == "choice_brackets"]
    assert added
    assert all(one.elsewhere and not one.group for one in added)


@pytest.mark.parametrize(
    "prompt",
    [
        "Write exactly 5 words about the weather in May.",
        "Your reply must use exactly 5 words and may be in any style.",
        "Reply without commas so that a machine can read it.",
        "Write a fine poem of exactly 2 lines.",
        "No line may end with a full stop.",
        "It is not allowed to use commas.",
    ],
)
def test_a_clause_that_demands_is_kept_whatever_else_it_allows(prompt: str) -> None:
    assert demands(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "left"),
    [
        ("Write 2 lines; a line may end with a full stop.", "Write 2 lines; ."),
        ("Reply in one word, the case of letters does not matter.", "Reply in one word, ."),
        ("Reply in upper or lower case, with 3 words.", "Reply in , with 3 words."),
    ],
)
def test_a_clause_that_only_allows_is_left_out(prompt: str, left: str) -> None:
    assert demands(prompt).replace("  ", " ") == left


def test_what_is_forbidden_to_be_repeated_is_not_taken_for_allowed() -> None:
    for rule in ("You may not box it more than once.", "More than once is fine, but only one box counts."):
        row = FuzzRow(
            Prompt(f"What is 5 + 5? Put it in \\boxed{{}}. {rule}", data={"answer": "10"}),
            ("\\boxed{10}", "So: \\boxed{10}"),
            ("\\boxed{11}",),
        )
        assert not [one for one in permitted(learned([row, row]), 0) if one.text.count("boxed") > 1]


NOTHING_OF_THE_KIND = {
    "begins all of its lines": ("Return nested JSON and no words.", ['{\n  "a": {\n    "b": 1\n  }\n}']),
    "the other way round": (
        "Bob, Ann, Cy and Di sit in a circle. List them in alphabetical order.",
        ["Ann, Bob, Cy, Di"],
    ),
    "in bold, as the prompt allows": (
        "You may not use markdown. The last line is 'Answer: N'. What is 3+4?",
        ["Answer: 7", "I add.\nAnswer: 7"],
    ),
    "as punctuation is free": (
        "Punctuation is not ignored. The second word is apple.",
        ["The apple is red now."],
    ),
    "written out": (
        "Example call: get_weather(city='Paris', unit='C'). Call it for Oslo in the usual unit, as JSON.",
        ['{"city": "Oslo"}'],
    ),
    "in raised digits": ("Write 320000 in standard form, as a x 10^b.", ["3.2 x 10^5"]),
    "has words": ("Name a war of 1950; nothing before 1901 counts.", ["Korean War", "It is the Korean War."]),
    "of what is counted": (
        "Write exactly two sentences with one or more emojis.",
        ["It is hot \U0001f600. It rains \U0001f600."],
    ),
    "is in English": ("What is the only Greek letter that stands for wavelength?", ["\u03bb"]),
    '"confidence": NaN': (
        "Give JSON with the answer and a confidence (a number, which is not graded). 3+4?",
        ['{"answer": 7, "confidence": 0.5}', '{"answer": 7, "confidence": 1}'],
    ),
    "as it was": ("Simplify if possible: x^2 + 5x + 1", ["x^2+5x+1"]),
    "glued": ("Give a code; only it is read. A suffix such as -x may follow.", ["AB-12"]),
    "too seldom": ("Use the word run in any form exactly twice.", ["I run and we run."]),
    "begins with another letter": ("Lines that start with a name count.", ["A knight is Bo.\nBo: knight"]),
}  # fmt: skip
"""What a probe says -> a prompt that asks for nothing of the kind, and right replies to it."""


@pytest.mark.parametrize("said", NOTHING_OF_THE_KIND)
def test_a_prompt_that_asks_for_nothing_of_the_kind_has_no_such_probe(said: str) -> None:
    prompt, good = NOTHING_OF_THE_KIND[said]
    answer = '{"answer": 7}' if "confidence" in said else good[0]
    rows = (FuzzRow(Prompt(prompt, data={"answer": answer}), tuple(good), ("No.",)),)
    assert not [one for one in probes(learned(rows)) if said in one.what or said in one.text]


@pytest.mark.parametrize(
    ("prompt", "good"),
    [
        ("Use f(a: int = 1, /, b: int = 2). Reply with JSON.", '{"a": 1}'),
        ('Use f(a: str = "\ud83d").', '{"a": "x"}'),
        ("Use f(a: int = " + "-" * 20000 + "1).", '{"a": 1}'),
        ("The age is an integer.", f'{{"age": {"9" * 400}}}'),
        ("They sit at a round table.", "we sat " + "and we sat " * 40 + "!"),
        ("f(" + "=" * 20000, "y"),
        ("\u201c" * 20000 + " fix it", "y"),
        ("Say something.", " " * 20000),
        ("Say something.", "a\n" * 20000),
        ("", ""),
    ],
)
def test_odd_prompts_and_replies_take_no_time_and_no_tool_down(prompt: str, good: str) -> None:
    rows = (FuzzRow(Prompt(prompt, data={"answer": good}), (good,) if good else (), ()),)
    started = time.process_time()
    anatomy = learned(rows)
    made = [*probes(anatomy), *odd_probes(anatomy, 0, 0, 1), *slow_probes(anatomy, 0)]
    assert made
    assert time.process_time() - started < 20, "a fraction of a second, alone"
