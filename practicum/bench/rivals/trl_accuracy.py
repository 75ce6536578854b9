"""TRL's GRPOTrainer on our prompts, paid by our verifier, until a share of answers is right."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from practicum.bench.race import Examine, Reached, Stopwatch, prompts_of
from practicum.bench.settings import Race
from practicum.model.checkpoint import load_model
from practicum.model.decoder import Decoder
from practicum.tasks.task import Task
from practicum.training.rl import RlConfig

# The best found on the equations of the demo (docs/bench.md has what was tried).
SETTINGS: dict[str, Any] = {
    "bf16": True,
    "learning_rate": 3e-4,
    "lr_scheduler_type": "constant_with_warmup",
    "warmup_steps": 5,
    "adam_beta2": 0.95,
    "epsilon_high": 0.28,
}
# Weights in bfloat16 round small steps away: after 8 updates 56% where float32 weights have 83%.
DTYPE = torch.float32


class Examiner(TrainerCallback):  # type: ignore[misc]
    """Stops the clock every few updates, examines the weights, and ends training when it is time."""

    def __init__(self, bench: Race, decoder: Decoder, examine: Examine, limit: float) -> None:
        self.bench, self.decoder, self.examine, self.limit = bench, decoder, examine, limit
        self.watch = Stopwatch()
        self.reached = Reached(0.0, 0, 0.0, False)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Setting up is not counted."""
        self.watch = Stopwatch()

    def on_step_end(self, _: Any, state: Any, control: Any, **more: Any) -> None:
        """After each update of the optimizer."""
        self.watch.pause()
        late = self.watch.seconds >= self.limit
        last = late or state.global_step >= state.max_steps
        if last or state.global_step % self.bench.examine_every == 0:
            copy_weights(more["model"], self.decoder)
            accuracy = self.examine(self.decoder)
            enough = accuracy >= self.bench.target
            self.reached = Reached(self.watch.seconds, state.global_step, accuracy, enough)
            control.should_training_stop = last or enough
        self.watch.resume()


def practise_to(bench: Race, config: RlConfig, task: Task, examine: Examine, limit: float) -> Reached:
    """Train from `config.model` until the target, or until `limit` seconds have passed."""
    examiner = Examiner(bench, load_model(config.model)[0], examine, limit)
    with tempfile.TemporaryDirectory() as output:
        grpo_trainer(Path(output), config, task, examiner).train()
    return examiner.reached


def grpo_trainer(output: Path, config: RlConfig, task: Task, examiner: Examiner) -> Any:
    """A trainer with our prompts, group size and length limit, and its own best other settings."""
    prompts = prompts_of(config, task)

    def reward(completions: list[str], number: list[int], **_: Any) -> list[float]:
        return [score.value for score in task.score([prompts[one] for one in number], completions)]

    settings = GRPOConfig(
        **{
            "output_dir": str(output),
            "max_steps": 100_000,
            "per_device_train_batch_size": config.prompts_per_step * config.group_size,
            "num_generations": config.group_size,
            "max_completion_length": config.sampling.max_new_tokens,
            "shuffle_dataset": False,
            "seed": config.seed,
            "beta": 0.0,
            "gradient_checkpointing": False,
            "use_cpu": True,
            "report_to": "none",
            "save_strategy": "no",
            "logging_strategy": "no",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            **SETTINGS,
        }
    )
    disable_progress_bar()
    rows = {"prompt": [prompt.text for prompt in prompts], "number": list(range(len(prompts)))}
    trainer: Any = GRPOTrainer(
        model=LlamaForCausalLM.from_pretrained(str(config.model), dtype=DTYPE),
        reward_funcs=reward,
        args=settings,
        train_dataset=Dataset.from_dict(rows),
        processing_class=PreTrainedTokenizerFast.from_pretrained(str(config.model)),
        callbacks=[examiner],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def copy_weights(model: Any, decoder: Decoder) -> None:
    """The trainer's current weights into ours, which has the same parameter names."""
    found = model.state_dict()
    decoder.load_state_dict({name: found[name].float() for name in decoder.state_dict()})
