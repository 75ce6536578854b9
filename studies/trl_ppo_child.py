"""A process that trains by TRL's PPOTrainer as it is told, in the environment of a TRL that has one.

It runs under another Python than ours, so it imports nothing of Practicum. stdin is one JSON object, the
order of `studies.beside_trl_ppo`: folders of the policy, of the reward model, which the critic starts from
too, and of the `output`, the prompts as token ids, and the settings. stdout is one: the `versions` of the
libraries and, unless the order is empty, the `seconds` of training and the trainer's `metrics`, a list of
one object a batch. What libraries print goes to stderr. The process ends when the one that started it has.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from importlib import metadata
from typing import Any


def main() -> None:
    """Carry out the order and answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = json.load(sys.stdin)
    told = {"versions": versions(), **(train(order) if order else {})}
    json.dump(told, answer)
    answer.close()


def versions() -> dict[str, str]:
    """Of the libraries; the process ends with a traceback where they have no PPOTrainer."""
    from trl.experimental.ppo import PPOTrainer  # noqa: F401

    return {name: metadata.version(name) for name in ("torch", "transformers", "trl")}


def train(order: dict[str, Any]) -> dict[str, Any]:
    """Train, write the policy to the order's `output`, and tell how it went."""
    import torch
    from transformers import PrinterCallback, set_seed
    from transformers.utils import logging

    torch.set_num_threads(order["threads"])
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    set_seed(order["seed"])
    with tempfile.TemporaryDirectory() as scratch:
        trainer = ppo_trainer(order, scratch)
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    trainer.policy_model.save_pretrained(order["output"])
    trainer.processing_class.save_pretrained(order["output"])
    return {"seconds": seconds, "metrics": trainer.state.log_history}


def ppo_trainer(order: dict[str, Any], scratch: str) -> Any:
    """The trainer of an order, with its four models in float32."""
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        PreTrainedTokenizerFast,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOTrainer

    tokenizer = PreTrainedTokenizerFast.from_pretrained(order["policy"], padding_side="left")

    def language_model() -> Any:
        model = AutoModelForCausalLM.from_pretrained(order["policy"], dtype=torch.float32)
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        return model

    def scoring_model() -> Any:
        return AutoModelForSequenceClassification.from_pretrained(order["reward"], dtype=torch.float32)

    study = os.getppid()

    class WithTheStudy(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if os.getppid() != study:
                sys.exit("the study has ended")

    prompts = order["prompts"]
    return PPOTrainer(
        args=settings_of(order, scratch),
        processing_class=tokenizer,
        model=language_model(),
        ref_model=language_model(),
        reward_model=scoring_model(),
        value_model=scoring_model(),
        train_dataset=Dataset.from_dict({"input_ids": prompts}),
        # Never used, but it must be there.
        eval_dataset=Dataset.from_dict({"input_ids": prompts[:1]}),
        callbacks=[WithTheStudy()],
    )


def settings_of(order: dict[str, Any], scratch: str) -> Any:
    """TRL's names for the settings of an order."""
    from trl.experimental.ppo import PPOConfig

    return PPOConfig(
        output_dir=scratch,
        seed=order["seed"],
        total_episodes=order["batch"] * order["steps"],
        # All rows at a time: the trainer's accumulation would run across its minibatches.
        per_device_train_batch_size=order["batch"],
        gradient_accumulation_steps=1,
        local_rollout_forward_batch_size=order["batch"],
        num_ppo_epochs=order["epochs"],
        num_mini_batches=order["minibatches"],
        response_length=order["new_tokens"],
        temperature=1.0,
        stop_token="eos",
        missing_eos_penalty=order["unfinished"],
        kl_coef=order["kl_weight"],
        kl_estimator="k1",
        cliprange=order["clip"],
        cliprange_value=order["value_clip"],
        vf_coef=order["value_weight"],
        gamma=order["discount"],
        lam=order["gae_lambda"],
        whiten_rewards=False,
        learning_rate=order["learning_rate"],
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": order["final_share"]},
        warmup_steps=order["warmup"],
        weight_decay=0.0,
        adam_beta1=order["beta1"],
        adam_beta2=order["beta2"],
        gradient_checkpointing=False,
        use_cpu=True,
        # Its accelerator would not be told of bfloat16.
        bf16=False,
        num_sample_generations=0,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


if __name__ == "__main__":
    main()
