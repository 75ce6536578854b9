"""Run folders as training leaves them, and a dashboard that serves them."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from practicum.report.dashboard.command import DashboardConfig, server_config
from practicum.report.dashboard.discover import Library
from practicum.report.dashboard.site import Site

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
CONFIG = """model = "runs/sft"
seed = {seed}
control = "none"
algorithm = "group"
learning_rate = {rate}

[task]
name = "equations"

[loop]
steps = {steps}
"""
DECISION = {
    "action": "stop",
    "step": 3,
    "sentence": "Step 3: length stands 120 above its threshold; stop here.",
    "samples": [{"step": 3, "prompt": "solve: x=1\n", "completion": EVIL, "reward": 1.5}],
}
KNOWN: dict[str, Any] = {
    "action": "warn",
    "told": {"length_padding": 4},
    "sentences": [
        "Step 4: 40% of the well-paid answers are padded to be long, against 2% in the first steps"
    ],
    "well_paid": {"length_padding": 0.4},
}


def metrics_row(step: int, draw: random.Random) -> dict[str, Any]:
    """A row of practice, short."""
    return {
        "step": step,
        "reward": round(draw.random() + step / 1000, 6),
        "kl": round(draw.random() / 10, 6),
        "entropy": round(2 - draw.random(), 6),
        "completion_tokens": draw.randint(10, 90),
        "reward/verifier": round(draw.random(), 6),
        "outcome/correct": round(draw.random(), 6),
        "outcome/wrong": round(draw.random(), 6),
        "gradient_norm": round(draw.random(), 6),
        "total_seconds": step / 10,
    }


def sample_row(step: int, place: int, draw: random.Random) -> dict[str, Any]:
    """A sample with values for its tokens."""
    words = ["the ", "answer", ": ", str(draw.randint(0, 99))]
    return {
        "step": step,
        "prompt": f"solve: x+{place}=7\n",
        "completion": "".join(words),
        "reward": float(draw.randint(0, 1)),
        "advantage": round(draw.uniform(-1, 1), 4),
        "outcome": draw.choice(["correct", "wrong"]),
        "solved": draw.random() < 0.5,
        "reason": "",
        "completion_tokens": 4,
        "parts": {"verifier": 1.0, "length": 0.25},
        "tokens": {
            "text": words,
            "logprob": [-0.01, -1.5, -0.3, -4.0],
            "advantage": [0.5, -0.25, 0.0, 1.0],
            "kl": [0.1, -0.1, 0.0, 0.4],
        },
    }


def write_rows(path: Path, rows: Any) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_run(
    folder: Path,
    steps: int = 40,
    seed: int = 0,
    rate: float = 0.1,
    samples: int = 2,
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """A finished run."""
    draw = random.Random(f"{folder.name} {seed}")
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG.format(seed=seed, steps=steps, rate=rate))
    environment = {"command": "rl", "seed": seed, "started": "2026-11-27T06:44:18+00:00"}
    (folder / "environment.json").write_text(json.dumps(environment))
    write_rows(folder / "metrics.jsonl", (metrics_row(step + 1, draw) for step in range(steps)))
    rows = (sample_row(step + 1, place, draw) for step in range(steps) for place in range(samples))
    write_rows(folder / "samples.jsonl", rows)
    (folder / "summary.json").write_text(json.dumps({"stage": "rl", "warnings": [], **(summary or {})}))
    return folder


def write_runs(root: Path) -> Path:
    """A folder with what a dashboard may meet: repeats, alarms, damage, evil names, texts and metrics."""
    for seed in range(3):
        write_run(root / "practice" / f"seed-{seed}", seed=seed)
    write_run(root / "alarmed", summary={"guard": DECISION, "known": KNOWN})
    evil = write_run(root / EVIL.replace("/", "-"), rate=0.2)
    row = {"step": 41, EVIL: 1.0, "reward": 0.5}
    with open(evil / "metrics.jsonl", "a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
    turns = [
        {"from": "policy", "text": EVIL},
        {"from": "task", "text": "42"},
        {"from": "policy", "text": "x"},
    ]
    said = {"step": 41, "prompt": EVIL, "completion": EVIL, "reward": 2.0, "outcome": EVIL, "reason": EVIL}
    with open(evil / "samples.jsonl", "a", encoding="utf-8") as stream:
        stream.write(json.dumps({**said, "turns": turns, "known": [EVIL], EVIL: EVIL}) + "\n")
        stream.write(json.dumps({**said, "tokens": {"text": [EVIL, "\ud800"], "logprob": [-1, None]}}) + "\n")
    cut = write_run(root / "cut")
    text = (cut / "metrics.jsonl").read_bytes()
    (cut / "metrics.jsonl").write_bytes(text[:-20])
    (root / "empty").mkdir()
    finding = {
        "kind": "false_accept",
        "sentence": "It pays any text.",
        "prompt": EVIL,
        "completion": EVIL,
        "paid": 1,
    }
    (root / "fuzzed.json").write_text(json.dumps({"findings": [finding], "calls": 300, "seconds": 1.0}))
    doctor = [{"name": "signal", "severity": "stop", "sentence": "Rewards are all equal.", "remedy": "Look."}]
    (root / "tried.json").write_text(json.dumps({"dry_run": True, "verdict": "stop", "findings": doctor}))
    return root


@dataclass(frozen=True)
class Served:
    """A dashboard's address and its site."""

    url: str
    site: Site


@contextmanager
def serving(root: Path) -> Iterator[Served]:
    """Serve a runs folder until the block ends."""
    site = Site(Library(root))
    settings = server_config(site, DashboardConfig(runs=root))
    settings.port = 0
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", site)
    finally:
        server.should_exit = True
        thread.join()
