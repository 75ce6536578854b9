"""A model of SmolLM2-135M's shape: sampling against transformers, LoRA training against TRL with peft.

The weights are random, so that the bench needs no download; no figure depends on their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from torch import Tensor

from practicum.bench import limits, models, sampling
from practicum.bench.measure import Row, Side, Work, alternate, rate_row
from practicum.bench.rivals.lesson import SftLesson
from practicum.bench.settings import Bench, installed
from practicum.model.checkpoint import load_model
from practicum.model.decoder import DecoderConfig, compute_dtype
from practicum.model.lora import LoraConfig, add_adapters
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import make_rows, make_scorer
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.step import Report, gradients_of

LORA = LoraConfig(rank=16, alpha=32.0)
RIVAL = "practicum.bench.rivals.with_peft"
MICRO_BATCH_TOKENS = 2048


@dataclass(frozen=True)
class Case:
    """A LoRA update: rows of between `shortest` and `longest` tokens, the first third of each a prompt."""

    size: str
    rows: int
    shortest: int
    longest: int

    @property
    def text(self) -> str:
        """As the table shows it."""
        same = self.shortest == self.longest
        lengths = f"{self.longest}" if same else f"({self.shortest} to {self.longest})"
        return f"{self.size}, LoRA rank {LORA.rank}, {self.rows} x {lengths} tokens"


SAMPLING = (sampling.Case("135M", 64, "never"),)
TRAINING = (Case("135M", 16, 128, 128), Case("135M", 16, 32, 256))
QUICK_SAMPLING = (sampling.Case("tiny", 4, "never", 8, 8),)
QUICK_TRAINING = (Case("tiny", 4, 6, 12),)


def sampling_rows(bench: Bench, folder: Path) -> list[Row]:
    """Sampling at a fixed length."""
    cases = QUICK_SAMPLING if bench.quick else SAMPLING
    return [sampling.sampling_row(bench, case, folder) for case in cases]


def lora_rows(bench: Bench, folder: Path) -> list[Row]:
    """Updates of adapters, on rows of one length and of many."""
    return [lora_row(bench, case, folder) for case in (QUICK_TRAINING if bench.quick else TRAINING)]


def lora_row(bench: Bench, case: Case, folder: Path) -> Row:
    """Both sides on the same weights, rows and adapters' shape; tokens read a second, padding not counted."""
    config = models.shape(case.size, "never", 512)
    place = models.write_model(folder / f"{case.size}-lora", config)
    batches = [random_rows(config, case, seed) for seed in range(bench.pairs + 2)]
    ours = lora_work(place, batches)
    lengths = [len(row) for row in batches[0]]
    limit = sum(lengths) / limits.machine_limit(config, MICRO_BATCH_TOKENS, lora_cost(config, lengths))
    if not (installed("trl") and installed("peft")):
        return rate_row(case.text, "tokens/s", alternate(ours, None, bench.pairs), None, limit)
    from practicum.bench.rivals import with_peft as peft_rival

    every = [row for batch in batches for row in batch]
    masks = [[0] * prompt_length(row) + [1] * (len(row) - prompt_length(row)) for row in every]
    arguments = (SftLesson(place, every, masks, case.rows, case.longest), LORA)
    pairs = peft_rival.lora_pairs(ours, bench.pairs, *arguments)
    memory = bench.memory(
        Side(lora_work, (place, batches), (__name__,)), Side(peft_rival.lora_work, arguments, (RIVAL,))
    )
    return rate_row(case.text, "tokens/s", pairs, "TRL SFTTrainer with peft, bfloat16", limit, memory)


def random_rows(config: DecoderConfig, case: Case, seed: int) -> list[list[int]]:
    """Rows of random ids, their lengths spread evenly over the case's range."""
    steps = max(1, case.rows - 1)
    span = case.longest - case.shortest
    ids = models.random_ids(config, case.rows, case.longest, seed).tolist()
    return [row[: case.shortest + span * index // steps] for index, row in enumerate(ids)]


def prompt_length(row: Sequence[int]) -> int:
    """Tokens at the front that the loss does not count."""
    return len(row) // 3


def lora_work(folder: Path, batches: Sequence[Sequence[Sequence[int]]]) -> Work:
    """Updates of adapters as `practicum sft` makes them, a batch after another."""
    decoder = add_adapters(load_model(folder)[0], LORA, seed=0)
    optimizer = Optimizer(decoder, OptimizerConfig(algorithm="adamw"), 10_000)
    steps = count()
    dtype = compute_dtype("auto")
    parameters = list(optimizer.named.values())

    def work() -> float:
        step = next(steps)
        batch = batches[step % len(batches)]
        scorer = make_scorer(decoder, dtype)
        cuts = scorer.cut([len(row) for row in batch], MICRO_BATCH_TOKENS)
        targets = sum(len(row) - prompt_length(row) for row in batch)

        def loss(cut: Sequence[int]) -> tuple[Tensor, Report]:
            packed = make_rows(
                [batch[index] for index in cut], [prompt_length(batch[index]) for index in cut]
            )
            logprobs, _ = scorer.logprobs(scorer.hidden(packed), packed, SamplingConfig())
            return -logprobs.sum() / targets, {}

        gradients_of(parameters, cuts, loss)
        optimizer.step(step)
        return float(sum(len(row) for row in batch))

    return work


def lora_cost(config: DecoderConfig, lengths: Sequence[int]) -> limits.Cost:
    """The least work of an update of adapters: forward, and backward for values but not for weights.

    FLOPs: 4 per value and token instead of 6, the head on the tokens that are counted; attention as in full
    training. Bytes: all weights in bfloat16, read forward and backward.
    """
    whole = limits.training_cost(config, lengths)
    head = config.vocab_size * config.hidden_size
    counted = sum(length - length // 3 for length in lengths)
    layers = limits.layer_values(config)
    attention = whole.flops - 6 * (layers + head) * sum(lengths)
    flops = 4 * layers * sum(lengths) + 4 * head * counted + attention
    return replace(whole, flops=flops, bytes=2 * limits.BFLOAT16_BYTES * (layers + head))
