"""How time grows with length, batch and model size, each point against the machine's limit.

The row named `exponent` of each table holds the slope of log time over log size, by least squares: 1 is
linear growth. There is no rival here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from pathlib import Path
from statistics import linear_regression

from practicum.bench import limits, models
from practicum.bench.measure import Row, alternate, cost_row, count_row
from practicum.bench.sampling import sampling_work
from practicum.bench.settings import Bench
from practicum.bench.training import read_work

LENGTHS = (64, 128, 256, 512, 1024, 2048)
BATCHES = (1, 4, 16, 64, 256, 1024)
SIZES = ("1M", "3M", "10M", "30M", "135M")


def rows(bench: Bench, folder: Path) -> list[Row]:
    """Three tables: an update on one row of T tokens, 16 decode steps of B rows, an update of each size."""
    if bench.quick:
        return [
            *length_rows(bench, folder, "tiny", (16, 32)),
            *batch_rows(bench, folder, "tiny", (1, 4)),
            *size_rows(bench, folder, ("tiny", "1M"), 16),
        ]
    return [
        *length_rows(bench, folder, "3M", LENGTHS),
        *batch_rows(bench, folder, "3M", BATCHES),
        *size_rows(bench, folder, SIZES, 512),
    ]


def length_rows(bench: Bench, folder: Path, size: str, lengths: Sequence[int]) -> list[Row]:
    """Update on one sequence, by its length."""
    found = [update_row(bench, folder, size, length, f"length {length}") for length in lengths]
    return [*found, exponent_row("length", lengths, found)]


def size_rows(bench: Bench, folder: Path, sizes: Sequence[str], length: int) -> list[Row]:
    """Update on one sequence, by the number of values in the products."""
    found = [update_row(bench, folder, size, length, f"model {size}") for size in sizes]
    shapes = [models.SHAPES[size] for size in sizes]
    values = [limits.layer_values(one) + one.vocab_size * one.hidden_size for one in shapes]
    return [*found, exponent_row("model", values, found)]


def batch_rows(bench: Bench, folder: Path, size: str, batches: Sequence[int]) -> list[Row]:
    """Sampling 16 tokens after a prompt of 16, by the number of rows."""
    prompt = new_tokens = 16
    config = models.shape(size, "never", prompt + new_tokens)
    place = models.write_model(folder / f"{size}-batch", config)
    found = []
    for batch in batches:
        prompts = models.random_ids(config, batch, prompt, seed=1).tolist()
        work = sampling_work(place, prompts, new_tokens)
        times = [1000 * timing.seconds for timing in alternate(work, None, bench.pairs).ours]
        cost = limits.sampling_cost(config, prompt, [new_tokens] * batch)
        limit = 1000 * limits.machine_limit(config, batch, cost)
        found.append(cost_row(f"batch {batch}, {size}, {new_tokens} tokens", "ms", times, [], None, limit))
    return [*found, exponent_row("batch", batches, found)]


def update_row(bench: Bench, folder: Path, size: str, length: int, name: str) -> Row:
    """Milliseconds of one update on one row."""
    config = models.shape(size, "never", length)
    place = models.write_model(folder / f"{size}-{length}", config)
    timings = alternate(read_work(place, 1, length), None, bench.pairs).ours
    limit = 1000 * limits.machine_limit(config, length, limits.training_cost(config, [length]))
    times = [1000 * timing.seconds for timing in timings]
    return cost_row(f"{name}, update of {size}, 1 x {length}", "ms", times, [], None, limit)


def exponent_row(name: str, sizes: Sequence[int], measured: Sequence[Row]) -> Row:
    """The slope of log time over log size."""
    slope = exponent(sizes, [row.ours for row in measured])
    return count_row(f"{name}, exponent", "time ~ size^exponent", slope, None, None)


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Slope of log time over log size by least squares; at least two sizes."""
    return linear_regression([log(size) for size in sizes], [log(time) for time in times]).slope
