"""A process that makes steps of TRL's PPOTrainer when told to, in the environment of a TRL that has one.

It runs under another Python than ours, so it imports nothing of Practicum. One JSON object a line: the first
line of stdin says what to do (`folder`, `prompts` as token ids, `new_tokens`, `steps`, `threads`, and how
many rows are sampled and learned from at a time, `rollout_rows` and `update_rows`) and is answered with the
`versions` of the libraries. After that each line asks for one step, which is answered when it is made with
the `tokens` sampled and the peak memory so far (`peak_mb`, less that after importing). What libraries print
goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """Serve steps until stdin ends or the last one is made."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = json.loads(sys.stdin.readline())
    import torch

    # Loaded on first use; it belongs to no side's work.
    import torch._dynamo

    torch.set_num_threads(order["threads"])
    from trl.experimental.ppo import PPOTrainer  # noqa: F401  so that its import is not counted as memory

    before = high_water()
    with tempfile.TemporaryDirectory() as output:
        trainer = ppo_trainer(Path(output), order, replies, before)
        names = ("torch", "transformers", "trl")
        reply(replies, {"versions": {name: metadata.version(name) for name in names}})
        trainer.train()


def ppo_trainer(output: Path, order: dict[str, Any], replies: TextIO, before: float) -> Any:
    """A trainer that waits for a line before each step; its four models are of one shape."""
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        PrinterCallback,
        TrainerCallback,
    )
    from transformers.utils import logging
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    prompts, new_tokens = order["prompts"], order["new_tokens"]
    tokenizer = AutoTokenizer.from_pretrained(order["words"])
    # An id that the head does not have, so that no sampled token passes for padding and ends a completion.
    tokenizer.pad_token = tokenizer.eos_token
    settings = PPOConfig(
        output_dir=str(output),
        per_device_train_batch_size=order["update_rows"],
        gradient_accumulation_steps=len(prompts) // order["update_rows"],
        local_rollout_forward_batch_size=order["rollout_rows"],
        total_episodes=len(prompts) * order["steps"],
        response_length=new_tokens,
        num_ppo_epochs=1,
        num_mini_batches=1,
        num_sample_generations=0,
        temperature=1.0,
        learning_rate=1e-4,
        gradient_checkpointing=False,
        use_cpu=True,
        # The weights themselves are bfloat16, which is faster than autocast over float32 weights.
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )

    def wait() -> None:
        if not sys.stdin.readline():
            sys.exit(0)

    class Steps(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            wait()

        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            tokens = len(prompts) * new_tokens
            reply(replies, {"tokens": tokens, "peak_mb": (high_water() - before) / 1e6})
            if state.global_step < order["steps"]:
                wait()

    def language_model() -> Any:
        return AutoModelForCausalLM.from_pretrained(order["folder"], dtype=torch.bfloat16)

    def scoring_model() -> Any:
        return AutoModelForSequenceClassification.from_pretrained(
            order["folder"], num_labels=1, dtype=torch.bfloat16
        )

    trainer = PPOTrainer(
        args=settings,
        processing_class=tokenizer,
        model=language_model(),
        ref_model=language_model(),
        reward_model=scoring_model(),
        value_model=scoring_model(),
        train_dataset=Dataset.from_dict({"input_ids": prompts}),
        # Never used, but it must be there.
        eval_dataset=Dataset.from_dict({"input_ids": prompts[:1]}),
        callbacks=[Steps()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def reply(replies: TextIO, message: dict[str, Any]) -> None:
    """One line of JSON."""
    print(json.dumps(message), file=replies, flush=True)


def high_water() -> int:
    """Peak resident memory in bytes; 0 where the system does not say it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
