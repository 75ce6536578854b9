"""A small model of a study's own: it reads a list of texts, and a reward model can start from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from torch import nn

from practicum.guard.observer import StepResult
from practicum.model.decoder import Decoder, compute_dtype, initialise
from practicum.model.tokenizer import train_tokenizer
from practicum.run.folder import Run
from practicum.training.loop import LoopConfig, Stage, Trainee, run_steps, set_threads, step_seed
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.pretrain import ModelShape, PretrainConfig, decoder_config
from practicum.training.sft import imitate


@dataclass(frozen=True, kw_only=True)
class ReadingSettings:
    """How a small model reads texts, whoever decides on the seed."""

    model: ModelShape = field(default_factory=ModelShape)
    """Shape of the new decoder."""
    vocabulary_size: int = 4000
    """Tokens: all printable ASCII characters, then the texts' commonest words."""
    batch_texts: int = 64
    """Texts of one update, at most."""
    micro_batch_tokens: int = 4096
    """Tokens of one forward pass; changes memory and speed, not the result."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-2))
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=300, checkpoint_every=300))
    """Length and checkpoints."""


@dataclass(frozen=True)
class ReadingConfig(ReadingSettings):
    """How a small model reads texts."""

    seed: int = 0
    """Fixes weights and order."""


def read_texts(
    texts: Sequence[str], config: ReadingConfig, run_path: Path, *, resume: bool = False
) -> dict[str, Any]:
    """Learn a tokenizer and a decoder from the texts; the model is the run's newest checkpoint."""
    run = Run.open(run_path, config, "reading", resume=resume)
    set_threads(config.loop.threads)
    tokenizer = train_tokenizer(texts, config.vocabulary_size)
    decoder = initialise(Decoder(decoder_config(PretrainConfig(model=config.model), tokenizer)), config.seed)
    optimizer = Optimizer(decoder, config.optimizer, config.loop.steps)
    trainee = Trainee(decoder, tokenizer, nn.ModuleDict(), optimizer)
    dtype = compute_dtype("auto")

    def step(index: int) -> StepResult:
        random = Random(step_seed(config.seed, "texts", index))
        passages = random.sample(texts, min(config.batch_texts, len(texts)))
        metrics = imitate(decoder, tokenizer, [], config.micro_batch_tokens, dtype, passages)
        return StepResult(metrics | optimizer.step(index))

    last = run_steps(Stage(run, config.loop, trainee, ("loss",)), step)
    run.finish(last)
    return last
