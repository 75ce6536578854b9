"""Practice: sample solutions, let the task or a reward model judge them, and make what paid more likely.

One iteration = prompts -> groups of completions -> scores -> advantages -> update(s) -> one metrics row.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from practicum.guard.counted import Counted
from practicum.guard.watch import Watch, ended_by_guard
from practicum.model.device import described
from practicum.reward.function import close
from practicum.rollout.converse import tell_unused_turns
from practicum.run.folder import Run
from practicum.tasks.registry import stamped
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.answer_room import no_room
from practicum.training.iteration import practise
from practicum.training.loop import (
    Stage,
    Trainee,
    run_steps,
    set_threads,
)
from practicum.training.optimizer import Optimizer, Together
from practicum.training.rl_parts import Parts, build
from practicum.training.rl_settings import OwnRewardConfig, PracticeSettings, RlConfig

__all__ = ["OwnRewardConfig", "Parts", "PracticeSettings", "RlConfig", "build", "train"]


def train(
    config: RlConfig, run_path: Path, *, resume: bool = False, parts: Parts | None = None
) -> dict[str, Any]:
    """Practise and return the summary; the model is the run's newest checkpoint.

    `parts` are those of `build(config)`, changed as you like. Against reward models the guard watches. A run
    that it ended is over: resuming it changes nothing. One that it holds goes on from the trusted checkpoint
    with its KL pinned.
    """
    config = replace(config, task=stamped(config.task))
    if resume and (ended := ended_by_guard(Run(run_path))):
        Run(run_path).check_config(config)
        return ended
    parts = parts or build(config)
    if parts.reward_models and not config.kl.beta:
        print(
            "practicum: nothing holds the policy near what people ranked, and a reward model is right only "
            "there: consider --update.kl.weight 0.1",
            file=sys.stderr,
        )
    guarded = any(isinstance(observer, Watch) for observer in parts.observers)
    goes_back = guarded and config.guard.action in ("roll_back", "hold")
    # Where the guard will want to go back to is known when it alarms, so until then every checkpoint stays.
    keep = config.loop.steps + 1 if goes_back else config.loop.keep_checkpoints
    device = parts.policy.device
    run = Run.open(run_path, config, "rl", resume=resume, keep=keep, device=described(device))
    set_threads(config.loop.threads)
    if cut := no_room(parts.task, parts.tokenizer, config.sampling.max_new_tokens, config.seed):
        print(f"practicum: {cut}", file=sys.stderr)
    if idle := bounds_of_nothing(config):
        print(f"practicum: {idle}", file=sys.stderr)
    tell_unused_turns(parts.task, config.sampling)
    trainee = trainee_of(parts, config)
    shown: tuple[str, ...] = ("reward", "completion_tokens")
    if any(isinstance(observer, Counted) for observer in parts.observers):
        shown = (*shown, "known_paid")
    stage = Stage(run, config.loop, trainee, shown, parts.observers, keep_start=goes_back)
    try:
        last = run_steps(stage, lambda index: practise(parts, trainee, config, index))
    finally:
        close(parts.reward)
    summary = {
        "stage": "rl",
        "task": parts.task.name,
        "algorithm": config.algorithm,
        "control": config.control,
        **last,
    }
    for observer in parts.observers:
        summary |= observer.conclude(run)
    run.prune(config.loop.keep_checkpoints)
    run.finish(summary)
    return summary


def bounds_of_nothing(config: RlConfig) -> str | None:
    """What to say of bounds that are given, and that one update of a batch cannot come near.

    The weights that learn are then those that sampled, so that every ratio is 1 but for rounding.
    """
    own, update = config.algorithm == "ppo", config.update
    given = {
        "update.clip_low": update.clip_low is not None,
        "update.clip_high": update.clip_high is not None,
        "ppo.value_clip": own and config.ppo.value_clip != PpoConfig.value_clip,
    }
    names = [name for name, chosen in given.items() if chosen]
    if not names or update.epochs * update.minibatches > 1:
        return None
    return (
        f"{' and '.join(names)}: nothing reaches the bound, for one update is made of a batch, by the very "
        "weights that sampled it: raise update.epochs or update.minibatches"
    )


def trainee_of(parts: Parts, config: RlConfig) -> Trainee:
    """The policy and its heads with the optimizer of both."""
    updates = config.loop.steps * config.update.epochs * config.update.minibatches
    trained = Together(policy=parts.policy, heads=parts.heads)
    optimizer = Optimizer(trained, config.optimizer, updates)
    return Trainee(parts.policy, parts.tokenizer, parts.heads, optimizer)
