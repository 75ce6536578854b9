"""A profile's parts add up to the step, on one thread and on several, and its trace opens."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from practicum.model.checkpoint import save_model
from practicum.model.sampling import SamplingConfig
from practicum.run import profile
from practicum.run.profile import PARTS, Profile, Span, apportion, span
from practicum.training.loop import LoopConfig
from practicum.training.rl import RlConfig, train


def test_time_belongs_to_the_innermost_span_and_is_shared_between_threads() -> None:
    spans = [
        Span("sample", 1, 1.0, 4.0),
        Span("verify", 1, 2.0, 3.0),
        Span("forward", 1, 5.0, 7.0),
        Span("backward", 2, 6.0, 9.0),
        Span("forward", 2, 5.0, 6.0),
    ]
    seconds = apportion(spans, 0.0, 10.0)
    assert seconds == {
        "sample": 2.0,
        "verify": 1.0,
        "reference": 0.0,
        "forward": 1.5,  # two of them from 5 to 6, one beside a backward pass from 6 to 7
        "backward": 2.5,
        "optimizer": 0.0,
        "other": 3.0,
    }


def test_spans_of_all_threads_are_recorded_within_a_step_only() -> None:
    recorded = Profile()
    with span("sample"):
        pass
    recorded.begin()
    worker = threading.Thread(target=span("forward")(time.sleep), args=(0.02,))
    worker.start()
    worker.join()
    with pytest.raises(ValueError, match="kept"), span("verify"):
        raise ValueError("kept")
    recorded.end()
    with span("backward"):
        pass
    assert [one.part for one in recorded.spans] == ["forward", "verify"]
    assert recorded.spans[0].thread != recorded.spans[1].thread
    assert recorded.seconds()["forward"] > 0.01
    assert profile._recording is None


def test_nothing_is_recorded_and_hardly_any_time_taken_when_off() -> None:
    def thousand() -> float:
        started = time.thread_time()
        for _ in range(1000):
            with span("forward"):
                pass
        return time.thread_time() - started

    assert min(thousand() for _ in range(5)) < 0.02, "a microsecond or two each"


@pytest.mark.parametrize("threads", [1, 2])
def test_practice_prints_a_table_that_adds_up_and_writes_a_trace(
    make_trainee: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], threads: int
) -> None:
    trainee = make_trainee()
    save_model(trainee.decoder, trainee.tokenizer, tmp_path / "model")
    config = RlConfig(
        model=tmp_path / "model",
        prompts_per_step=32,
        group_size=8,
        sampling=SamplingConfig(max_new_tokens=40),
        loop=LoopConfig(steps=3, threads=threads),
        profile=True,
    )
    try:
        train(config, tmp_path / "run")
    finally:
        torch.set_num_threads(1)
    lines = capsys.readouterr().err.split("where a step's time goes", 1)[1].splitlines()[1:]
    shown = {line.split()[0]: float(line.split()[1]) for line in lines}
    assert list(shown) == [*PARTS, "step"]
    assert shown["sample"] > 0
    assert sum(shown[part] for part in PARTS) == pytest.approx(shown["step"], abs=0.5)
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    # The table is of the inside of a step; what else a busy machine does may fall between the two clocks.
    whole = 500 * (rows[1]["seconds"] + rows[2]["seconds"])
    assert whole - max(2, 0.05 * whole) < shown["step"] < whole + 0.1
    events = json.loads((tmp_path / "run/trace.json").read_text())["traceEvents"]
    complete = [event for event in events if event["ph"] == "X"]
    assert {"sample", "verify", "optimizer", "step 1", "step 3"} <= {event["name"] for event in complete}
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in complete)


def test_without_the_flag_there_is_no_trace(make_trainee: Any, tmp_path: Path) -> None:
    trainee = make_trainee()
    save_model(trainee.decoder, trainee.tokenizer, tmp_path / "model")
    sampling = SamplingConfig(max_new_tokens=4)
    config = RlConfig(tmp_path / "model", prompts_per_step=2, sampling=sampling, loop=LoopConfig(steps=1))
    train(config, tmp_path / "run")
    assert not (tmp_path / "run/trace.json").exists()
