"""The study beside TRL: its rows and its claims. TRL itself trains in the study."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from practicum.training.algorithms import ALGORITHMS
from practicum.training.rl import RlConfig
from studies.beside_trl import COUNTS, PRACTICE, Part, claims, rows_of, write_rows


def test_each_sum_is_in_one_file_only(tmp_path: Path) -> None:
    """Texts to read, lessons, practice and examination share no question."""
    write_rows(tmp_path)
    files = {name: [row["prompt"] for row in rows_of(tmp_path / f"{name}.jsonl")] for name in COUNTS}
    assert {name: len(set(rows)) for name, rows in files.items()} == COUNTS
    assert len(set().union(*files.values())) == sum(COUNTS.values())


def test_a_rejected_answer_is_never_right(tmp_path: Path) -> None:
    """Pairs differ in the value only."""
    write_rows(tmp_path)
    for row in rows_of(tmp_path / "pairs.jsonl"):
        chosen, rejected = (row[side].rpartition(" ") for side in ("chosen", "rejected"))
        assert chosen[0] == rejected[0]
        assert chosen[2] != rejected[2]


def test_labels_are_the_pairs(tmp_path: Path) -> None:
    """Each answer of a pair once, good where it was chosen."""
    write_rows(tmp_path)
    pairs, labels = rows_of(tmp_path / "pairs.jsonl"), rows_of(tmp_path / "labels.jsonl")
    assert len(labels) == 2 * len(pairs)
    good = [(row["prompt"], row["completion"]) for row in labels if row["label"]]
    assert good == [(row["prompt"], row["chosen"]) for row in pairs]


def test_every_part_has_two_sides() -> None:
    """Practice names algorithms of ours, under settings that both sides have."""
    assert set(get_args(Part)) == {"sft", *PRACTICE, "dpo", "kto", "reward_model"}
    for name, (algorithm, update, theirs) in PRACTICE.items():
        ours = RlConfig(Path("m"), algorithm=algorithm, update=update)
        assert ours.kl.beta == theirs.get("beta", 0.0), name
        if algorithm in ("gspo", "group"):
            chosen = ALGORITHMS[algorithm]
            high = chosen.clip_high if update.clip_high is None else update.clip_high
            assert high == theirs["epsilon_high"], name


def test_claims_compare_seed_by_seed() -> None:
    """Results as a difference in points, times as a share."""
    found = {
        str(seed): {
            "ours": {"result": 0.8 + seed / 100, "seconds": 10.0},
            "trl": {"result": 0.8, "seconds": 40.0},
        }
        for seed in range(3)
    }
    result, time = claims({"parts": {"before": {}, "sft": found}})
    assert result["value"] == pytest.approx(1.0)
    assert result["interval"][0] > -3
    assert time["value"] == pytest.approx(25.0)
