"""The commands as a person meets them: every case here starts `practicum` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from practicum.cli import COMMANDS, main

TINY = [
    "--model.layers=1",
    "--model.hidden_size=32",
    "--model.intermediate_size=32",
    "--model.heads=2",
    "--model.key_value_heads=1",
    "--model.head_dim=16",
    "--batch_rows=2",
    "--loop.threads=1",
    "--loop.steps=40",
    "--loop.checkpoint_every=5",
]


def practicum(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "practicum", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `exposition` of a model that knows nothing."""
    folder = tmp_path_factory.mktemp("cli")
    process = practicum("pretrain", *TINY, "--run=exposition", "--json", folder=folder)
    assert process.returncode == 0, process.stderr
    return folder


def refused(process: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2, nothing on stdout, one error line that holds all `words`."""
    assert process.returncode == 2, process.stderr
    assert process.stdout == ""
    assert "Traceback" not in process.stderr
    line = process.stderr.splitlines()[-1]
    assert line.startswith(("practicum: error: ", "practicum verify: "))
    for word in words:
        assert word in line, line


def test_help_lists_the_commands_in_learning_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    places = [page.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert "start here" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pretrian"], ["'pretrian'", "did you mean pretrain?"]),
        (["sft", "--model", "absent"], ["absent", "no model"]),
        (["pretrain", "--task.equations.families.linaer", "1"], ["'linaer'", "linear"]),
        (["verify", "x + = 3", "1"], ["x + = 3"]),
    ],
)
def test_bad_input_ends_the_process_with_one_line_and_code_2(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    refused(practicum(*arguments, folder=tmp_path), *words)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no command given", "--help"]),
        (["--json"], ["unknown command '--json'"]),
        (["sft"], ["model is required", "--model"]),
        (
            ["sft", "--model", "x", "--optimizer.learning_rat", "1"],
            ["did you mean --optimizer.learning_rate?"],
        ),
        (["pretrain", "--seed", "x"], ["--seed", "whole number", "'x'"]),
        (["sft", "--model", "x", "--textbook_passages", "-1"], ["textbook_passages is -1", "at least 0"]),
        (["pretrain", "--config", "absent.toml"], ["absent.toml"]),
        (["pretrain", "--config"], ["--config needs a path"]),
        (["pretrain", "--resume"], ["--resume needs --run"]),
        (["pretrain", "--run", "absent", "--resume"], ["absent", "no run to resume"]),
        (["eval", "--model", "absent", "--run", "x"], ["writes no run folder"]),
        (["pretrain", "--dtype", "a\n\x1b[2Jb"], ["a\\n\\x1b[2Jb"]),
        (["sample", "--model", "x", "--prompt", "a\udcffb"], ["argument 5", "\\udcff", "no utf-8 text"]),
        (["rl", "--run", "\udcff"], ["argument 3", "no utf-8 text"]),
        (["report"], ["run folder", "practicum report RUN"]),
        (["report", "absent"], ["absent", "no such run folder"]),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    line = output.err.splitlines()[-1]
    assert line.startswith("practicum: error: ")
    assert all(word in line for word in words), line
    assert os.listdir(tmp_path) == []


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m practicum --help | true; exit ${{PIPESTATUS[0]}}"
    process = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode in (0, 1)
    assert process.stderr == ""


def test_an_unknown_key_in_a_file_names_file_and_nearest_key(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[optimiser]\nlearning_rate = 1.0\n")
    refused(practicum("pretrain", "--config=recipe.toml", folder=tmp_path), "recipe.toml", "'optimiser'")


def test_results_are_lines_for_people_and_one_object_with_json(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    examination = ["eval", "--model=exposition", "--task=equations", "--count=3"]
    assert main([*examination, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3
    assert main(examination) == 0
    assert ["n", "3"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_sample_shows_prompt_completion_and_verdict(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    command = ["sample", "--model=exposition", "--prompt", "3 - (3+y)/y = y", "--sampling.max_new_tokens=8"]
    assert main(command) == 0
    assert "=> " in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["samples"]
    assert {"prompt", "completion", "outcome", "reason"} <= row.keys()


def test_a_run_is_not_resumed_with_another_config(trained: Path) -> None:
    refused(
        practicum("pretrain", "--run=exposition", "--resume", "--seed=5", folder=trained),
        "seed = 0",
        "now it is 5",
    )


def test_the_stored_config_repeats_the_run_bit_for_bit(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    assert main(["pretrain", "--config=exposition/config.toml", "--run=again"]) == 0
    assert weights(trained / "again") == weights(trained / "exposition")
    assert (trained / "again/config.toml").read_text() == (trained / "exposition/config.toml").read_text()


def test_the_three_stages_meet_through_folders(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    worked = ["sft", "--model=exposition", "--batch_demonstrations=4", "--loop.steps=2", "--run=worked"]
    assert main(worked) == 0
    practice = ["rl", "--model=worked", "--prompts_per_step=2", "--group_size=2", "--loop.steps=1"]
    capsys.readouterr()
    assert main([*practice, "--run=practice", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "practice"
    assert (trained / "practice/summary.json").exists()


def test_report_writes_a_page_that_stands_alone(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    assert main(["report", "exposition"]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == Path("exposition/report.html")
    assert "</html>" in page.read_text(encoding="utf-8")


def test_an_interrupted_run_says_how_to_go_on_and_ends_as_if_unbroken(trained: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        # Nice, so that on a busy machine it does not end before this test has looked at it.
        ["nice", "-n", "19", sys.executable, "-m", "practicum", "pretrain", *TINY, "--run=broken"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # Tests that a shell runs in the background would hand on that Ctrl-C is ignored there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    checkpoints = tmp_path / "broken/checkpoints"
    while not (checkpoints.exists() and any(checkpoints.glob("step-*"))):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "continue with: practicum pretrain --run broken --resume" in errors
    assert "Traceback" not in errors
    assert not (checkpoints / "step-000040").exists()
    resumed = practicum("pretrain", "--run=broken", "--resume", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert weights(tmp_path / "broken") == weights(trained / "exposition")
    losses = [
        [(row["step"], row["loss"]) for row in map(json.loads, (run / "metrics.jsonl").open())]
        for run in (tmp_path / "broken", trained / "exposition")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 40


def weights(run: Path) -> dict[str, bytes]:
    tensors = load_file(run / "checkpoints/step-000040/model.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    output = capsys.readouterr()
    assert f"practicum {name}" in output.out
    assert output.err == ""


def test_a_command_whose_extra_is_not_installed_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith("practicum.preferences.app")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "argon2", None)
    assert main(["collect", "--help"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "argon2" in error
    assert "practicum[web]" in error
