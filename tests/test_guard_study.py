"""The study of the guard counts alarms on clean and gamed runs, and what going back would have kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies import guard
from studies.guard import StudyConfig, judged


def recorded(folder: Path, seed: int, gamed: bool) -> Path:
    """The metrics of a made-up run; a gamed one leaves the reference from step 26 on and loses utility."""
    generator, rows = np.random.default_rng(seed), []
    for step in range(1, 41):
        gone = max(0, step - 25) if gamed else 0
        rows.append(
            {
                "step": step,
                "reward/gold": 0.02 * step - 0.5 * gone,
                "kl_completion": 0.02 * step + 1.5 * gone,
                "entropy": 2.0 + 0.1 * generator.normal(),
                "repetition": 0.02 + 0.01 * generator.normal(),
                "completion_tokens": 30 + generator.normal(),
                "reward/disagreement": 0.5 + 0.05 * generator.normal(),
            }
        )
    folder.mkdir(parents=True)
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_it_counts_alarms_and_what_was_kept(tmp_path: Path) -> None:
    clean, gamed = (
        [recorded(tmp_path / f"{name}-{seed}", seed, name == "gamed") for seed in range(20)]
        for name in ("clean", "gamed")
    )
    results: dict[str, Any] = judged(StudyConfig(tmp_path), clean, gamed)
    for kind in ("ensemble", "one_member"):
        assert results[kind]["false_alarms"]["value"] == 0
        assert results[kind]["stopped"]["value"] == 1
        for run in results[kind]["gamed"]:
            assert run["step"] == 29, "the first step above 6 nats"
            assert run["to_step"] == 20
            assert run["kept"] > run["start"] > run["end"]
    assert results["signals"]["entropy"]["detection_rate"] < 0.3
    assert "ensemble_disagreement" in results["signals"]
    assert "kl" not in results["signals"], "it was not logged"


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.main(["--help"]) == 0
    assert "--seeds" in capsys.readouterr().out
