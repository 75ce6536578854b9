"""TRL's trainers on a user's rows, from the weights and settings that ours get."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
)
from transformers.utils.logging import disable_progress_bar
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from practicum.bench.rivals.with_trl import COMMON
from practicum.training.optimizer import OptimizerConfig

Rows = Sequence[dict[str, Any]]
Reward = Callable[..., list[float]]


@dataclass(frozen=True)
class Lesson:
    """What both sides get: weights, rows, updates, rows of an update, optimizer and seed."""

    start: Path
    output: Path
    rows: Rows
    steps: int
    batch: int
    optimizer: OptimizerConfig
    seed: int


def shared(lesson: Lesson, scratch: str) -> dict[str, Any]:
    """TRL's names for our settings. Weights are float32 with bfloat16 autocast, as ours compute."""
    optimizer = lesson.optimizer
    return {
        **COMMON,
        "bf16": torch.cpu.is_bf16_supported() if hasattr(torch.cpu, "is_bf16_supported") else True,
        "output_dir": scratch,
        "max_steps": lesson.steps,
        "per_device_train_batch_size": lesson.batch,
        "learning_rate": optimizer.learning_rate,
        "max_grad_norm": optimizer.max_gradient_norm,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": optimizer.final_share},
        "warmup_steps": optimizer.warmup_steps,
        "weight_decay": optimizer.weight_decay,
        "adam_beta1": optimizer.beta1,
        "adam_beta2": optimizer.beta2,
        "seed": lesson.seed,
    }


def train_sft(lesson: Lesson) -> float:
    """Imitate rows of `prompt` and `completion`, the loss on completions only; seconds of training."""

    def make(scratch: str) -> Any:
        settings = SFTConfig(**shared(lesson, scratch), max_length=None, completion_only_loss=True)
        return SFTTrainer(**parts(lesson, causal(lesson.start)), args=settings)

    return run(lesson, make)


@dataclass(frozen=True)
class Sampled:
    """Completions of a prompt, their greatest length in tokens, and updates a batch of them serves."""

    group: int
    new_tokens: int
    updates: int


def practised(lesson: Lesson, sampled: Sampled, scratch: str) -> dict[str, Any]:
    """What the trainers that sample share."""
    return {
        **shared(lesson, scratch),
        "num_generations": sampled.group,
        "max_completion_length": sampled.new_tokens,
        "num_iterations": sampled.updates,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "beta": 0.0,
    }


def train_grpo(lesson: Lesson, reward: Reward, sampled: Sampled, more: Mapping[str, Any]) -> float:
    """Practise on rows of `prompt` and more columns, paid by `reward`; seconds of training."""

    def make(scratch: str) -> Any:
        settings = GRPOConfig(**{**practised(lesson, sampled, scratch), "epsilon": 0.2, **more})
        return GRPOTrainer(**parts(lesson, causal(lesson.start)), reward_funcs=reward, args=settings)

    return run(lesson, make)


def train_rloo(lesson: Lesson, reward: Reward, sampled: Sampled, more: Mapping[str, Any]) -> float:
    """The same by RLOOTrainer."""

    def make(scratch: str) -> Any:
        settings = RLOOConfig(**{**practised(lesson, sampled, scratch), **more})
        return RLOOTrainer(**parts(lesson, causal(lesson.start)), reward_funcs=reward, args=settings)

    return run(lesson, make)


def train_dpo(lesson: Lesson) -> float:
    """Learn from rows of `prompt`, `chosen` and `rejected`, with beta 0.1; seconds of training."""

    def make(scratch: str) -> Any:
        settings = DPOConfig(**shared(lesson, scratch), max_length=None, beta=0.1)
        return DPOTrainer(**parts(lesson, causal(lesson.start)), args=settings)

    return run(lesson, make)


def train_kto(lesson: Lesson) -> float:
    """Learn from rows of `prompt`, `completion` and `label`, with beta 0.1; seconds of training."""

    def make(scratch: str) -> Any:
        settings = KTOConfig(**shared(lesson, scratch), max_length=None, beta=0.1)
        return KTOTrainer(**parts(lesson, causal(lesson.start)), args=settings)

    return run(lesson, make)


def train_reward_model(lesson: Lesson) -> float:
    """Learn from rows of `prompt`, `chosen` and `rejected`; seconds of training."""

    def make(scratch: str) -> Any:
        model = AutoModelForSequenceClassification.from_pretrained(
            str(lesson.start), num_labels=1, dtype=torch.float32
        )
        return RewardTrainer(
            **parts(lesson, model), args=RewardConfig(**shared(lesson, scratch), max_length=None)
        )

    return run(lesson, make)


def causal(folder: Path) -> Any:
    """The language model in a folder, in float32."""
    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)


def parts(lesson: Lesson, model: Any) -> dict[str, Any]:
    """What every trainer is given."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(lesson.start))
    model.config.pad_token_id = tokenizer.pad_token_id
    return {
        "model": model,
        "train_dataset": Dataset.from_list(list(lesson.rows)),
        "processing_class": tokenizer,
    }


def run(lesson: Lesson, make: Callable[[str], Any]) -> float:
    """Train, write the model to the lesson's output, and tell the seconds that training took."""
    disable_progress_bars()
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = make(scratch)
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    trainer.model.float().save_pretrained(str(lesson.output))
    trainer.processing_class.save_pretrained(str(lesson.output))
    return seconds
