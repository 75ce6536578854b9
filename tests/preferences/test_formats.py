from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.preferences import formats
from practicum.preferences.store import Store
from practicum.types import Prompt, Ranking, Response

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
names = texts.filter(str.strip)
written = names
tables = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-9, 9) | texts, max_size=2)
responses = st.builds(Response, written, names, texts, texts, tables, tables)
seconds = st.none() | st.floats(0, 1e9)


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    shown = draw(st.lists(responses, min_size=2, max_size=5, unique_by=lambda response: response.id))
    levels = draw(st.lists(st.integers(1, 5), min_size=len(shown), max_size=len(shown)))
    dense = {level: rank for rank, level in enumerate(sorted(set(levels)), start=1)}
    kinds = st.lists(st.sampled_from(["nonsense", "unsafe"]), max_size=2, unique=True).map(
        lambda kinds: tuple(sorted(kinds))
    )
    marks = tuple(draw(kinds) for _ in shown)
    return Ranking(
        prompt=Prompt(draw(written), draw(tables)),
        responses=tuple(shown),
        ranks=tuple(dense[level] for level in levels),
        rater=draw(names),
        prompt_id=draw(names),
        seconds=draw(seconds),
        time=draw(seconds),
        flags=marks if any(marks) else (),
    )


many = st.lists(rankings(), min_size=1, max_size=5)
on_disk = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", ["rankings.jsonl", "rankings.parquet"])
@on_disk
@given(given_rankings=many)
def test_a_file_gives_back_what_was_written(tmp_path: Path, name: str, given_rankings: list[Ranking]) -> None:
    assert formats.write(tmp_path / name, given_rankings) == len(given_rankings)
    assert formats.read(tmp_path / name) == given_rankings


@on_disk
@given(given_rankings=many.filter(lambda items: len({item.prompt_id for item in items}) == len(items)))
def test_a_store_gives_back_what_was_imported(tmp_path: Path, given_rankings: list[Ranking]) -> None:
    path = tmp_path / "preferences.sqlite"
    with Store.open(path) as store:
        name = f"project {len(store.projects())}"
        store.create_project(name)
        store.import_rankings(name, given_rankings)
        kept = store.rankings(name)
    for before, after in zip(given_rankings, kept, strict=True):
        assert (after.prompt, after.responses, after.ranks) == (before.prompt, before.responses, before.ranks)
        assert (after.rater, after.seconds, after.flags) == (before.rater, before.seconds, before.flags)


@on_disk
@given(given_rankings=many)
def test_every_ranking_weighs_the_same_in_pairs(given_rankings: list[Ranking]) -> None:
    rows = list(formats.pairs(given_rankings))
    untied = sum(len(set(ranking.ranks)) > 1 for ranking in given_rankings)
    assert sum(row["weight"] for row in rows) == pytest.approx(untied)
    assert all(row["margin"] >= 1 for row in rows)


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


GOOD = {"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2]}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"responses": ["a", "b"], "ranks": [1, 2]}, "field 'prompt' is missing: expected a text"),
        ({"prompt": "p", "ranks": [1, 2]}, "field 'responses' is missing: expected a list"),
        ({"prompt": "p", "responses": ["a", "b"]}, "field 'ranks' is missing: expected a list"),
        (GOOD | {"ranks": [1]}, "ranks: expected 2 numbers, one per response, got 1"),
        (GOOD | {"ranks": [1, "best"]}, "ranks: expected numbers"),
        (GOOD | {"ranks": [1, True]}, "ranks: expected numbers"),
        (GOOD | {"prompt": 3}, "prompt: expected a text, got 3"),
        (GOOD | {"responses": ["a"]}, "responses: expected at least two, got 1"),
        (GOOD | {"responses": ["a", {"id": "x"}]}, r"responses\[1\]: field 'text' is missing"),
        (GOOD | {"responses": ["a", 5]}, r"responses\[1\]: expected a JSON object, got int"),
        (GOOD | {"seconds": "long"}, "seconds: expected a number"),
        (GOOD | {"flags": [[]]}, "flags: expected one list per response, got 1"),
        (GOOD | {"flags": [[], "unsafe"]}, r"flags\[1\]: expected a list of texts"),
        ("[1, 2]", "expected a JSON object, got list"),
        ("{broken", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: Any, words: str) -> None:
    path = lines(tmp_path / "rankings.jsonl", GOOD, "", row)
    with pytest.raises(InputError, match=words) as caught:
        formats.read(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "\n" not in str(caught.value)


def test_any_numbers_may_be_ranks(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "r.jsonl", {"prompt": "p", "responses": ["a", "b", "c", "d"], "ranks": [0.5, 3, 3, -1]}
    )
    [ranking] = formats.read(path)
    assert ranking.ranks == (2, 3, 3, 1)
    assert ranking.tiers() == ((3,), (0,), (1, 2))


def test_trls_pairs_come_and_go(tmp_path: Path) -> None:
    [ranking] = formats.read(
        lines(tmp_path / "r.jsonl", GOOD | {"responses": list("abc"), "ranks": [1, 2, 2]})
    )
    for name in ("pairs.jsonl", "pairs.parquet"):
        assert formats.write(tmp_path / name, [ranking], "trl") == 2
        first, second = formats.read(tmp_path / name)
        assert [response.text for response in first.responses] == ["a", "b"]
        assert (first.ranks, second.responses[1].text) == ((1, 2), "c")
    row = json.loads((tmp_path / "pairs.jsonl").read_text().splitlines()[0])
    assert row == {"prompt": "p", "chosen": "a", "rejected": "b", "weight": 0.5, "margin": 1.0, "rater": ""}


def test_trls_conversations_are_read(tmp_path: Path) -> None:
    row = {
        "prompt": [{"role": "user", "content": "why?"}],
        "chosen": [{"role": "assistant", "content": "because"}],
        "rejected": [{"role": "assistant", "content": "no"}],
    }
    [ranking] = formats.read(lines(tmp_path / "r.jsonl", row))
    assert (ranking.prompt.text, ranking.responses[0].text) == ("why?", "because")
    with pytest.raises(InputError, match=r"r\.jsonl:1: chosen: expected a text or one message"):
        formats.read(lines(tmp_path / "r.jsonl", row | {"chosen": [1, 2]}))


def test_a_missing_field_of_a_pair_is_named(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "r.jsonl", {"prompt": "p", "chosen": "a", "rejected": "b"}, {"prompt": "p", "chosen": "a"}
    )
    with pytest.raises(InputError, match=r"r\.jsonl:2: field 'rejected' is missing"):
        formats.read(path)


def test_datasets_reads_trls_pairs(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    [ranking] = formats.read(lines(tmp_path / "r.jsonl", GOOD))
    formats.write(tmp_path / "pairs.parquet", [ranking], "trl")
    loaded = datasets.Dataset.from_parquet(str(tmp_path / "pairs.parquet"), cache_dir=str(tmp_path / "cache"))
    assert loaded[0]["chosen"] == "a"
    assert set(loaded.column_names) >= {"prompt", "chosen", "rejected"}


def test_files_that_are_no_rankings_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"empty\.jsonl: holds no rankings"):
        formats.read(tmp_path / "empty.jsonl")
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read: No such file"):
        formats.read(tmp_path / "none.jsonl")
    (tmp_path / "no.parquet").write_text("text")
    with pytest.raises(InputError, match=r"no\.parquet: not a Parquet file"):
        formats.read(tmp_path / "no.parquet")
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    with pytest.raises(InputError, match=r"latin\.jsonl:1: no UTF-8 text \(byte \d+\)"):
        formats.read(tmp_path / "latin.jsonl")
    with pytest.raises(InputError, match=r"folder .*missing does not exist"):
        formats.write(tmp_path / "missing" / "x.jsonl", [])
