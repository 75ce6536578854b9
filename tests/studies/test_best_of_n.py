"""The study of the best of n answers at a tiny size, and the claims made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from practicum.model.checkpoint import load_model
from studies import best_of_n, exploits
from studies.best_of_n import StudyConfig, study
from studies.results import measure


def test_a_tiny_study_has_every_curve_and_becomes_claims(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = exploits.first_model
    monkeypatch.setattr(exploits, "first_model", lambda config: first(replace(config, steps=3)))
    config = StudyConfig(tmp_path, seeds=2, rankings=(4, 6, 8), prompts=3, answers=8)
    with small_stages():
        results = study(config)
    assert results["best_of_n"].keys() == {"0", "1"}
    curves = results["best_of_n"]["1"]
    assert curves.keys() == {"4-0", "6-0", "8-0", "6-1"}
    assert curves["4-0"]["n"] == [1, 2, 4, 8]
    assert curves["4-0"]["kl"][0] == 0
    assert curves["4-0"]["gold"][0] == pytest.approx(0)
    # The best of n by a reward has, by that reward, more than the best of fewer.
    assert curves["4-0"]["reward"] == sorted(curves["4-0"]["reward"])
    assert load_model(tmp_path / "layers-1")[0].config.num_hidden_layers == 1
    rows = [(tmp_path / "seed-0" / f"rankings-{count}.jsonl").read_text().splitlines() for count in (4, 8)]
    assert rows[1][:4] == rows[0]
    before = json.loads((tmp_path / "results.json").read_text())
    study(config)
    assert json.loads((tmp_path / "results.json").read_text()) == before
    # d(a - b d) needs ten points for its held-out R^2.
    for fit in before["fits"].values():
        fit["held_out_r2"] = 0.9
    (tmp_path / "results.json").write_text(json.dumps(before))
    claims = {claim["id"]: claim for claim in measure(tmp_path)}
    assert claims.keys() == {
        "best-of-n-gain",
        "best-of-n-more-rankings",
        "best-of-n-more-layers",
        "best-of-n-curve-held-out-r2",
    }
    few, many = (results["best_of_n"]["0"][name]["gold"][-1] for name in ("4-0", "8-0"))
    assert claims["best-of-n-more-rankings"]["per_seed"]["0"] == pytest.approx(many - few)
    assert claims["best-of-n-gain"]["command"] == (
        "python -m studies.best_of_n --seeds 2 --rankings 4 6 8 --prompts 3 --answers 8 --run runs/best_of_n"
    )


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert best_of_n.main(["--help"]) == 0
    assert "--answers" in capsys.readouterr().out
