"""The LoRA bench trains what it says it trains, and counts what it says it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from practicum.bench import limits, models, smollm2
from practicum.bench.rivals.lesson import SftLesson
from practicum.bench.smollm2 import LORA, Case, lora_cost, lora_work, prompt_length, random_rows

CASE = Case("tiny", 4, 6, 12)


def test_rows_have_the_lengths_of_the_case_and_differ_between_batches() -> None:
    config = models.shape("tiny", "never", 64)
    rows = random_rows(config, CASE, seed=0)
    assert [len(row) for row in rows] == [6, 8, 10, 12]
    assert [prompt_length(row) for row in rows] == [2, 2, 3, 4]
    assert rows != random_rows(config, CASE, seed=1)
    assert {len(row) for row in random_rows(config, Case("tiny", 3, 9, 9), seed=0)} == {9}


def test_work_counts_tokens_and_needs_only_adapters(tmp_path: Path) -> None:
    config = models.shape("tiny", "never", 64)
    place = models.write_model(tmp_path / "model", config)
    before = (place / "model.safetensors").read_bytes()
    work = lora_work(place, [random_rows(config, CASE, seed=0)])
    assert work() == work() == 36
    assert (place / "model.safetensors").read_bytes() == before


def test_adapters_cost_two_thirds_of_full_training_and_less_where_prompts_are_not_counted() -> None:
    config = models.SHAPES["135M"]
    lengths = [128] * 16
    full, adapters = limits.training_cost(config, lengths), lora_cost(config, lengths)
    assert 0.5 < adapters.flops / full.flops < 2 / 3
    assert LORA.rank > 0


@pytest.mark.slow
def test_peft_trains_on_the_same_rows(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    pytest.importorskip("trl")
    from practicum.bench.rivals import with_peft as peft_rival

    config = models.shape("tiny", "never", 64)
    place = models.write_model(tmp_path / "model", config)
    batches = [random_rows(config, CASE, seed) for seed in range(4)]
    every = [row for batch in batches for row in batch]
    masks = [[0] * prompt_length(row) + [1] * (len(row) - prompt_length(row)) for row in every]
    lesson = SftLesson(place, every, masks, 4, 12)
    ours = lora_work(place, batches)
    pairs = peft_rival.lora_pairs(ours, 2, lesson, LORA)
    assert [timing.units for timing in pairs.ours] == [36, 36]
    assert sum(timing.units for timing in pairs.rival) <= sum(len(row) for row in every)
    trainer = peft_rival.lora_trainer(tmp_path, lesson, LORA, 1)
    learning = {name for name, part in trainer.model.named_parameters() if part.requires_grad}
    assert len(learning) == 2 * 7 * config.num_hidden_layers
    assert all("lora_" in name for name in learning)
    assert peft_rival.__name__ == smollm2.RIVAL
