"""`practicum play`: talk to a model, be the policy yourself, or step through an answer token by token."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.model.device import told_device
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import chat_of
from practicum.play.human import be_the_policy
from practicum.play.paid import judge, told
from practicum.play.speaker import Speaker
from practicum.play.step import step_through
from practicum.play.talk import complete, converse, solve
from practicum.play.terminal import ask, printable
from practicum.ranges import Common, Range, Ranged, Seed
from practicum.reward.config import FunctionsConfig
from practicum.reward.function import close, with_functions
from practicum.rollout.sampler import scattered
from practicum.tasks.registry import TaskConfig, find_task, load_task_on, without_effect
from practicum.tasks.table import TableTask, check_judged
from practicum.tasks.task import Reads, Task, check_able
from practicum.types import Prompt, Reward


@dataclass(frozen=True)
class PlayConfig(Ranged):
    """Talk to a model in the terminal, or be the policy yourself.

    practicum play --model smollm2
    practicum play --model runs/rl --task equations
    practicum play --human --task equations
    practicum play --model runs/rl --step
    """

    model: Common[Path | None] = None
    """A model folder, a run's folder, a .gguf file, or smollm2. Not for --human."""
    human: Common[bool] = False
    """Be the policy: the task asks, you answer, and see how you would be paid."""
    step: Common[bool] = False
    """Choose every token of an answer from the likeliest ones."""
    alternatives: Common[Annotated[int, Range(at_least=1, at_most=1000)]] = 8
    """Tokens to choose from with --step."""
    chat: Common[Literal["auto", "on", "off"]] = "auto"
    """on takes texts as they stand, judged by no task; off asks in a task's words; auto is on where a model
    has a chat template and no task but the default one is named, else off."""
    system: Common[str] = ""
    """The system message of a conversation."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task that words what you type and judges the answer, or asks you."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own rows to be asked with --human, in place of a task's prompts."""
    split: Literal["train", "validation", "test"] = "test"
    """Split that --human asks from."""
    reward: FunctionsConfig = field(default_factory=FunctionsConfig)
    """Functions of yours that judge the answers, in place of the task or beside it."""
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(temperature=0.0))
    """How tokens are drawn; temperature 0, the default, is greedy."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Fixes the draw, and the problems of --human."""

    def without_effect(self) -> Mapping[str, str]:
        """What the kind of play leaves without effect."""
        idle = without_effect(self.task, self.data, "examination")
        if not self.step:
            idle["alternatives"] = "tokens are chosen with --step: give it too"
        if not self.reward.functions:
            idle["reward.weights"] = "no function pays: give one with --reward"
        if self.human:
            no_model = "with --human nobody samples: drop it"
            idle |= dict.fromkeys(("chat", "system", "device"), no_model)
            idle |= {f"sampling.{name}": no_model for name in SAMPLING}
        else:
            idle |= dict.fromkeys(("split", "data"), "rows and splits are asked with --human: give it too")
            idle["sampling.max_turns"] = "you say how long a conversation goes on"
            if self.step:
                idle["system"] = "--step writes one answer, and no conversation: drop it"
            if self.chat == "on":
                idle["task"] = "--chat on asks no task: drop it, or give --chat off"
        return idle

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.human and self.model is not None:
            raise InputError("with --human you are the policy: drop --model")
        if self.human and self.step:
            raise InputError("--step shows what a model would say: drop --human")


SAMPLING = ("slots", "dtype", "temperature", "top_p", "top_k")


def play(config: PlayConfig) -> dict[str, Any]:
    """Play until the input ends; the JSON of `practicum play`."""
    if config.human:
        return _human(config)
    if config.model is None:
        raise InputError("nobody to play with: give --model, or be the policy with --human --task NAME")
    policy, tokenizer = load_policy(config.model, told_device(config.device))
    speaker = Speaker.of(policy, tokenizer, config.sampling, config.seed)
    chats = chat_of(tokenizer) is not None
    if config.chat == "on" or (config.chat == "auto" and chats and config.task == TaskConfig()):
        return _as_it_stands(config, speaker, chats)
    _no_system(config)
    task = find_task(config.task)
    check_able(task, "play", Reads)
    if config.step:
        return _stepped(config, speaker, task)
    print(f"practicum: type a problem for the task {task.name}, which judges; Enter ends", file=sys.stderr)
    reward = _judge(config, task)
    try:
        return solve(speaker, task, reward)
    finally:
        close(reward)


def _as_it_stands(config: PlayConfig, speaker: Speaker, chats: bool) -> dict[str, Any]:
    """What is typed goes to the model as it stands; functions of the user's alone judge."""
    if config.step:
        return _stepped(config, speaker, None)
    if not chats:
        _no_system(config)
    typed = TableTask("typed", {})
    reward = _judge(config, typed, Prompt("Hello.")) if config.reward.functions else None

    def paid(prompt: Prompt, answer: str) -> dict[str, Any]:
        if reward is None:
            return {}
        found = judge(typed, reward, prompt, [answer])
        print(printable("\n".join(told(found))))
        return found

    try:
        return converse(speaker, config.system, paid) if chats else complete(speaker, paid)
    finally:
        if reward is not None:
            close(reward)


def _human(config: PlayConfig) -> dict[str, Any]:
    task = load_task_on(config.task, config.data, "examination")
    check_judged(task, config.reward.functions)
    reward = _judge(config, task)

    def prompt(number: int) -> Prompt:
        if not isinstance(task, TableTask):
            return task.prompts(config.split, 1, scattered(config.seed + number))[0]
        # A table's rows come one after another, and again when all have come.
        found = task.prompts(config.split, number + 1, config.seed)
        return found[number % len(found)]

    try:
        return be_the_policy(task, reward, prompt, config.sampling.max_turns)
    finally:
        close(reward)


def _stepped(config: PlayConfig, speaker: Speaker, task: Task | None) -> dict[str, Any]:
    """One prompt, typed, and its answer token by token, judged where a task worded it."""
    asked = _typed_prompt(speaker, task)
    if asked is None:
        return {}
    prompt, prompt_ids = asked
    found = {"prompt": prompt.text} | step_through(speaker, prompt_ids, config.alternatives)
    if task is None:
        return found
    reward = _judge(config, task, prompt)
    try:
        paid = judge(task, reward, prompt, [found["completion"]])
    finally:
        close(reward)
    print(printable("\n".join(told(paid))))
    return found | paid


def _typed_prompt(speaker: Speaker, task: Task | None) -> tuple[Prompt, list[int]] | None:
    """What a person types, and its tokens; None at the end. One that cannot be read is asked for again."""
    while text := ask("prompt> "):
        try:
            prompt = Prompt(text) if task is None else cast(Reads, task).read(text)
            return prompt, speaker.prompt(prompt)
        except InputError as error:
            # Nobody is there to type again: the model that took so long to load would be of no use.
            if not sys.stdin.isatty():
                raise
            print(f"practicum: {printable(str(error))}", file=sys.stderr)
    return None


def _judge(config: PlayConfig, task: Task, first: Prompt | None = None) -> Reward:
    told = {"max_new_tokens": config.sampling.max_new_tokens}
    split = config.split if isinstance(task, TableTask) else "test"
    return with_functions(config.reward, task, None, told, split=split, first=first)


def _no_system(config: PlayConfig) -> None:
    if config.system:
        raise InputError("--system needs a conversation through a chat template: drop it, or drop --task")
