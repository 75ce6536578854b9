from __future__ import annotations

import io

import pytest
from rich.console import Console

from practicum.errors import InputError
from practicum.preferences.rank_table import rank_table, render
from practicum.types import Prompt, Ranking, Response

TEXTS = ("a pun", "pelican pelican pelican", "a story")
RESPONSES = tuple(Response(text, str(index)) for index, text in enumerate(TEXTS))


def ranking(*ranks: int, flags: tuple[tuple[str, ...], ...] = (), rater: str = "ann") -> Ranking:
    return Ranking(Prompt("a joke about pelicans"), RESPONSES, ranks, rater, "pelican", flags=flags)


def scores(*values: float) -> dict[tuple[str, str], float]:
    return {("pelican", str(index)): value for index, value in enumerate(values)}


def test_the_models_favourite_that_people_rank_last_is_flagged() -> None:
    rows = rank_table([ranking(1, 3, 2), ranking(2, 3, 1, rater="bob")], scores(0.2, 3.5, -1.0))
    assert [(row.text, row.human_rank, row.model_rank) for row in rows] == [
        ("pelican pelican pelican", 3, 1),
        ("a pun", 1, 2),
        ("a story", 1, 3),
    ]
    assert [row.flag for row in rows] == ["people rank it last", "", ""]
    assert [row.human_mean for row in rows] == [3.0, 1.5, 1.5]


def test_nonsense_is_flagged_when_half_of_its_raters_say_so() -> None:
    nonsense = ((), ("nonsense",), ())
    given = [ranking(2, 1, 3, flags=nonsense), ranking(1, 2, 3, rater="bob")]
    assert rank_table(given, scores(0, 1, 0))[0].flag == "people call it nonsense"
    three = [*given, ranking(1, 2, 3, rater="cy")]
    assert rank_table(three, scores(0, 1, 0))[0].flag == ""


def test_a_model_that_agrees_has_no_flag_and_all_tied_is_no_last() -> None:
    assert not any(row.flag for row in rank_table([ranking(1, 3, 2)], scores(3, 1, 2)))
    assert not any(row.flag for row in rank_table([ranking(1, 1, 1)], scores(3, 1, 2)))


def test_a_missing_score_is_named() -> None:
    with pytest.raises(InputError, match="prompt 'pelican': the model has no score for response '2'"):
        rank_table([ranking(1, 2, 3)], {("pelican", "0"): 1.0, ("pelican", "1"): 1.0})


def test_the_table_shows_text_and_never_markup() -> None:
    odd = Ranking(Prompt("p"), (Response("[red]x[/red]", "0"), Response("y", "1")), (1, 2), "ann", "pelican")
    page = io.StringIO()
    Console(file=page, width=100).print(render(rank_table([odd], scores(0.0, 2.5))))
    assert "[red]x[/red]" in page.getvalue()
    assert "2.50" in page.getvalue()
    assert "people rank it last" in page.getvalue()
