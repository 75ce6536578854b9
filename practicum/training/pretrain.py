"""Exposition: a model built from nothing reads the textbook, predicting each next token.

Text is packed end to end into rows of equal length, so no position is padding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.model.decoder import Decoder, DecoderConfig, compute_dtype, initialise, parameter_count
from practicum.model.tokenizer import EOS, PAD, encode_batch, special_id, train_tokenizer
from practicum.rollout.sampler import SamplingConfig
from practicum.run import Run
from practicum.tasks.task import Task, TaskConfig, load_task
from practicum.training.batch import equal_rows, learner
from practicum.training.loop import LoopConfig, StepResult, Trainee, run_steps, set_threads, step_seed
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.parallel import add_gradients

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


@dataclass(frozen=True)
class ModelShape:
    """Shape of the new decoder."""

    hidden_size: int = 128
    """Width of the residual stream."""
    intermediate_size: int = 384
    """Width inside the feed-forward block."""
    layers: int = 4
    """Decoder layers."""
    heads: int = 4
    """Query heads."""
    key_value_heads: int = 2
    """Key-value heads, shared by groups of query heads."""
    head_dim: int = 32
    """Width of one head."""
    max_positions: int = 512
    """Longest sequence, prompt and completion together."""
    tied_embeddings: bool = True
    """Use the token embedding as output head."""


@dataclass(frozen=True)
class PretrainConfig:
    """Exposition: pretraining a new model on a task's textbook."""

    size: Literal["tiny", "small", "base"] = "tiny"
    """The one dial: width, depth, learning rate and length together."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task whose textbook is read."""
    model: ModelShape = field(default_factory=ModelShape)
    """Shape of the new decoder."""
    vocabulary_size: int = 0
    """Tokens: all printable ASCII characters, then the textbook's commonest words; 0: as the task has it.
    Those that spell other characters in bytes come on top."""
    sequence_length: int = 128
    """Tokens of a row."""
    batch_rows: int = 64
    """Rows of one update."""
    micro_batch_rows: int = 32
    """Rows of one forward pass; changes memory and speed, not the result."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-2))
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600, checkpoint_every=100))
    """Length and checkpoints."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Matrix products; master weights are always float32."""
    seed: int = 0
    """Fixes weights and text."""


def train(config: PretrainConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Pretrain and return the summary; the model is the run's newest checkpoint."""
    task = load_task(config.task)
    run = Run.open(run_path, config, "pretrain", resume=resume, keep=config.loop.keep_checkpoints)
    set_threads(config.loop.threads)
    tokenizer = train_tokenizer(
        textbook(task, config.seed, "tokenizer", 4000), config.vocabulary_size or task.vocabulary_size
    )
    decoder = initialise(Decoder(decoder_config(config, tokenizer)), config.seed)
    optimizer = Optimizer(decoder, config.optimizer, config.loop.steps)
    trainee = Trainee(decoder, tokenizer, nn.ModuleDict(), optimizer)
    dtype = compute_dtype(config.dtype)

    def step(index: int) -> StepResult:
        ids_BT = packed_rows(task, tokenizer, config, index)
        loss = read(decoder, ids_BT, config.micro_batch_rows, dtype)
        return StepResult({"loss": loss, **optimizer.step(index), "tokens": ids_BT.numel()})

    last = run_steps(run, config.loop, trainee, step, ("loss",))
    summary = {"stage": "pretrain", "parameters": parameter_count(decoder), **last}
    run.finish(summary)
    return summary


def read(decoder: Decoder, ids_BT: Tensor, micro_batch_rows: int, dtype: torch.dtype) -> float:
    """Add the gradient of the mean next-token loss over rows [B, T + 1], and return the loss."""
    parts = torch.split(ids_BT, micro_batch_rows)
    targets = ids_BT[:, 1:].numel()
    student = learner(decoder, dtype)
    measured = [0.0] * len(parts)

    def micro_batch_loss(index: int) -> Tensor:
        rows = equal_rows(parts[index])
        logprobs, _ = student.logprobs(student.hidden(rows), rows, SamplingConfig())
        loss = -logprobs.sum() / targets
        measured[index] = loss.item()
        return loss

    parameters = [parameter for parameter in decoder.parameters() if parameter.requires_grad]
    add_gradients(parameters, [partial(micro_batch_loss, index) for index in range(len(parts))])
    return sum(measured)


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


def textbook(task: Task, seed: int, place: int | str, count: int) -> list[str]:
    """`count` passages of the textbook, different at every place of the run."""
    return task.exposition(count, step_seed(seed, "textbook", place))


def packed_rows(task: Task, tokenizer: Tokenizer, config: PretrainConfig, index: int) -> Tensor:
    """Update `index`'s token rows, int64 [batch_rows, sequence_length + 1], passages end to end."""
    width = config.sequence_length + 1
    needed = config.batch_rows * width
    eos = special_id(tokenizer, EOS)
    stream: list[int] = []
    part = 0
    while len(stream) < needed:
        for ids in encode_batch(tokenizer, textbook(task, config.seed, f"{index}.{part}", needed // 80 + 1)):
            stream += [*ids, eos]
        part += 1
    return torch.tensor(stream[:needed]).view(config.batch_rows, width)
