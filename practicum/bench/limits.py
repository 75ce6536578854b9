"""What the machine allows: measured rates of matrix products and of reading, and the least work of each task.

Limit time = max(FLOPs / rate of bfloat16 matrix products at the shapes in question, bytes that must move /
rate of reading memory). It is a bound for this way of computing, not a promise: what stays in the processor's
caches moves faster than memory, so a share of the limit may pass 1 where bytes decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.nn import functional

from practicum.model.decoder import DecoderConfig

BFLOAT16_BYTES = 2
MASTER_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """The least work of a task: floating-point operations and bytes read."""

    flops: float
    bytes: float


def layer_values(config: DecoderConfig) -> int:
    """Values in the matrices of all layers (embedding, head and norms apart)."""
    query = config.num_attention_heads * config.head_dim
    key = config.num_key_value_heads * config.head_dim
    attention = config.hidden_size * (2 * query + 2 * key)
    return config.num_hidden_layers * (attention + 3 * config.hidden_size * config.intermediate_size)


def sampling_cost(config: DecoderConfig, prompt: int, lengths: Sequence[int]) -> Cost:
    """Reading prompts of `prompt` tokens and sampling completions of these lengths, one row each.

    FLOPs: 2 per value and forwarded token, the head once a sampled token, attention 4 per query value and
    visible position. Bytes: all weights once a step (at least total tokens / rows steps) and, in each step,
    the filled part of every row's keys and values.
    """
    head = config.vocab_size * config.hidden_size
    attention = 4 * config.num_hidden_layers * config.num_attention_heads * config.head_dim
    cached = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    sampled = sum(lengths)
    forwarded = [prompt + length - 1 for length in lengths]
    visible = sum(count * (count + 1) / 2 for count in forwarded)
    flops = 2 * layer_values(config) * sum(forwarded) + 2 * head * sampled + attention * visible
    read = sum(length * (prompt + (length - 1) / 2) for length in lengths)
    weights = (layer_values(config) + head) * sampled / max(1, len(lengths))
    return Cost(flops, BFLOAT16_BYTES * (weights + cached * read))


def training_cost(config: DecoderConfig, lengths: Sequence[int]) -> Cost:
    """One update on whole sequences of these lengths: forward, backward (twice the forward) and AdamW.

    FLOPs: 6 per value and token, the head included, attention 12 per query value and visible position.
    Bytes: master weights, gradient and two moments read once by the optimizer.
    """
    head = config.vocab_size * config.hidden_size
    values = layer_values(config) + head
    attention = 12 * config.num_hidden_layers * config.num_attention_heads * config.head_dim
    visible = sum(length * (length + 1) / 2 for length in lengths)
    return Cost(6 * values * sum(lengths) + attention * visible, 4 * MASTER_BYTES * values)


def limit_seconds(cost: Cost, flops_a_second: float, bytes_a_second: float) -> float:
    """The least time the machine could take."""
    return max(cost.flops / flops_a_second, cost.bytes / bytes_a_second)


def machine_limit(config: DecoderConfig, rows: int, cost: Cost) -> float:
    """Least seconds for `cost`, products of `rows` rows at a time, rates measured now."""
    rate = product_rate(rows, config.hidden_size, config.intermediate_size, torch.get_num_threads())
    reading = read_rate(torch.get_num_threads())
    return limit_seconds(cost, rate, reading)


@lru_cache(maxsize=64)
def product_rate(rows: int, hidden: int, intermediate: int, threads: int) -> float:
    """FLOPs a second of bfloat16 products [rows, hidden] x [hidden, 2 intermediate] and back down.

    `threads` only keys the cache: PyTorch's current number is used.
    """
    wide = torch.randn(2 * intermediate, hidden, dtype=torch.bfloat16)
    narrow = torch.randn(hidden, intermediate, dtype=torch.bfloat16)
    values = torch.randn(rows, hidden, dtype=torch.bfloat16)
    middle = torch.randn(rows, intermediate, dtype=torch.bfloat16)

    def products() -> float:
        functional.linear(values, wide)
        functional.linear(middle, narrow)
        return 2.0 * rows * hidden * 3 * intermediate

    return best_rate(products)


@lru_cache(maxsize=4)
def read_rate(threads: int) -> float:
    """Bytes a second of reading an array far larger than any cache; `threads` as in `product_rate`."""
    values = torch.ones(256_000_000 // 8, dtype=torch.float64)

    def read() -> float:
        values.sum()
        return values.numel() * 8.0

    return best_rate(read)


@torch.inference_mode()
def best_rate(work: Callable[[], float], seconds: float = 0.3) -> float:
    """Greatest units a second of `work` repeated for about `seconds`, at least three times after a warm-up.

    A bound must not shrink because something else was running for a moment.
    """
    work()
    rates: list[float] = []
    ends = time.perf_counter() + seconds
    while len(rates) < 3 or time.perf_counter() < ends:
        started = time.perf_counter()
        units = work()
        rates.append(units / (time.perf_counter() - started))
    return max(rates)
