"""TRL's RewardTrainer with peft's LoRA as a rival, on token ids and from weights that are given."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig as PeftConfig
from torch.utils.data import SequentialSampler
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
)
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from practicum.bench.rivals.lesson import Ids
from practicum.bench.rivals.with_trl import COMMON
from practicum.training.reward_model import RewardModelConfig


class InOrder(RewardTrainer):  # type: ignore[misc]
    """A RewardTrainer that takes its rows in the order given."""

    def _get_train_sampler(self, *_: Any, **__: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def train_pairs(
    start: Path, rows: Sequence[Ids], output: Path, settings: RewardModelConfig, steps: int
) -> int:
    """Learn in `steps` updates from rows of two sequences, the preferred one first; the tokens read.

    The weights are bfloat16, the adapters float32, as peft has it. The adapters are added to the weights in
    float32 and the model is written to `output`.
    """
    disable_progress_bars()
    model = AutoModelForSequenceClassification.from_pretrained(str(start), dtype=torch.bfloat16)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(start))
    tokenizer.pad_token_id = model.config.pad_token_id
    optimizer = settings.optimizer
    common = {
        **COMMON,
        "learning_rate": optimizer.learning_rate,
        "max_grad_norm": optimizer.max_gradient_norm,
    }
    with tempfile.TemporaryDirectory() as scratch:
        arguments = RewardConfig(
            output_dir=scratch,
            num_train_epochs=1,
            per_device_train_batch_size=-(-len(rows) // steps),
            lr_scheduler_type="cosine_with_min_lr",
            lr_scheduler_kwargs={"min_lr_rate": optimizer.final_share},
            warmup_steps=optimizer.warmup_steps,
            weight_decay=optimizer.weight_decay,
            adam_beta1=optimizer.beta1,
            adam_beta2=optimizer.beta2,
            max_length=None,
            **common,
        )
        columns = {
            "chosen_ids": [list(best) for best, _ in rows],
            "rejected_ids": [list(worst) for _, worst in rows],
        }
        trainer: Any = InOrder(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            processing_class=tokenizer,
            peft_config=PeftConfig(
                r=settings.lora.rank,
                lora_alpha=round(settings.lora.alpha),
                target_modules=list(settings.lora.targets),
                modules_to_save=["score"],
                task_type="SEQ_CLS",
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    merged = trainer.model.float().merge_and_unload()
    merged.save_pretrained(str(output))
    tokenizer.save_pretrained(str(output))
    return sum(len(ids) for row in rows for ids in row)
