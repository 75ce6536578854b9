"""Rankings beside a verifier: right before wrong, and people's order among the right."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum import cli
from practicum.errors import InputError
from practicum.preferences.verified import verified
from practicum.tasks.explanations.task import ExplanationsTask
from practicum.types import Prompt, Ranking, Response, Score


class Says:
    """A judge that reads the verdict in the text."""

    name = "says"

    def score(self, prompts, texts):
        said = {"r": True, "w": False, "?": None}
        return [Score(0.0, said[text[0]]) for text in texts]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=2, max_size=6))
@settings(max_examples=200, deadline=None)
def test_what_is_preferred_is_right_and_the_right_keep_their_order(rows):
    texts = tuple(Response(f"{'r' if right else 'w'}{place}") for place, (right, _) in enumerate(rows))
    ranking = Ranking(Prompt("?"), texts, tuple(rank for _, rank in rows), id="1")
    found = verified([ranking], Says())
    wanted = {
        (one, other)
        for one, other in [*combinations(range(len(rows)), 2), *combinations(reversed(range(len(rows))), 2)]
        if rows[one][0] and (not rows[other][0] or rows[one][1] < rows[other][1])
    }
    assert {tuple(pair) for one in found for pair in one.pairs()} == wanted
    assert all(min(one.ranks) == 1 and one.id == "" for one in found)


def test_a_judge_that_does_not_say_is_refused():
    ranking = Ranking(Prompt("?"), (Response("r"), Response("?")), (1, 2))
    with pytest.raises(InputError, match="whether each response is right"):
        verified([ranking], Says())


def test_an_export_can_have_the_verifier_beside_people(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    task = ExplanationsTask()
    prompt = task.prompts("train", 1, 0)[0]
    right, wrong = task.gold(prompt), "answer: 98765"
    asked = {"prompt": prompt.text, "data": prompt.data, "ranks": [1, 2], "rater": "a"}
    rows = [{**asked, "responses": [wrong, one], "prompt_id": one} for one in (right, "no idea")]
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["preferences", "import", "--input", "in.jsonl"]) == 0
    assert cli.main(["preferences", "export", "--verified", "explanations", "--output", "both.jsonl"]) == 0
    assert "1 of 2 rankings have no right answer" in capsys.readouterr().out
    (kept,) = [json.loads(line) for line in Path("both.jsonl").read_text().splitlines()]
    ranks = {one["text"]: rank for one, rank in zip(kept["responses"], kept["ranks"], strict=True)}
    assert ranks == {right: 1, wrong: 2}
    assert cli.main(["preferences", "export", "--verified", "riddles", "--output", "x.jsonl"]) == 2
    assert "unknown task 'riddles'" in capsys.readouterr().err
    assert not Path("x.jsonl").exists()
