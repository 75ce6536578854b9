from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlalchemy.exc import DatabaseError

from practicum.errors import InputError
from practicum.preferences import database
from practicum.preferences.records import NewPrompt
from practicum.preferences.schema import APPEND_ONLY, HEAD, Base
from practicum.preferences.store import Store
from practicum.types import Prompt, Ranking, Response

WRITER = """
import sys
from practicum.preferences.store import Store

store = Store.open(sys.argv[1])
while (assignment := store.lease("jokes", sys.argv[2])) is not None:
    tiers = [[response.id] for response in assignment.responses]
    number = store.submit("jokes", sys.argv[2], assignment.id, tiers)
    print(number, *(response.id for response in assignment.responses), flush=True)
"""


def fill(place: str, prompts: int) -> None:
    with Store.open(place) as store:
        store.create_project("jokes")
        store.add_prompts(
            "jokes",
            [
                NewPrompt(
                    Prompt(f"joke {number}"), tuple(Response(f"{number}.{index}") for index in range(4))
                )
                for number in range(prompts)
            ],
        )
        store.add_rater("jokes", "ann")


def write_and_kill(place: str, rankings: int, kills: int) -> None:
    """Kill a writing process again and again; every ranking it acknowledged must be there, and only once."""
    fill(place, rankings)
    acknowledged: list[list[str]] = []
    for kill in range(1, kills + 1):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, place, "ann"], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            while len(acknowledged) < rankings * kill // kills:
                acknowledged.append(writer.stdout.readline().split())
            os.kill(writer.pid, signal.SIGKILL)
            # What it had said before it died was acknowledged too; a line cut in two was not.
            rest = writer.stdout.read().splitlines(keepends=True)
            acknowledged += [line.split() for line in rest if line.endswith("\n")]
        assert writer.returncode == -signal.SIGKILL
    with Store.open(place) as store:
        kept = [tuple(response.id for response in ranking.responses) for ranking in store.rankings("jokes")]
        assert all(ranking.ranks == (1, 2, 3, 4) for ranking in store.rankings("jokes"))
        assert len(store.payments("jokes")) == len(kept)
    assert len(kept) == len(set(kept))
    assert {tuple(words[1:]) for words in acknowledged} <= set(kept)
    assert len(acknowledged) == len({words[0] for words in acknowledged}) >= rankings * (kills - 1) // kills


def test_rankings_survive_kill_9(place: str) -> None:
    write_and_kill(place, rankings=60, kills=3)


@pytest.mark.slow
def test_a_thousand_rankings_survive_twenty_kills(tmp_path: Path) -> None:
    write_and_kill(str(tmp_path / "preferences.sqlite"), rankings=1000, kills=20)


def test_the_newest_migration_is_the_schema(place: str) -> None:
    engine = database.open_engine(place)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    settings = Config()
    settings.set_main_option("script_location", "practicum.preferences:migrations")
    assert ScriptDirectory.from_config(settings).get_current_head() == HEAD
    engine.dispose()


def test_an_older_database_is_upgraded_and_says_so(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = database._engine(database.database_url(place))
    database.migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO projects (name, instructions, overlap, price_micros, lease_seconds, created) "
                "VALUES ('old', '', 1, 100000, 60, 0)"
            )
        )
    with Store.open(place) as store:
        assert [project.name for project in store.projects()] == ["old"]
    assert "upgraded from schema 0001 to 0003" in capsys.readouterr().err
    with Store.open(place):
        assert capsys.readouterr().err == "", "once"
    engine.dispose()


# What a database of schema 0002 held: two rankings, one of them undone, and a skip.
WORK = (
    "INSERT INTO projects VALUES (1, 'old', 'be kind', 1, 100000, 60, 0), (2, 'next', '', 1, 100000, 60, 0)",
    "INSERT INTO prompts VALUES (1, 1, 'p', 'joke?', '{}', NULL, 0, 0)",
    "INSERT INTO prompts VALUES (2, 1, 'q', 'pun?', '{}', NULL, 0, 0)",
    "INSERT INTO responses VALUES (1, 1, 'a', 0, 'A', '', '', '{}', '{}')",
    "INSERT INTO responses VALUES (2, 1, 'b', 1, 'B', '', '', '{}', '{}')",
    "INSERT INTO responses VALUES (3, 2, 'a', 0, 'A', '', '', '{}', '{}')",
    "INSERT INTO responses VALUES (4, 2, 'b', 1, 'B', '', '', '{}', '{}')",
    "INSERT INTO raters VALUES (1, 1, 'ann', TRUE, '{}', 0)",
    "INSERT INTO assignments VALUES (1, 1, 1, 1, '[2, 1]', 'done', 1, 61, 2)",
    "INSERT INTO assignments VALUES (2, 1, 2, 1, '[3, 4]', 'open', 3, 63, 5)",
    "INSERT INTO rankings VALUES (1, 1, 1, NULL, '[2, 1]', '[1, 2]', FALSE, 4.0, 2)",
    "INSERT INTO rankings VALUES (2, 1, 2, NULL, '[3, 4]', '[1, 2]', FALSE, 4.0, 4)",
    "INSERT INTO rankings VALUES (3, 1, 2, 2, '[3, 4]', '[1, 2]', TRUE, NULL, 5)",
    "INSERT INTO flags VALUES (1, 2, 1, 'unsafe', TRUE, 2)",
    "INSERT INTO payments VALUES (1, 1, 1, 1, 'earned', 2, 200000, 2), (2, 1, 1, 2, 'earned', 2, 200000, 4)",
    "INSERT INTO payments VALUES (3, 1, 1, 3, 'reversed', -2, -200000, 5)",
)


@pytest.mark.parametrize("before", ["0001", "0002"])
def test_work_of_an_older_schema_is_all_there_after_the_upgrade(place: str, before: str) -> None:
    engine = database._engine(database.database_url(place))
    database.migrate(engine, before)
    with engine.execution_options(writes=True).begin() as connection:
        for line in WORK:
            connection.execute(text(line.replace(":", "\\:")))
        if engine.dialect.name == "postgresql":
            for table in ("rankings", "assignments", "raters", "payments", "flags"):
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 9)"))
    engine.dispose()
    with Store.open(place, clock=lambda: 10.0) as store:
        (ranking,) = store.rankings("old")
        assert [one.id for one in ranking.responses] == ["b", "a"]
        assert (ranking.ranks, ranking.rater, ranking.flags) == ((1, 2), "ann", (("unsafe",), ()))
        assert store.project("old").instructions == "be kind"
        assert store.rater_progress("old", "ann").dollars_owed == pytest.approx(0.2)
        assert len(store.history("old", "ann", 2)) == 2
        # Rankings have an identity now, and each project one of its own.
        assert len(ranking.id) > 10
        assert ranking.id.endswith(":1")
        with store._engine.connect() as connection:
            assert len(set(connection.scalars(text("SELECT uid FROM projects")))) == 2
        # A link of before is good until a new one is made, which cancels it.
        assert store.may_enter("old", "session", "ann", "any signed link of before")
        assert store.link_of("old", "ann") is None
        (link,) = store.invite("old", ["ann"], 60)
        assert not store.may_enter("old", "session", "ann", "any signed link of before")
        assert store.may_enter("old", "session", "ann", link.nonce)
        # Work goes on: the prompt taken back is ranked again, and undone once.
        held = store.lease("old", "ann")
        assert held is not None
        assert held.id == 2
        store.submit("old", "ann", held.id, [["a"], ["b"]])
        assert store.undo("old", "ann", "key") is not None
        assert store.undo("old", "ann", "key") is None
        assert store.rater_progress("old", "ann").dollars_owed == pytest.approx(0.2)


def test_a_newer_database_is_refused_and_left_alone(place: str) -> None:
    Store.open(place).close()
    engine = database._engine(database.database_url(place))
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    with pytest.raises(InputError, match=r"newer Practicum \(schema 0007, this one knows 0003\)"):
        Store.open(place)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0007"
    engine.dispose()


def test_nothing_can_be_overwritten_even_by_hand(place: str) -> None:
    fill(place, 1)
    with Store.open(place) as store:
        assignment = store.lease("jokes", "ann")
        assert assignment is not None
        store.flag("jokes", "ann", assignment.id, assignment.responses[0].id, "unsafe")
        store.skip("jokes", "ann", assignment.id, "no")
        store.undo("jokes", "ann")
        store.submit("jokes", "ann", assignment.id, [[response.id] for response in assignment.responses])
    engine = database._engine(database.database_url(place))
    for table in APPEND_ONLY:
        for change in (f"UPDATE {table} SET created = 0", f"DELETE FROM {table}"):
            with (
                pytest.raises(DatabaseError, match=f"{table} is append-only"),
                engine.execution_options(writes=True).begin() as connection,
            ):
                connection.execute(text(change))
    engine.dispose()


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    engine = database.open_engine(tmp_path / "preferences.sqlite")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "preferences.sqlite")
    fill(place, 3)
    with Store.open(place) as store:
        assignment = store.lease("jokes", "ann")
        assert assignment is not None
        store.submit("jokes", "ann", assignment.id, [[response.id] for response in assignment.responses])
        with store._engine.connect() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar()
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        long = [NewPrompt(Prompt("x" * 100_000), (Response("a"), Response("b")))]
        with pytest.raises(InputError, match="the disk is full: free some space"):
            store.add_prompts("jokes", long)
        assert len(store.rankings("jokes")) == 1
        assert len(store.prompts("jokes")) == 3


def test_what_is_read_is_of_one_moment_though_more_comes_in_meanwhile(place: str) -> None:
    fill(place, 3)
    later = [
        Ranking(Prompt(f"late {number}"), (Response("x"), Response("y")), (1, 2), "ann")
        for number in range(9)
    ]
    with Store.open(place) as store, Store.open(place) as other:
        for read in (store.rankings, store.progress, store.prompts, store.payments, store.skips):
            before = read("jokes")

            def add(_: object, __: object, statement: str, *___: object) -> None:
                if later and statement.startswith("SELECT"):
                    other.import_rankings("jokes", [later.pop()])

            event.listen(store._engine, "after_cursor_execute", add)
            try:
                assert read("jokes") == before
            finally:
                event.remove(store._engine, "after_cursor_execute", add)
        assert len(store.rankings("jokes")) == 9


def test_a_database_that_cannot_be_written_is_told_in_one_line(place: str) -> None:
    fill(place, 3)
    with read_only(place) as store:
        assert len(store.prompts("jokes")) == 3
        for change in (
            lambda: store.check_writable("jokes"),
            lambda: store.lease("jokes", "ann"),
            lambda: store.add_rater("jokes", "new"),
        ):
            with pytest.raises(InputError, match=r"cannot be written .*: check the permissions; ") as caught:
                change()
            assert "\n" not in str(caught.value)


@contextlib.contextmanager
def read_only(place: str) -> Iterator[Store]:
    """A store on a database that takes no changes, as a file of somebody else or a standby."""
    forbidden = "-c default_transaction_read_only=on"
    postgresql = place.startswith("postgresql")
    with Store.open(f"{place}?options={quote(forbidden)}" if postgresql else place) as store:
        if not postgresql:
            event.listen(store._engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only=ON"))
            store._engine.dispose()
        yield store


@pytest.mark.parametrize(
    ("content", "words"), [(b"no database at all, only some text" * 99, "not an SQLite database")]
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        Store.open(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(InputError, match="not of Practicum's preferences"):
        Store.open(path)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("missing/folder/x.sqlite", "folder missing/folder does not exist"),
        ("mysql://somewhere/x", "expected an SQLite path or a postgresql:// URL"),
        ("sqlite://", "rankings must outlive the program"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "cannot be reached"),
        ("://x", "not a path or URL"),
    ],
)
def test_a_place_that_cannot_be_opened_is_told(place: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Store.open(place)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_database_is_not_made_for_reading(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such database"):
        Store.open(tmp_path / "none.sqlite", create=False)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_may_open_a_new_database_at_once(place: str) -> None:
    program = "import sys; from practicum.preferences.store import Store; Store.open(sys.argv[1]).projects()"
    opening = [subprocess.Popen([sys.executable, "-c", program, place]) for _ in range(2)]
    assert [process.wait() for process in opening] == [0, 0]


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN"])
def test_opening_waits_for_whoever_writes_a_file_that_is_not_write_ahead_yet(
    tmp_path: Path, lock: str
) -> None:
    place = tmp_path / "new.sqlite"
    with contextlib.closing(sqlite3.connect(place, isolation_level=None, check_same_thread=False)) as other:
        other.execute(lock)
        other.execute("SELECT count(*) FROM sqlite_master").fetchall()
        release = threading.Timer(0.5, other.execute, ["COMMIT"])
        release.start()
        with Store.open(place) as store:
            assert store.projects() == []
        release.join()


def test_raw_connections_do_not_leak(new_postgresql: Callable[[], str]) -> None:
    place = new_postgresql()
    with Store.open(place) as store:
        store.create_project("jokes")
        for _ in range(40):
            with pytest.raises(InputError):
                store.add_prompts("jokes", [NewPrompt(Prompt("p"), (Response("only one"),))])
        assert store.projects()[0].name == "jokes"
