"""TRL as a rival: whole steps of GRPO-, SFT- and RewardTrainer in bfloat16, without disk or logging."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_progress_bars
from transformers import PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from practicum.bench.measure import Pairs, Timing, Work, timed
from practicum.bench.models import rivals_words
from practicum.bench.rivals.lesson import GrpoLesson, SftLesson
from practicum.bench.rivals.with_transformers import load

PairsOfIds = Sequence[tuple[Sequence[int], Sequence[int]]]
"""Token ids of the better and the worse response, each with its prompt and end of sequence."""
COMMON: dict[str, Any] = {
    "gradient_checkpointing": False,
    "use_cpu": True,
    # The weights themselves are bfloat16, which is faster than autocast over float32 weights.
    "bf16": False,
    "report_to": "none",
    "save_strategy": "no",
    "logging_strategy": "no",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
    "learning_rate": 1e-4,
    "max_grad_norm": 1.0,
}


class Alternation(TrainerCallback):  # type: ignore[misc]
    """Times each step of a running trainer, and runs one of ours after it.

    The first step of each side warms it up and is left out. `units` tells what a step of the trainer did.
    """

    def __init__(self, ours: Work, units: Callable[[], float]) -> None:
        self.ours, self.units = ours, units
        self.pairs = Pairs([], [])
        self.started = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """The clock starts before the batch is generated or read."""
        self.started = time.perf_counter()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """The clock stops after the optimizer's update."""
        seconds = time.perf_counter() - self.started
        own = timed(self.ours)
        rival = Timing(seconds, self.units())
        if state.global_step > 1:
            self.pairs.ours.append(own)
            self.pairs.rival.append(rival)


def grpo_pairs(ours: Work, pairs: int, lesson: GrpoLesson) -> Pairs:
    """Pairs of whole GRPO steps; units are completion tokens."""
    with tempfile.TemporaryDirectory() as output:
        trainer, sampled = grpo_trainer(Path(output), lesson, pairs + 1)
        alternation = Alternation(ours, lambda: sampled[-1])
        trainer.add_callback(alternation)
        trainer.train()
    return alternation.pairs


def grpo_work(lesson: GrpoLesson) -> Work:
    """One GRPO step, for measuring memory."""

    def work() -> float:
        with tempfile.TemporaryDirectory() as output:
            trainer, sampled = grpo_trainer(Path(output), lesson, 1)
            trainer.train()
        return sampled[-1]

    return work


def grpo_trainer(output: Path, lesson: GrpoLesson, steps: int) -> tuple[Any, list[float]]:
    """A trainer for `steps` steps over the same prompts, and the list where it puts each step's tokens."""
    sampled: list[float] = []
    coin = random.Random(0)

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        sampled.append(float(sum(len(ids) for ids in completion_ids)))
        return [float(coin.random() < 0.5) for _ in completion_ids]

    settings = GRPOConfig(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=len(lesson.prompts) * lesson.group,
        num_generations=lesson.group,
        max_completion_length=lesson.new_tokens,
        beta=0.0,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        cache_implementation=lesson.cache,
        **COMMON,
    )
    trainer: Any = GRPOTrainer(
        model=load(lesson.folder),
        reward_funcs=reward,
        args=settings,
        train_dataset=Dataset.from_dict({"prompt": list(lesson.prompts)}),
        processing_class=PreTrainedTokenizerFast.from_pretrained(rivals_words(lesson.folder)),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer, sampled


def sft_pairs(ours: Work, pairs: int, lesson: SftLesson) -> Pairs:
    """Pairs of whole SFT steps; units are tokens read, padding not counted."""
    return alternated(ours, pairs, lambda output, steps: sft_trainer(output, lesson, steps))


def sft_work(lesson: SftLesson) -> Work:
    """One SFT step, for measuring memory."""
    return partial(one_step, lambda output: sft_trainer(output, lesson, 1))


def alternated(ours: Work, pairs: int, trainer_of: Callable[[Path, int], Any]) -> Pairs:
    """Pairs of a trainer's whole steps and ours; `trainer_of(output folder, steps)` makes the trainer."""
    with tempfile.TemporaryDirectory() as output:
        trainer = trainer_of(Path(output), pairs + 1)
        seen = [0]

        def units() -> float:
            seen.append(int(trainer.state.num_input_tokens_seen))
            return float(seen[-1] - seen[-2])

        alternation = Alternation(ours, units)
        trainer.add_callback(alternation)
        trainer.train()
    return alternation.pairs


def one_step(trainer_of: Callable[[Path], Any]) -> float:
    """Train for the single step that a trainer was made for; the tokens it read."""
    with tempfile.TemporaryDirectory() as output:
        trainer = trainer_of(Path(output))
        trainer.train()
        return float(trainer.state.num_input_tokens_seen)


def sft_trainer(output: Path, lesson: SftLesson, steps: int) -> Any:
    """A trainer on tokenised rows; with masks (1 on completions) they are packed, else all are full."""
    disable_progress_bars()
    columns: dict[str, Any] = {"input_ids": [list(row) for row in lesson.rows]}
    if lesson.masks is not None:
        columns["completion_mask"] = [list(mask) for mask in lesson.masks]
    settings = SFTConfig(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=lesson.batch_rows,
        max_length=lesson.length,
        packing=lesson.masks is not None,
        completion_only_loss=lesson.masks is not None,
        include_num_input_tokens_seen="non_padding",
        **COMMON,
    )
    trainer: Any = SFTTrainer(
        model=load(lesson.folder),
        args=settings,
        train_dataset=Dataset.from_dict(columns),
        processing_class=PreTrainedTokenizerFast.from_pretrained(rivals_words(lesson.folder)),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def reward_pairs(ours: Work, pairs: int, folder: Path, ids: PairsOfIds, micro: int) -> Pairs:
    """Pairs of whole RewardTrainer steps; units are pairs of responses."""
    with tempfile.TemporaryDirectory() as output:
        trainer = reward_trainer(Path(output), folder, ids, micro, pairs + 1)
        alternation = Alternation(ours, lambda: float(len(ids)))
        trainer.add_callback(alternation)
        trainer.train()
    return alternation.pairs


def reward_work(folder: Path, ids: PairsOfIds, micro: int) -> Work:
    """One RewardTrainer step, for measuring memory."""

    def work() -> float:
        with tempfile.TemporaryDirectory() as output:
            reward_trainer(Path(output), folder, ids, micro, 1).train()
        return float(len(ids))

    return work


def best_micro_batch(folder: Path, ids: PairsOfIds) -> int:
    """How many pairs of an update are read at a time in the fastest of two steps: all, or down to a tenth."""
    sizes = [len(ids) // parts for parts in (1, 2, 4, 10) if len(ids) % parts == 0]

    def seconds(micro: int) -> float:
        pairs = reward_pairs(lambda: 1.0, 2, folder, ids, micro)
        return min(timing.seconds for timing in pairs.rival)

    return min(sizes, key=seconds)


def reward_trainer(output: Path, folder: Path, ids: PairsOfIds, micro: int, steps: int) -> Any:
    """A trainer whose every update reads all pairs, `micro` at a time, those of like length together."""
    disable_progress_bars()
    disable_progress_bar()
    in_order = sorted(ids, key=lambda pair: max(map(len, pair)))
    settings = RewardConfig(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=len(ids) // micro,
        train_sampling_strategy="sequential",
        max_length=None,
        model_init_kwargs={"dtype": "bfloat16"},
        **COMMON,
    )
    columns = {
        name: [list(pair[place]) for pair in in_order]
        for place, name in enumerate(("chosen_ids", "rejected_ids"))
    }
    trainer: Any = RewardTrainer(
        model=str(folder),
        args=settings,
        train_dataset=Dataset.from_dict(columns),
        processing_class=PreTrainedTokenizerFast.from_pretrained(rivals_words(folder)),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
