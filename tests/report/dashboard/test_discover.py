"""Runs are found and told as they stand; nothing but a run's own folder is ever written or removed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.report.dashboard import discover
from practicum.report.dashboard.discover import Library, delete_run, grouped, read_tags, write_tags
from practicum.report.dashboard.findings import found_files
from practicum.run.folder import locked
from practicum.training.dead import STEPS
from tests.report.dashboard.made import DECISION, KNOWN, write_run, write_runs

ODD_NAMES = st.sampled_from(["action", "sentence", "sentences", "told", "samples", "step", "verdict"])
ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["bad", "hold", "stop", ""])


def everything(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
    }


def test_runs_are_told_as_they_stand(tmp_path: Path) -> None:
    library = Library(write_runs(tmp_path))
    states = {state.name: state for state in library.look().states}
    assert len(states) == 7
    first = states["practice/seed-0"]
    assert (first.status, first.problems, first.stage, first.task) == ("finished", (), "rl", "equations")
    assert (first.step, first.steps, first.metric, first.seed, first.alarms) == (40, 40, "reward", 0, 0)
    assert states["alarmed"].status == "ended"
    assert states["alarmed"].alarms == 2
    assert states["cut"].problems == ("metrics.jsonl: its last line is cut",)
    assert states["cut"].status == "broken"
    assert states["empty"].problems == ("an empty folder",)
    groups = [[state.name for state in group] for group in grouped(list(states.values()))]
    assert sorted(map(len, groups))[-1] >= 3
    assert library.state("cut") is states["cut"], "what did not change is not read again"
    with open(tmp_path / "cut" / "metrics.jsonl", "ab") as stream:
        stream.write(b"\n")
    assert library.state("cut").problems == ("metrics.jsonl: its last lines are no JSON",)


def test_repeats_of_one_seed_are_apart_unless_their_names_agree(tmp_path: Path) -> None:
    for kind in ("a", "b"):
        for seed in range(2):
            write_run(tmp_path / kind / f"seed-{seed}", seed=seed, steps=2)
    write_run(tmp_path / "c", seed=7, steps=2, rate=0.5)
    groups = [sorted(state.name for state in group) for group in grouped(Library(tmp_path).look().states)]
    assert sorted(groups) == [["a/seed-0", "a/seed-1"], ["b/seed-0", "b/seed-1"], ["c"]]


def test_repeats_may_be_paid_by_models_of_their_own_seeds(tmp_path: Path) -> None:
    paid_by = 'reward_model = ["runs/seed-{}/reward-1"]\n'
    for seed in (1, 12):
        run = write_run(tmp_path / f"seed-{seed}", seed=seed, steps=2)
        text = (run / "config.toml").read_text()
        (run / "config.toml").write_text(paid_by.format(seed) + text)
    assert [len(group) for group in grouped(Library(tmp_path).look().states)] == [2]
    (run / "config.toml").write_text(paid_by.format(1) + text)
    assert len(grouped(Library(tmp_path).look().states)) == 2


def test_findings_are_told_with_their_samples(tmp_path: Path) -> None:
    library = Library(write_runs(tmp_path))
    found = library.state("alarmed").findings
    assert [one.source for one in found] == ["guard", "count of exploits", "doctor"]
    assert found[0].sentence == DECISION["sentence"]
    assert found[0].samples[0].reward == 1.5
    assert (found[1].kind, found[1].step, found[1].severity) == ("length_padding", 4, "warn")
    assert found[1].sentence == KNOWN["sentences"][0]
    assert found[2].severity == "ok"
    cut = library.state("cut").findings
    assert cut[0].severity == "stop"
    assert "--resume" in cut[0].remedy
    files = {file.name: file for file in found_files(tmp_path)}
    assert files["fuzzed.json"].findings[0].sentence == "It pays any text."
    assert files["tried.json"].findings[0].remedy == "Look."


def test_a_run_that_stands_still_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "still", steps=4)
    rows = [{"step": step, "gradient_norm": 0.0} for step in range(1, 6)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = Library(tmp_path).state("still").findings
    assert "the gradient was 0" in found[0].sentence


BAD_NAMES = ("", ".", "..", "../other", "a/../../other", "/etc", "a//b", "a\0b", "link", "a\\b", "a" * 5000)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_only_folders_inside_are_runs(tmp_path: Path, name: str) -> None:
    root = tmp_path / "runs"
    write_run(root / "a", steps=2)
    outside = write_run(tmp_path / "other", steps=2)
    (root / "link").symlink_to(outside, target_is_directory=True)
    before = everything(tmp_path)
    library = Library(root)
    assert [state.name for state in library.look().states] == ["a"]
    with pytest.raises(InputError):
        library.state(name)
    with pytest.raises(InputError):
        delete_run(library, name)
    assert everything(tmp_path) == before


def test_deleting_takes_the_run_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    kept, gone = write_run(root / "kept", steps=2), write_run(root / "demo", steps=2)
    write_run(gone / "rl", steps=2)
    outside = tmp_path / "model"
    outside.mkdir()
    (outside / "weights").write_text("w")
    (gone / "model").symlink_to(outside, target_is_directory=True)
    library = Library(root)
    delete_run(library, "demo")
    assert not gone.exists()
    assert (outside / "weights").read_text() == "w"
    assert sorted(path.name for path in root.iterdir()) == [kept.name]


def test_a_run_that_is_filled_cannot_be_deleted(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    whole = write_run(root / "demo", steps=2)
    stage = write_run(whole / "rl", steps=2)
    (root / "plain").mkdir()
    (root / "plain" / "notes.txt").write_text("mine")
    program = "import sys; from pathlib import Path; from practicum.run.folder import locked\n"
    program += "held = locked(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program, str(stage)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        library = Library(root)
        assert library.state("demo/rl").status == "running"
        before = everything(root)
        for name in ("demo", "demo/rl"):
            with pytest.raises(InputError, match="process"):
                delete_run(library, name)
        assert everything(root) == before
        # Also where the file does not say whose it is: the lock itself is asked for.
        (stage / ".lock").write_text("?")
        with pytest.raises(InputError, match="in use"):
            delete_run(library, "demo")
        holder.communicate("")
    with pytest.raises(InputError, match="no run's folder"):
        delete_run(library, "plain")
    delete_run(library, "demo")
    assert not whole.exists()


def test_a_lock_left_behind_is_no_running_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", steps=2)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (run / ".lock").write_text(f"process {process.pid} on {socket.gethostname()} since now\n")
    assert Library(tmp_path).state("a").status == "finished"
    (run / ".lock").write_text(f"process {process.pid} on another-{socket.gethostname()} since now\n")
    assert Library(tmp_path).state("a").status == "running"
    (run / ".lock").write_text(f"process {os.getpid()} on {socket.gethostname()} since now\n")
    assert Library(tmp_path).state("a").status == "running"


def test_looking_leaves_the_lock_free(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", steps=2)
    held = locked(run)
    assert Library(tmp_path).state("a").status == "running"
    del held
    assert not (run / ".lock").exists()


def test_tags_are_kept_in_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", steps=2)
    assert write_tags(run, " baseline,  keep  this , baseline,") == ("baseline", "keep this")
    assert read_tags(run) == ("baseline", "keep this")
    assert Library(tmp_path).state("a").tags == ("baseline", "keep this")
    for bad in ("<b>", "a" * 41, "-x\n\0y", ", ".join(map(str, range(13)))):
        with pytest.raises(InputError, match="tag"):
            write_tags(run, bad)
    assert read_tags(run) == ("baseline", "keep this")
    write_tags(run, "")
    assert not (run / discover.TAGS).exists()
    (run / discover.TAGS).write_text('{"tags": ["ok", 3, "<b>"]}')
    assert read_tags(run) == ("ok",)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("metrics.jsonl", '{"step": 7, "reward": NaN, "kl": -Infinity, "entropy": 1.0}\n', "reward, kl"),
        ("metrics.jsonl", '{"step": 7, "loss": null, "explained_variance": null}\n', "infinite): loss"),
        ("metrics.jsonl", '{"step": 7, "gradient_norm": 0.0}\n' * 3, "the gradient was 0"),
        ("audit.json", '{"subject": "x", "guard": {"verdict": "bad", "sentence": "It pays."}}', "It pays."),
    ],
)
def test_what_a_runs_page_warns_of_is_counted_in_the_table(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    run = write_run(tmp_path / "a", steps=4)
    library = Library(tmp_path)
    assert library.state("a").alarms == 0
    (run / name).write_text(text)
    assert library.state("a").alarms == 1
    found = library.state("a").findings
    assert words in found[0].sentence
    assert not any("Nothing stood still" in one.sentence for one in found) or name == "audit.json"


@settings(max_examples=60, deadline=None)
@given(st.recursive(ODD, lambda inner: st.lists(inner) | st.dictionaries(ODD_NAMES, inner), max_leaves=9))
def test_no_file_of_one_run_takes_the_table_of_all_away(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    root = tmp_path_factory.mktemp("runs")
    run = write_run(root / "a", steps=2)
    row = {"step": 3, "reward": value, "gradient_norm": value, "reward_deviation": value}
    (run / "metrics.jsonl").write_text(f"{json.dumps(row)}\n" * STEPS)
    (run / "audit.json").write_text(json.dumps({"subject": "x", "a": {"verdict": value, "sentence": "s"}}))
    for name in ("summary.json", "held.json"):
        (run / name).write_text(json.dumps(dict.fromkeys(("guard", "known", "action", "sentences"), value)))
    assert [state.name for state in Library(root).look().states] == ["a"]
    assert Library(root).state("a").findings is not None


def test_a_folder_whose_runs_lie_too_deep_is_not_called_empty(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "b" / "c" / "d" / "e" / "f", steps=1)
    write_run(tmp_path / "1" / "2" / "3" / "4" / "5" / "6" / "7", steps=1)
    found = Library(tmp_path).look()
    assert [state.name for state in found.states] == ["a/b/c/d/e/f"]
    assert found.left_out
