"""Every logger has what metrics.jsonl has, changes nothing in a run, and cannot end one."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from practicum.cli import main
from practicum.errors import InputError
from practicum.files import read_rows
from practicum.guard.observer import Quiet, StepResult, Verdict
from practicum.loggers import observer
from practicum.loggers.channel import Channel
from practicum.loggers.names import in_sections, logged_names
from practicum.run import loggers
from practicum.run.folder import Run
from practicum.run.loggers import LOGGERS, chosen_loggers, logging_to
from practicum.training.loop import LoopConfig, Stage, run_steps
from tests.loggers.readers import READERS


def needs(name: str) -> Any:
    reason = f"{name} is not installed: pip install 'practicum[{name}]'"
    return pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=reason))


EVERY = [needs(name) for name in LOGGERS]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow, whose tables take seconds to make."""
    if find_spec("mlflow") is None:
        return Path()
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """No logger writes outside of the test's folder or asks a server."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "practicum")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    if "mlflow" in request.node.name and find_spec("mlflow") is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{request.getfixturevalue('database')}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def step(index: int) -> StepResult:
    part = {} if index % 2 else {"reward/short": index / 4}
    metrics = {"tokens": 3.0, "reward": float(index), "gradient_norm": float("nan"), **part}
    return StepResult(metrics, [{"step": index + 1}])


class GoesBack(Quiet):
    """Goes back from step 5 to step 4 and on from there, once."""

    name = "guard"
    done = False

    def after(self, step: int, result: StepResult) -> Verdict:
        if step != 5 or self.done:
            return Verdict()
        self.done = True
        return Verdict(ends=True, back_to=4, pin={"why": "test"})


def stage_of(
    folder: Path, make_trainee: Any, steps: int = 6, resume: bool = False, watch: Any = None
) -> Stage:
    config = LoopConfig(steps=steps, checkpoint_every=2, threads=1)
    run = Run.open(folder, LoopConfig(), "test", resume=resume, keep=9)
    return Stage(run, config, make_trainee(), ("reward",), (watch,) if watch else (), keep_start=True)


def key_of(folder: Path, name: str) -> str:
    return str(json.loads((folder / "loggers.json").read_text())[name])


def expected(folder: Path) -> dict[str, dict[int, Any]]:
    curves: dict[str, dict[int, Any]] = {}
    for row in read_rows(folder / "metrics.jsonl"):
        for tag, value in in_sections(logged_names(row)).items():
            curves.setdefault(tag, {})[row["step"]] = pytest.approx(value, rel=1e-6)
    return curves


@pytest.mark.parametrize("name", EVERY)
def test_a_logger_has_every_row_of_a_run_that_goes_back_and_is_resumed(
    name: str, make_trainee: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with logging_to([name]):
        run_steps(stage_of(folder, make_trainee, watch=GoesBack()), step)
    key = key_of(folder, name)
    # The run remembers where it was logged, and what lies behind it is not sent again.
    run_steps(stage_of(folder, make_trainee, steps=9, resume=True), step)
    assert key_of(folder, name) == key
    found = READERS[name](folder, key)
    assert {tag: found.get(tag) for tag in expected(folder)} == expected(folder)
    assert set(found["train/reward"]) == set(range(1, 10))
    assert found["train/rewards/short/mean"].keys() == {1, 3, 5, 7, 9}
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count(f"practicum: logging to {name}: ") == 2
    assert "goes on without" not in said.err


@pytest.mark.parametrize("name", EVERY)
def test_a_logger_that_comes_late_gets_the_rows_before_it(
    name: str, make_trainee: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run_steps(stage_of(folder, make_trainee), step)
    assert not (folder / "loggers.json").exists()
    with logging_to([name]):
        run_steps(stage_of(folder, make_trainee, resume=True), step)
    assert set(READERS[name](folder, key_of(folder, name))["train/reward"]) == set(range(1, 7))


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_no_logger_changes_a_bit_of_a_run(make_trainee: Any, tmp_path: Path) -> None:
    def final(folder: Path, names: list[str]) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
        trainee = make_trainee()
        stage = replace(stage_of(folder, make_trainee), trainee=trainee)

        def learn(index: int) -> StepResult:
            noise = torch.rand(())
            for part in trainee.optimizer.named.values():
                part.grad = torch.full_like(part, float(noise))
            trainee.optimizer.step(index)
            return replace(step(index), metrics={**step(index).metrics, "loss": float(noise)})

        torch.manual_seed(1)
        with logging_to(names):
            run_steps(stage, learn)
        rows = [
            {key: value for key, value in row.items() if not key.endswith("seconds")}
            for row in read_rows(folder / "metrics.jsonl")
        ]
        return rows, dict(trainee.decoder.named_parameters())

    installed = [name for name in LOGGERS if find_spec(name) is not None]
    plain, logged = final(tmp_path / "plain", []), final(tmp_path / "logged", installed)
    assert plain[0] == logged[0]
    assert all(torch.equal(value, logged[1][name]) for name, value in plain[1].items())


# ------------------------------------------------------------------------------------------- what goes wrong


class _Tracking(http.server.BaseHTTPRequestHandler):
    """As much of MLflow's server as a run asks for."""

    ANSWERS: ClassVar[dict[str, Any]] = {
        "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "practicum"}},
        "runs/create": {"run": {"info": {"run_id": "a1", "experiment_id": "1"}, "data": {}}},
    }

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].removeprefix("/api/2.0/mlflow/")
        data = json.dumps(self.ANSWERS.get(name, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tracking)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield serving
    finally:
        serving.shutdown()
        serving.server_close()
        thread.join()


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
@pytest.mark.parametrize("gone_at", [0, 3])
def test_a_server_that_is_gone_ends_no_run_and_is_told_once(
    gone_at: int,
    make_trainee: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database: Path,
) -> None:
    folder = tmp_path / "run"
    with server() as serving:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{serving.server_port}")

        def until_gone(index: int) -> StepResult:
            if index + 1 == gone_at:
                serving.shutdown()
                serving.server_close()
            return step(index)

        if not gone_at:
            serving.shutdown()
            serving.server_close()
        with logging_to(["mlflow"]):
            last = run_steps(stage_of(folder, make_trainee), until_gone)
    assert last["step"] == 6
    assert len(read_rows(folder / "metrics.jsonl")) == 6
    said = capsys.readouterr().err
    assert said.count("practicum: mlflow: ") == 1
    assert f"the run goes on without it, and {folder}/metrics.jsonl has every row" in said
    assert key_of(folder, "mlflow") == ""
    # What it missed is sent by the next resume.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    run_steps(stage_of(folder, make_trainee, steps=7, resume=True), step)
    assert set(READERS["mlflow"](folder, key_of(folder, "mlflow"))["train/reward"]) == set(range(1, 8))


def test_a_call_that_never_returns_is_waited_for_no_longer_than_is_said() -> None:
    held, made = threading.Event(), []
    channel = Channel("test")
    channel.send(lambda: made.append(1))
    channel.send(lambda: print(held.wait()))
    channel.send(lambda: made.append(2))
    started = time.monotonic()
    assert not channel.close(0.05)
    assert time.monotonic() - started < 30
    assert made == [1]
    held.set()
    channel.thread.join()
    assert made == [1, 2]


def test_what_fails_is_kept_and_ends_the_channel_alone() -> None:
    channel, made = Channel("test"), []

    def fails() -> None:
        raise ConnectionError("the server is gone")

    channel.send(fails)
    channel.send(lambda: made.append(1))
    assert channel.close(60)
    assert str(channel.error) == "the server is gone"
    assert observer._words(channel.error) == "ConnectionError: the server is gone"
    assert made == []


# ------------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["tensorboard"], ("tensorboard",)),
        (["tensorboard,mlflow", "tensorboard"], ("tensorboard", "mlflow")),
        (["wandb, trackio"], ("wandb", "trackio")),
        (["none"], ()),
    ],
)
def test_loggers_are_named_one_by_one_or_together(
    words: list[str], names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: name)
    assert chosen_loggers(words) == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["tensorbord"],
            "unknown logger 'tensorbord'; did you mean tensorboard? choose tensorboard,",
        ),
        (["x"], "unknown logger 'x'; choose tensorboard"),
        (["none,wandb"], "none stands alone: choose"),
        ([""], "--log needs a name after it"),
    ],
)
def test_names_that_are_none_are_told(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: name)
    with pytest.raises(InputError) as told:
        chosen_loggers(words)
    assert said in str(told.value)


def test_a_library_that_is_missing_is_told_before_there_is_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    assert main(["pretrain", "--run", str(tmp_path / "run"), "--log", "wandb"]) == 2
    assert "needs wandb, which is not installed: pip install 'practicum[wandb]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(["eval", "--model", "x", "--log=wandb"]) == 2
    assert "practicum eval trains nothing: drop --log" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_every_run_of_a_demo_is_logged_and_named_after_the_whole(
    small_stages: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--examination_count=4", "--sampled_count=2", "--samples=0", "--no-human_feedback"]
    small += ["--pretrain_steps=2", "--sft_steps=2", "--rl_steps=2", "--run", str(tmp_path / "demo")]
    with small_stages():
        assert main(["demo", *small, "--log", "tensorboard"]) == 0
        for stage in ("pretrain", "sft", "rl"):
            found = READERS["tensorboard"](tmp_path / "demo" / stage, "")
            assert set(found["train/step_time"]) == {1, 2}
        # A demo that was killed goes on with its loggers.
        shutil.rmtree(tmp_path / "demo" / "rl")
        assert main(["demo", "--run", str(tmp_path / "demo"), "--resume"]) == 0
    assert set(READERS["tensorboard"](tmp_path / "demo" / "rl", "")["train/reward"]) == {1, 2}
    runs = observer._runs_folder(tmp_path / "demo" / "rl")
    assert runs == tmp_path
