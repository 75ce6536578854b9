"""Ratios, limits and memory are the numbers they say they are."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

from practicum.bench import limits, models
from practicum.bench.measure import (
    Pairs,
    Side,
    Timing,
    Work,
    alternate,
    cost_row,
    count_row,
    peak_memory,
    rate_row,
)
from practicum.bench.scaling import exponent
from practicum.model.decoder import Decoder, DecoderConfig, parameter_count
from practicum.model.sampling import SamplingConfig
from practicum.rollout.sampler import scattered
from practicum.rollout.samplers import make_sampler


def test_a_rate_row_compares_rates_pair_by_pair() -> None:
    pairs = Pairs(
        ours=[Timing(1.0, 100), Timing(2.0, 100), Timing(1.0, 400)],
        rival=[Timing(1.0, 50), Timing(1.0, 100), Timing(2.0, 200)],
    )
    row = rate_row("case", "tokens/s", pairs, "them", limit_rate=1000, memory=(10.0, 20.0))
    assert (row.ours, row.rival) == (100, 100)
    assert (row.ratio, row.ratio_min, row.ratio_max) == (2, 0.5, 4)
    assert row.limit_share == 0.1
    assert (row.memory_ours_mb, row.memory_rival_mb) == (10, 20)


def test_a_cost_row_is_above_1_where_ours_costs_less() -> None:
    row = cost_row("case", "ms", [1.0, 2.0, 4.0], [3.0, 4.0, 4.0], "them", limit=0.5)
    assert (row.ours, row.rival, row.limit_share) == (2, 4, 0.25)
    assert (row.ratio, row.ratio_min, row.ratio_max) == (2, 1, 3)


def test_without_a_rival_nothing_is_claimed_about_one() -> None:
    for row in (
        rate_row("case", "tokens/s", Pairs([Timing(1.0, 10)], []), "them"),
        cost_row("case", "ms", [1.0], [], "them"),
        count_row("case", "verdicts", 1, None, "them"),
    ):
        assert (row.rival, row.rival_name, row.ratio, row.ratio_min, row.ratio_max) == (None,) * 5
        assert row.limit_share is None


def test_sides_are_warmed_up_and_take_turns_at_going_first() -> None:
    order: list[str] = []

    def side(name: str) -> Work:
        def work() -> float:
            order.append(name)
            return 7.0

        return work

    pairs = alternate(side("ours"), side("rival"), 2)
    assert order == ["ours", "rival", "ours", "rival", "rival", "ours"]
    assert [timing.units for timing in pairs.ours + pairs.rival] == [7] * 4
    assert alternate(side("ours"), None, 3).rival == []
    order.clear()
    alternate(side("ours"), side("rival"), 1, rival_is_warm=True)
    assert order == ["ours", "ours", "rival"]


def fill_memory(megabytes: int) -> Work:
    return lambda: float(torch.ones(megabytes * 250_000).sum())


def fail() -> Work:
    raise ValueError("broken")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_peak_memory_is_what_the_work_takes() -> None:
    measured = peak_memory(Side(fill_memory, (300,)), threads=1)
    assert measured is not None
    assert 290 < measured < 340


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_work_that_fails_has_no_memory(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="fail"):
        peak_memory(Side(fail, ()), threads=1)
    assert "broken" in capfd.readouterr().err


def test_the_limit_is_set_by_what_takes_longer() -> None:
    cost = limits.Cost(flops=100, bytes=10)
    assert limits.limit_seconds(cost, flops_a_second=50, bytes_a_second=10) == 2
    assert limits.limit_seconds(cost, flops_a_second=1000, bytes_a_second=5) == 2


@pytest.mark.parametrize("size", ["1M", "3M", "10M"])
def test_values_of_the_layers_are_those_of_the_decoder(size: str) -> None:
    config = models.SHAPES[size]
    norms = config.hidden_size * (2 * config.num_hidden_layers + 1)
    values = parameter_count(Decoder(config)) - config.vocab_size * config.hidden_size - norms
    assert limits.layer_values(config) == values
    named = float(size[:-1]) * 1e6
    assert named * 0.9 < parameter_count(Decoder(config)) < named * 1.1


def test_the_cost_of_sampling_by_hand() -> None:
    config = DecoderConfig(10, 4, 8, 1, 2, 1, 2)
    layer = 4 * 4 + 2 * 4 * 2 + 4 * 4 + 3 * 4 * 8
    # One row: a prompt of 3 and 2 tokens, so 4 positions are forwarded and see 1, 2, 3 and 4.
    cost = limits.sampling_cost(config, 3, [2])
    assert cost.flops == 2 * layer * 4 + 2 * 40 * 2 + 4 * 1 * 2 * 2 * (1 + 2 + 3 + 4)
    assert cost.bytes == 2 * ((layer + 40) * 2 + 2 * 1 * 1 * 2 * (3 + 4))


def test_the_cost_of_training_grows_with_tokens_and_with_the_square_in_attention() -> None:
    config = models.SHAPES["3M"]
    one, two = (limits.training_cost(config, lengths).flops for lengths in ([64], [64, 64]))
    assert two == 2 * one
    assert limits.training_cost(config, [128]).flops > two


def test_measured_rates_are_those_of_a_machine() -> None:
    assert 1e8 < limits.product_rate(64, 64, 128, torch.get_num_threads()) < 1e15
    assert 1e8 < limits.read_rate(torch.get_num_threads()) < 1e13


def test_the_exponent_of_a_power_law_is_found() -> None:
    sizes = (1, 2, 4, 8)
    assert exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_lengths_as_they_fall_are_geometric_and_fixed_ones_are_fixed() -> None:
    config = models.shape("tiny", "geometric", 600)
    sampler = make_sampler(models.random_decoder(config), SamplingConfig(max_new_tokens=500, dtype="float32"))
    prompts = models.random_ids(config, 300, 4, seed=0).tolist()
    groups = sampler.sample(prompts, 1, scattered(0))
    lengths = [len(group[0].ids) for group in groups]
    mean = sum(lengths) / len(lengths)
    # The mean of 300 geometric lengths has a standard error of 40 / sqrt(300) = 2.3.
    assert abs(mean - models.MEAN_LENGTH) < 8
    longer = sum(length > 40 for length in lengths) / len(lengths)
    assert abs(longer - math.exp(-1)) < 0.09

    fixed = models.shape("tiny", "never", 64)
    sampler = make_sampler(models.random_decoder(fixed), SamplingConfig(max_new_tokens=20))
    groups = sampler.sample(prompts[:8], 1, scattered(0))
    assert {len(group[0].ids) for group in groups} == {20}


def test_a_model_written_for_both_sides_reads_back_with_its_prompts(tmp_path: Path) -> None:
    config = models.shape("tiny", "never", 64)
    folder = models.write_model(tmp_path / "model", config)
    assert models.read_decoder(folder).config == config
    text = models.random_text(config, 30, seed=3)
    ids = models.character_tokenizer(config).encode(text).ids
    assert len(ids) == 30
    assert max(ids) < config.vocab_size
    assert config.pad_token_id not in ids
