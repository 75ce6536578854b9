"""Exposition: a model built from nothing reads the textbook, predicting each next token.

Text is packed end to end into rows of equal length, so no position is padding.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.guard.observer import StepResult
from practicum.model.decoder import Decoder, DecoderConfig, compute_dtype, initialise, parameter_count
from practicum.model.device import chosen_device, described
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import equal_rows, make_scorer
from practicum.model.tokenizer import EOS, PAD, encode_batch, special_id, train_tokenizer
from practicum.ranges import Common, Count, CountOrNone, PositiveInt, Range, Ranged, Seed, Width
from practicum.run.folder import Run
from practicum.run.progress import doing
from practicum.tasks.equations.task import EquationsTask
from practicum.tasks.registry import TaskConfig, find_task, stamped
from practicum.tasks.task import Teaches, check_able
from practicum.training.loop import LoopConfig, Stage, Trainee, run_steps, set_threads, step_seed
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.step import Report, gradients_of, total, trainable

SIZES: dict[str, dict[str, object]] = {
    "tiny": {},
    "small": {
        "model.hidden_size": 384,
        "model.intermediate_size": 1024,
        "model.layers": 6,
        "model.heads": 12,
        "model.key_value_heads": 4,
        "loop.steps": 2000,
        "optimizer.learning_rate": 1.5e-3,
    },
    "base": {
        "model.hidden_size": 576,
        "model.intermediate_size": 1536,
        "model.layers": 30,
        "model.heads": 9,
        "model.key_value_heads": 3,
        "model.head_dim": 64,
        "loop.steps": 10000,
        "optimizer.learning_rate": 6e-4,
    },
}

MOST_TOKENS = 100_000_000
"""Of one update, which are all held in memory."""


@dataclass(frozen=True)
class ModelShape(Ranged, section="model"):
    """Shape of the new decoder."""

    hidden_size: Width = 128
    """Width of the residual stream."""
    intermediate_size: Width = 384
    """Width inside the feed-forward block."""
    layers: Annotated[int, Range(at_least=1, at_most=1000)] = 4
    """Decoder layers."""
    heads: Annotated[int, Range(at_least=1, at_most=4096)] = 4
    """Query heads."""
    key_value_heads: Annotated[int, Range(at_least=1, at_most=4096)] = 2
    """Key-value heads, shared by groups of query heads."""
    head_dim: Annotated[int, Range(at_least=2, at_most=4096)] = 32
    """Width of one head."""
    max_positions: Annotated[int, Range(at_least=2, at_most=1_048_576)] = 512
    """Longest sequence, prompt and completion together."""
    tied_embeddings: bool = True
    """Use the token embedding as output head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for whole, part in (("hidden_size", "heads"), ("heads", "key_value_heads")):
            if getattr(self, whole) % getattr(self, part):
                raise InputError(
                    f"model.{part} is {getattr(self, part)}; it must divide {whole} {getattr(self, whole)}"
                )
        if self.head_dim % 2:
            raise InputError(f"model.head_dim is {self.head_dim}; it must be even, for rotary positions")


@dataclass(frozen=True)
class PretrainConfig(Ranged):
    """Exposition: pretraining a new model on a task's textbook.

    practicum pretrain --run runs/pretrain
    practicum pretrain --size small --task jokes --loop.threads 4
    """

    size: Common[Literal["tiny", "small", "base"]] = "tiny"
    """Sets width, depth, learning rate and number of steps together."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task whose textbook is read."""
    model: ModelShape = field(default_factory=ModelShape)
    """Shape of the new decoder."""
    vocabulary_size: Common[CountOrNone] = 0
    """Tokens: all printable ASCII characters, then the textbook's most common words; 0: the task's default.
    Tokens for the bytes of other characters are added to this."""
    sequence_length: Common[Annotated[int, Range(at_least=1, at_most=1_048_576)]] = 128
    """Tokens per row."""
    batch_rows: Common[Count] = 64
    """Rows per update."""
    micro_batch_rows: PositiveInt = 32
    """Rows per forward pass; affects memory and speed, not the result."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-2))
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600, checkpoint_every=100))
    """Steps and checkpoints."""
    dtype: Common[Literal["auto", "float32", "bfloat16"]] = "auto"
    """Dtype of matrix products; master weights are always float32."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Seed of the initial weights and the text."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sequence_length > self.model.max_positions:
            raise InputError(
                f"sequence_length is {self.sequence_length}; it must be at most model.max_positions "
                f"{self.model.max_positions}"
            )
        if self.batch_rows * self.sequence_length > MOST_TOKENS:
            raise InputError(
                f"batch_rows {self.batch_rows} times sequence_length {self.sequence_length} is more than "
                f"{MOST_TOKENS:,} tokens an update: lower one of them"
            )


def train(config: PretrainConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Pretrain and return the summary; the model is the run's newest checkpoint."""
    device = chosen_device(config.device)
    config = replace(config, task=stamped(config.task))
    found = find_task(config.task)
    check_able(found, "pretrain", Teaches)
    task = cast(Teaches, found)
    vocabulary_size = config.vocabulary_size or vocabulary_size_of(task)
    check_memory(config.model, vocabulary_size)
    keep = config.loop.keep_checkpoints
    run = Run.open(run_path, config, "pretrain", resume=resume, keep=keep, device=described(device))
    set_threads(config.loop.threads)
    with doing("making a vocabulary of the textbook"):
        tokenizer = train_tokenizer(textbook(task, config.seed, "tokenizer", 4000), vocabulary_size)
    decoder = initialise(Decoder(decoder_config(config, tokenizer)), config.seed).to(device)
    optimizer = Optimizer(decoder, config.optimizer, config.loop.steps)
    trainee = Trainee(decoder, tokenizer, nn.ModuleDict(), optimizer)
    dtype = compute_dtype(config.dtype, device)

    def step(index: int) -> StepResult:
        ids_BT = packed_rows(task, tokenizer, config, index)
        loss = read(decoder, ids_BT, config.micro_batch_rows, dtype)
        return StepResult({"loss": loss, **optimizer.step(index), "tokens": ids_BT.numel()})

    last = run_steps(Stage(run, config.loop, trainee, ("loss",)), step)
    summary = {"stage": "pretrain", "parameters": parameter_count(decoder), **last}
    run.finish(summary)
    return summary


def check_memory(shape: ModelShape, vocabulary_size: int) -> None:
    """Raise InputError where this machine could not hold a decoder's weights, gradients and two moments."""
    if not hasattr(os, "sysconf"):
        return
    heads = 2 * (shape.heads + shape.key_value_heads) * shape.head_dim
    layers = shape.layers * shape.hidden_size * (heads + 3 * shape.intermediate_size)
    parameters = layers + vocabulary_size * shape.hidden_size * (1 if shape.tied_embeddings else 2)
    needed = 4 * 4 * parameters + 2 * 4 * shape.max_positions * shape.head_dim
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise InputError(
            f"model: {parameters:,} parameters need {needed / 2**30:,.0f} GiB to train, and this machine has "
            f"{there / 2**30:,.0f}: lower model.hidden_size, model.layers or another of its sizes"
        )


def read(policy: Policy, ids_BT: Tensor, micro_batch_rows: int, dtype: torch.dtype) -> float:
    """Add the gradient of the mean next-token loss over rows [B, T + 1], and return the loss."""
    targets = ids_BT[:, 1:].numel()
    scorer = make_scorer(policy, dtype)

    def loss(part_BT: Tensor) -> tuple[Tensor, Report]:
        rows = equal_rows(part_BT)
        logprobs, _ = scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig())
        value = -logprobs.sum() / targets
        return value, {"loss": value.item()}

    return total(gradients_of(trainable(policy), torch.split(ids_BT, micro_batch_rows), loss), "loss")


def decoder_config(config: PretrainConfig, tokenizer: Tokenizer) -> DecoderConfig:
    """The decoder's shape for this vocabulary."""
    shape = config.model
    return DecoderConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.max_positions,
        tie_word_embeddings=shape.tied_embeddings,
        eos_token_id=special_id(tokenizer, EOS),
        pad_token_id=special_id(tokenizer, PAD),
    )


def vocabulary_size_of(task: Teaches) -> int:
    """The task's own number of tokens, that of equations where it names none."""
    return getattr(task, "vocabulary_size", 0) or EquationsTask.vocabulary_size


def textbook(task: Teaches, seed: int, place: int | str, count: int) -> list[str]:
    """`count` passages of the textbook, different at every place of the run."""
    return task.exposition(count, step_seed(seed, "textbook", place))


def packed_rows(task: Teaches, tokenizer: Tokenizer, config: PretrainConfig, index: int) -> Tensor:
    """Update `index`'s token rows, int64 [batch_rows, sequence_length + 1], passages end to end."""
    width = config.sequence_length + 1
    needed = config.batch_rows * width
    eos = special_id(tokenizer, EOS)
    stream: list[int] = []
    part = 0
    while len(stream) < needed:
        passages = textbook(task, config.seed, f"{index}.{part}", needed // 80 + 1)
        if not any(passages):
            raise InputError(f"task {task.name}: its textbook is empty, so there is nothing to read")
        for ids in encode_batch(tokenizer, passages):
            stream += [*ids, eos]
        part += 1
    return torch.tensor(stream[:needed]).view(config.batch_rows, width)
