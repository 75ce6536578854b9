"""peft under TRL's SFTTrainer as a rival: LoRA on dense bfloat16 weights, without disk or logging."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_progress_bars
from peft import LoraConfig as PeftConfig
from transformers import PreTrainedTokenizerFast, PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from practicum.bench.measure import Pairs, Work
from practicum.bench.models import rivals_words
from practicum.bench.rivals.lesson import SftLesson
from practicum.bench.rivals.with_transformers import load
from practicum.bench.rivals.with_trl import COMMON, alternated, one_step
from practicum.model.lora import LoraConfig


def lora_pairs(ours: Work, pairs: int, lesson: SftLesson, lora: LoraConfig) -> Pairs:
    """Pairs of whole LoRA steps; units are tokens read, padding not counted."""
    return alternated(ours, pairs, lambda output, steps: lora_trainer(output, lesson, lora, steps))


def lora_work(lesson: SftLesson, lora: LoraConfig) -> Work:
    """One LoRA step, for measuring memory."""
    return partial(one_step, lambda output: lora_trainer(output, lesson, lora, 1))


def lora_trainer(output: Path, lesson: SftLesson, lora: LoraConfig, steps: int) -> Any:
    """A trainer of adapters on tokenised rows; the loss counts where the mask is 1."""
    assert lesson.masks is not None
    disable_progress_bars()
    settings = SFTConfig(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=lesson.batch_rows,
        max_length=lesson.length,
        completion_only_loss=True,
        include_num_input_tokens_seen="non_padding",
        **COMMON,
    )
    columns = {
        "input_ids": [list(row) for row in lesson.rows],
        "completion_mask": [list(mask) for mask in lesson.masks],
    }
    trainer: Any = SFTTrainer(
        model=load(lesson.folder),
        args=settings,
        train_dataset=Dataset.from_dict(columns),
        processing_class=PreTrainedTokenizerFast.from_pretrained(rivals_words(lesson.folder)),
        peft_config=PeftConfig(
            r=lora.rank,
            lora_alpha=round(lora.alpha),
            target_modules=list(lora.targets),
            task_type="CAUSAL_LM",
        ),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
