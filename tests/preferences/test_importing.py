"""Rankings from elsewhere: each one once, anonymous votes all, and every complaint with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.preferences import formats
from practicum.preferences.agreement import pairwise_agreement
from practicum.preferences.commands import ExportConfig, ImportConfig, export_file, import_file
from practicum.preferences.records import NewPrompt
from practicum.preferences.store import Store
from practicum.types import Prompt, Ranking, Response
from tests.preferences.app.live import everything

many_times = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
few_letters = st.sampled_from("abc")


@st.composite
def votes(draw: st.DrawFn) -> Ranking:
    """A ranking with so few names and texts that rows meet, repeat and contradict each other."""
    texts = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=2, max_size=3, unique=True))
    ranks = draw(st.permutations(range(1, len(texts) + 1)))
    # A person ranks a prompt once: their name is of the prompt and of the order.
    prompt = draw(few_letters)
    rater = draw(st.sampled_from(["", f"{prompt} {sorted(texts)} {sorted(zip(texts, ranks, strict=True))}"]))
    return Ranking(Prompt(prompt), tuple(map(Response, texts)), tuple(ranks), rater)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def distinct(rankings: list[Ranking]) -> int:
    """How many rankings these are: each anonymous one, and each rater's of each prompt once."""
    named = {ranking.rater for ranking in rankings if ranking.rater}
    return len(named) + sum(not ranking.rater for ranking in rankings)


@many_times
@given(rankings=st.lists(votes(), min_size=1, max_size=8), data=st.data())
def test_what_was_exported_and_comes_back_adds_nothing(
    tmp_path_factory: pytest.TempPathFactory, rankings: list[Ranking], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("store")
    database = str(folder / "a.sqlite")
    formats.write(folder / "given.jsonl", rankings)
    assert import_file(ImportConfig(folder / "given.jsonl", database))["added"] == distinct(rankings)
    assert import_file(ImportConfig(folder / "given.jsonl", database))["added"] == 0
    with Store.open(database) as store:
        kept = store.rankings("default")
    assert sum(not ranking.rater for ranking in kept) == sum(not ranking.rater for ranking in rankings)
    exports = []
    for name, kind in (
        ("a.jsonl", "rankings"),
        ("b.parquet", "rankings"),
        ("c.jsonl", "trl"),
        ("d.parquet", "trl"),
    ):
        export_file(ExportConfig(folder / name, database, format=kind))  # type: ignore[arg-type]
        exports.append(folder / name)
    for export in data.draw(st.permutations(exports))[:2]:
        assert import_file(ImportConfig(export, database))["added"] == 0, export.name
    # Into another project each comes once, whichever file is first, and from there back none.
    first, *_ = data.draw(st.permutations(exports[:2]))
    assert import_file(ImportConfig(first, database, "other"))["added"] == len(kept)
    for export in data.draw(st.permutations(exports))[:2]:
        assert import_file(ImportConfig(export, database, "other"))["added"] == 0, export.name
    export_file(ExportConfig(folder / "back.jsonl", database, "other"))
    assert import_file(ImportConfig(folder / "back.jsonl", database))["added"] == 0
    with Store.open(database) as store:
        assert store.rankings("default") == kept
        assert len(store.rankings("other")) == len(kept)


def test_pairs_come_into_another_project_once(tmp_path: Path) -> None:
    database = str(tmp_path / "a.sqlite")
    rows = [{"prompt": "p", "responses": ["a", "b", "c"], "ranks": [1, 2, 3], "rater": "ann"}] * 1
    import_file(ImportConfig(write(tmp_path / "r.jsonl", rows), database))
    export_file(ExportConfig(tmp_path / "t.jsonl", database, format="trl"))
    assert import_file(ImportConfig(tmp_path / "t.jsonl", database, "pairs"))["added"] == 3
    # The same rows in another order are another file, and the same rankings.
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert (
        import_file(ImportConfig(write(tmp_path / "u.jsonl", lines[::-1]), database, "pairs"))["added"] == 0
    )
    export_file(ExportConfig(tmp_path / "whole.jsonl", database))
    assert import_file(ImportConfig(tmp_path / "whole.jsonl", database, "pairs"))["added"] == 0
    for name, kind in (("x.jsonl", "rankings"), ("y.jsonl", "trl")):
        export_file(ExportConfig(tmp_path / name, database, "pairs", kind))  # type: ignore[arg-type]
        assert import_file(ImportConfig(tmp_path / name, database, "pairs"))["added"] == 0
        assert import_file(ImportConfig(tmp_path / name, database))["added"] == 0


@pytest.mark.parametrize("trl", [True, False])
def test_votes_without_a_name_all_count(
    tmp_path: Path, trl: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(tmp_path / "a.sqlite")
    orders = [("a", "b"), ("b", "a"), ("a", "b"), ("a", "b")]
    rows: list[dict[str, Any]] = [
        {"prompt": "p", "chosen": better, "rejected": worse}
        if trl
        else {"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2] if better == "a" else [2, 1]}
        for better, worse in orders
    ]
    path = write(tmp_path / "votes.jsonl", rows)
    assert import_file(ImportConfig(path, database))["added"] == 4
    with Store.open(database) as store:
        kept = store.rankings("default")
        assert [ranking.rater for ranking in kept] == [""] * 4
        assert len({rater.name for rater in store.raters("default")}) == 4
    best = [
        dict(zip([one.text for one in ranking.responses], ranking.ranks, strict=True)) for ranking in kept
    ]
    assert [votes["a"] for votes in best] == [1, 2, 1, 1]
    assert pairwise_agreement(kept).share == pytest.approx(0.5)
    capsys.readouterr()
    # The same file once more, whatever its line ends or mark of byte order, is no new votes, and says so.
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert import_file(ImportConfig(path, database))["added"] == 0
    assert "the same rankings were imported on" in capsys.readouterr().out
    # Another file with such rows is new votes.
    assert import_file(ImportConfig(write(path, rows[:1]), database))["added"] == 1


def test_an_edited_export_is_told_from_the_ranking_it_was(tmp_path: Path) -> None:
    database = str(tmp_path / "a.sqlite")
    rows = [{"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2], "rater": "ann"}]
    import_file(ImportConfig(write(tmp_path / "r.jsonl", rows), database))
    export_file(ExportConfig(tmp_path / "out.jsonl", database))
    row = json.loads((tmp_path / "out.jsonl").read_text())
    edited = write(tmp_path / "edited.jsonl", [row | {"ranks": [2, 1]}])
    with pytest.raises(
        InputError, match=r"edited\.jsonl:1: ranking \w+:1 is in project 'default' with another"
    ):
        import_file(ImportConfig(edited, database))


def test_an_export_with_an_empty_response_comes_back(tmp_path: Path) -> None:
    """A program may store what a model that said nothing said; people's files are refused for it."""
    database = str(tmp_path / "a.sqlite")
    with Store.open(database) as store:
        store.import_rankings(
            "default", [Ranking(Prompt("p"), (Response("a"), Response("")), (1, 2))], create=True
        )
    for name, kind in (("a.jsonl", "rankings"), ("b.jsonl", "trl")):
        export_file(ExportConfig(tmp_path / name, database, format=kind))  # type: ignore[arg-type]
        assert import_file(ImportConfig(tmp_path / name, database))["added"] == 0


def test_what_was_taken_back_since_stays_taken_back(tmp_path: Path) -> None:
    database = str(tmp_path / "a.sqlite")
    with Store.open(database) as store:
        store.create_project("default", prompts=[NewPrompt(Prompt("p"), (Response("a"), Response("b")))])
        store.add_rater("default", "ann")
        held = store.lease("default", "ann")
        assert held is not None
        store.submit("default", "ann", held.id, [[one.id] for one in held.responses])
        export_file(ExportConfig(tmp_path / "out.jsonl", database))
        store.undo("default", "ann")
        assert import_file(ImportConfig(tmp_path / "out.jsonl", database))["added"] == 0
        assert store.rankings("default") == []


GOOD: dict[str, Any] = {"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2], "rater": "ann"}
PAIR: dict[str, Any] = {"prompt": "p", "chosen": "a", "rejected": "b"}


def message(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


@pytest.mark.parametrize(
    ("first", "bad", "words"),
    [
        (GOOD, GOOD | {"ranks": [2, 1]}, "rater 'ann' has another ranking of prompt"),
        (GOOD, GOOD | {"responses": [{"text": "a", "id": "x"}, {"text": "b", "id": "x"}]}, "have the id 'x'"),
        (GOOD, GOOD | {"responses": ["a", "b\x00"]}, "zero byte"),
        (GOOD, '{"prompt": "p", "responses": ["a", "\\ud83d"], "ranks": [1, 2]}', "half a character"),
        (GOOD, '{"prompt": "\\ud83d", "responses": ["a", "b"], "ranks": [1, 2]}', "half a character"),
        (
            GOOD,
            '{"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2], "rater": "\\udc00"}',
            "half a char",
        ),
        (GOOD, '{"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2], "id": "\\udc00"}', "half a char"),
        (GOOD, GOOD | {"data": {"x": "\ud800"}}, "half a character"),
        (GOOD, GOOD | {"data": {"x": float("nan")}}, "expected numbers"),
        (GOOD, GOOD | {"flags": [["a\x00"], []]}, "zero byte"),
        (GOOD, GOOD | {"rater": " "}, "rater name: expected a text"),
        (GOOD, GOOD | {"prompt": " "}, "prompt: expected a text, got nothing"),
        (GOOD, GOOD | {"responses": ["a", " \n"]}, r"responses\[1\]: expected a text, got nothing"),
        (GOOD, GOOD | {"seconds": -3}, "seconds: expected 0 or more, got -3"),
        (GOOD, GOOD | {"time": -5}, "time: expected 0 or more, got -5"),
        (GOOD, GOOD | {"seconds": 10**400}, "seconds: expected a number"),
        (GOOD, GOOD | {"ranks": [1, 10**400]}, "ranks: expected numbers"),
        (
            GOOD,
            GOOD | {"prompt_id": "q", "responses": [str(n) for n in range(501)], "ranks": list(range(501))},
            "at most 500",
        ),
        (
            GOOD | {"prompt_id": "q"},
            GOOD | {"prompt_id": "q", "rater": "bob", "responses": ["a", "b", "c"], "ranks": [1, 2, 3]},
            "raters have seen it",
        ),
        (
            GOOD | {"prompt_id": "q", "responses": ["a", "b", "c"], "ranks": [1, 2, 3]},
            GOOD | {"prompt_id": "q", "rater": "bob"},
            "has 3 responses, this ranking places 2",
        ),
        (GOOD | {"prompt_id": "q"}, GOOD | {"prompt_id": "q", "prompt": "other"}, "with another text"),
        (PAIR, PAIR | {"rejected": "a"}, "chosen and rejected are the same text"),
        (PAIR, PAIR | {"chosen": ""}, r"responses\[0\]: expected a text, got nothing"),
        (PAIR, PAIR | {"score_chosen": 5, "score_rejected": 5.0}, "is the same as score_rejected"),
        (PAIR, PAIR | {"score_chosen": 4, "score_rejected": 5}, "is not above score_rejected"),
        (
            PAIR,
            PAIR | {"chosen": message("user", "a"), "rejected": message("assistant", "b")},
            "chosen: the chat holds another question than the prompt",
        ),
        (PAIR, PAIR | {"prompt": message("assistant", "p")}, "prompt: expected a message of user or system"),
        (PAIR, PAIR | {"ranking_id": 7}, "ranking_id: expected a text"),
    ],
)
def test_a_bad_row_is_named_and_nothing_comes_in(tmp_path: Path, first: Any, bad: Any, words: str) -> None:
    database = str(tmp_path / "a.sqlite")
    with Store.open(database) as store:
        store.create_project("kept")
        before = everything(store)
    path = write(tmp_path / "rows.jsonl", [first, "", bad])
    with pytest.raises(InputError, match=words) as caught:
        import_file(ImportConfig(path, database))
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "\n" not in str(caught.value)
    with Store.open(database) as store:
        assert everything(store) == before


def test_a_row_of_a_parquet_file_is_named_too(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    rankings = [
        Ranking(Prompt("p"), (Response("a"), Response("b")), ranks, "ann", "q") for ranks in ((1, 2), (2, 1))
    ]
    formats.write(tmp_path / "r.parquet", rankings)
    with pytest.raises(InputError, match=r"r\.parquet: row 2: rater 'ann' has another ranking"):
        import_file(ImportConfig(tmp_path / "r.parquet", str(tmp_path / "a.sqlite")))


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x", "x.jsonl.gz", "x.PARQUET"])
@pytest.mark.parametrize("kind", ["rankings", "trl"])
def test_a_file_is_written_as_its_ending_says_or_not_at_all(tmp_path: Path, name: str, kind: Any) -> None:
    database = str(tmp_path / "a.sqlite")
    import_file(ImportConfig(write(tmp_path / "r.jsonl", [GOOD]), database))
    with pytest.raises(InputError, match=r"rankings are written as \.jsonl, \.ndjson, \.parquet"):
        export_file(ExportConfig(tmp_path / name, database, format=kind))
    assert not (tmp_path / name).exists()


def test_a_mistyped_project_is_told_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(tmp_path / "a.sqlite")
    path = write(tmp_path / "r.jsonl", [GOOD])
    import_file(ImportConfig(path, database, "jokes"))
    with pytest.raises(InputError, match="there is no project 'joke'; the database has 'jokes'"):
        export_file(ExportConfig(tmp_path / "x.jsonl", database, "joke"))
    capsys.readouterr()
    import_file(ImportConfig(path, database, "puns"))
    assert "project 'puns' is new; the database has 'jokes'" in capsys.readouterr().err


def test_imported_work_can_be_undone_and_costs_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.sqlite") as store:
        given = Ranking(Prompt("p"), (Response("a"), Response("b")), (1, 2), "ann")
        store.import_rankings("jokes", [given], create=True)
        store.undo("jokes", "ann")
        assert store.payments("jokes") == []
        assert store.rater_progress("jokes", "ann").dollars_owed == 0
