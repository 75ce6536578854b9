"""Examination: greedy accuracy, pass@k and behaviours on held-out problems, each with its interval.

Prompts may ask for one problem more than once, in other letters or another order. Such answers agree, so
every interval here counts problems and not prompts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb, sqrt
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from practicum.config import completed
from practicum.data.config import DataConfig
from practicum.files import atomic_write, to_json
from practicum.model.device import told_device
from practicum.model.policy import Policy, load_policy
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.quantiles import students_t_above
from practicum.ranges import Common, Count, CountOrNone, Ranged, Seed, Threads
from practicum.reward.config import FunctionsConfig
from practicum.reward.function import close, with_functions
from practicum.rollout.collect import ScoredRollout, collect
from practicum.rollout.converse import conversation_of, tell_unused_turns
from practicum.rollout.fitting import fitted
from practicum.rollout.samplers import make_sampler
from practicum.run.progress import progress
from practicum.stats import share_by_problem
from practicum.tasks.registry import TaskConfig, load_task_on, without_effect
from practicum.tasks.table import TableTask, check_judged
from practicum.tasks.task import Task, behaviours_of
from practicum.training.loop import sampling_seed, set_threads
from practicum.types import Prompt, Reward, Score

LABELS = ("family", "kind", "level", "ask")
"""What a prompt may say of itself, by which accuracy is told apart."""


@dataclass(frozen=True)
class EvalConfig(Ranged):
    """Examine a model on a task's held-out problems.

    practicum eval --model runs/rl --samples 16
    practicum eval --model runs/jokes --task jokes --split validation --json
    """

    model: Path
    """A model folder, or a run's folder."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own rows in place of the task's problems; all of them unless a share or a test file is named."""
    reward: FunctionsConfig = field(default_factory=FunctionsConfig)
    """Functions of yours that judge the answers, in place of the task or beside it."""
    split: Common[Literal["validation", "test"]] = "test"
    """Split of the held-out problems."""
    count: Common[Count] = 1000
    """Number of problems, each answered greedily."""
    samples: Common[CountOrNone] = 0
    """Completions per problem at temperature 1, for pass@k; 0 skips pass@k."""
    sampled_count: Common[Count] = 200
    """Number of problems for pass@k."""
    sampling: DecodingSettings = field(default_factory=DecodingSettings)
    """Length limit, rows at a time and dtype; the examination decides how completions are drawn."""
    rows: Path | None = None
    """File to write one line of JSON a problem to: what was answered, and how many samples are right."""
    threads: Common[Threads] = 0
    """CPU threads; 0 uses one per core."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 1
    """Seed of the problems drawn."""

    def without_effect(self) -> Mapping[str, str]:
        """What the task, the rows of a file or other choices leave without effect."""
        idle = without_effect(self.task, self.data, "examination")
        if not self.reward.functions:
            idle["reward.weights"] = "no function pays: give one with --reward"
        return idle


def evaluate(config: EvalConfig) -> dict[str, Any]:
    """Examine a saved model; the JSON of `practicum eval`."""
    policy, tokenizer, task, reward = subject_of(config)
    set_threads(config.threads)
    try:
        found, rows = examined(policy, tokenizer, task, config, reward)
    finally:
        close(reward)
    if config.rows is not None:
        atomic_write(config.rows, "".join(to_json(row) + "\n" for row in rows))
    return {"model": str(config.model), **found}


def subject_of(config: EvalConfig) -> tuple[Policy, Tokenizer, Task, Reward]:
    """Who is examined, on what, and what pays. Raises InputError where they do not fit each other."""
    policy, tokenizer = load_policy(config.model, told_device(config.device))
    task = load_task_on(config.task, config.data, "examination")
    if isinstance(task, TableTask):
        task = fitted(task, tokenizer, policy.spec.max_positions, config.data.longest_prompt)
        check_judged(task, config.reward.functions)
    tell_unused_turns(task, config.sampling)
    told = {"max_new_tokens": config.sampling.max_new_tokens}
    return policy, tokenizer, task, with_functions(config.reward, task, None, told, config.split)


def examine(
    policy: Policy, tokenizer: Tokenizer, task: Task, config: EvalConfig, reward: Reward | None = None
) -> dict[str, Any]:
    """What `examined` finds, without the rows."""
    return examined(policy, tokenizer, task, config, reward)[0]


def examined(
    policy: Policy, tokenizer: Tokenizer, task: Task, config: EvalConfig, reward: Reward | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Accuracy with its 95% interval, by slice, outcome rates, behaviours, and pass@k where asked for.

    Accuracy is over the completions of which the task says whether they solve their problem; where it says so
    of none, accuracy and pass@k are None. `reward` is the mean over all, of what `reward` pays in place of
    the task, and of its parts; `notes` say what was not judged. The second of the two are the rows, one a
    problem, in the order in which every model is asked.
    """
    started, judge = time.perf_counter(), reward or task
    prompts = task.prompts(config.split, config.count, config.seed)
    sitting = Sitting(policy, tokenizer, task, judge, config)
    greedy = _sample(sitting, prompts, 1, 0.0)
    judged = [row for row, score in enumerate(greedy.scores) if score.solved is not None]
    right = [bool(greedy.scores[row].solved) for row in judged]
    notes = _notes(task, len(judged), len(prompts))
    result: dict[str, Any] = {
        "task": task.name,
        "split": config.split,
        "n": len(prompts),
        "distinct_problems": len({prompt.problem for prompt in prompts}),
        "judged": len(judged),
        "accuracy": sum(right) / len(right) if right else None,
        "ci95": interval_of(right, [prompts[row] for row in judged]) if right else None,
        "reward": {**mean_reward(prompts, greedy), "parts": mean_parts(greedy.scores)},
        "notes": notes,
        "outcomes": _shares([score.outcome for score in greedy.scores]),
        "behaviours": _behaviours(task, prompts, greedy.rollout.texts),
        "slices": _slices([prompts[row] for row in judged], right),
        "completion_tokens": float(greedy.rollout.mask_BT.sum(1).float().mean()),
        "examples": [
            {
                "prompt": prompt.text,
                "completion": text,
                "outcome": score.outcome,
                "solved": score.solved,
                "reward": score.value,
                "reason": score.reason,
            }
            for prompt, text, score in zip(prompts[:24], greedy.rollout.texts, greedy.scores, strict=False)
        ],
    }
    rows = _rows(prompts, greedy)
    if config.samples:
        few = prompts[: config.sampled_count]
        sampled = _sample(sitting, few, config.samples, 1.0)
        result["sampled"] = _pass_at_k(sampled, few, config.samples)
        result["sampled"]["behaviours"] = _behaviours(task, sampled.prompts, sampled.rollout.texts)
        for row, solved in zip(rows, _solved_by_group(sampled), strict=False):
            row |= {"samples": len(solved), "right": None if None in solved else sum(map(bool, solved))}
    result["seconds"] = time.perf_counter() - started
    return result, rows


def _rows(prompts: Sequence[Prompt], greedy: ScoredRollout) -> list[dict[str, Any]]:
    """One row a problem: labels of the prompt, the greedy answer and what it was judged."""
    return [
        {
            "problem": prompt.problem,
            **{name: prompt.data[name] for name in LABELS if name in prompt.data},
            "prompt": prompt.text,
            "completion": text,
            "outcome": score.outcome,
            "solved": score.solved,
            "reward": reward,
        }
        for prompt, text, score, reward in zip(
            prompts, greedy.rollout.texts, greedy.scores, greedy.reward_B.tolist(), strict=True
        )
    ]


def mean_reward(prompts: Sequence[Prompt], batch: ScoredRollout) -> dict[str, Any]:
    """Mean reward of a completion each with its 95% interval, by t over problems, whose answers go together.

    The interval is None for fewer than two problems, and where all rewards are equal, which does not say how
    they vary. Source: the variance of a mean of clusters, Cochran 1977 (Sampling Techniques, section 9.2),
    with as many degrees of freedom as problems less one.
    """
    rewards = batch.reward_B.tolist()
    mean = sum(rewards) / len(rewards)
    sums: dict[str, float] = defaultdict(float)
    for prompt, reward in zip(prompts, rewards, strict=True):
        sums[prompt.problem] += reward - mean
    if len(sums) < 2 or min(rewards) == max(rewards):
        return {"mean": mean, "ci95": None}
    freedom = len(sums) - 1
    error = sqrt(sum(one**2 for one in sums.values()) * len(sums) / freedom) / len(rewards)
    reach = students_t_above(0.025, freedom) * error
    return {"mean": mean, "ci95": [mean - reach, mean + reach]}


def mean_parts(scores: Sequence[Score]) -> dict[str, float]:
    """Mean of each named part of the reward, over the scores that have it."""
    parts: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        for name, value in score.parts.items():
            parts[name].append(value)
    return {name: sum(values) / len(values) for name, values in parts.items()}


def interval_of(hits: Sequence[float], prompts: Sequence[Prompt]) -> list[float]:
    """95% interval [low, high] of a share of answers, one to each prompt, clustered by problem."""
    found = share_by_problem(hits, [prompt.problem for prompt in prompts])
    return [found.low, found.high]


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Unbiased chance that one of k answers is right, given `right` of `samples` were.

    1 - C(n-c, k) / C(n, k). Source: Chen et al. 2021 (Codex, 2107.03374, eq. 1).
    """
    return 1.0 - comb(samples - right, k) / comb(samples, k)


@dataclass(frozen=True)
class Sitting:
    """Who is examined, on what, and by whom."""

    policy: Policy
    tokenizer: Tokenizer
    task: Task
    judge: Reward
    config: EvalConfig


def _sample(sitting: Sitting, prompts: Sequence[Prompt], count: int, temperature: float) -> ScoredRollout:
    config, policy, tokenizer = sitting.config, sitting.policy, sitting.tokenizer
    sampling = completed(SamplingConfig, config.sampling, temperature=temperature)
    sampler = make_sampler(policy, sampling)
    seed = sampling_seed(config.seed, "evaluation", count)
    conversation = conversation_of(sitting.task, policy, sampling)
    with progress("examine", len(prompts) * count) as bar:
        return collect(sampler, tokenizer, sitting.judge, prompts, count, seed, bar.update, conversation)


def _pass_at_k(batch: ScoredRollout, prompts: Sequence[Prompt], samples: int) -> dict[str, Any]:
    solved = _solved_by_group(batch)
    # A problem counts when the task judges all answers to it.
    groups = [group for group, answers in enumerate(solved) if None not in answers]
    counts = [sum(map(bool, solved[group])) for group in groups]
    judged = [prompts[group] for group in groups]
    powers = [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= samples]
    chances = {f"pass@{k}": [pass_at_k(samples, right, k) for right in counts] for k in powers}
    if not counts:
        return {"n": 0, "samples": samples, **dict.fromkeys(chances), "ci95": dict.fromkeys(chances)}
    rates = {name: sum(found) / len(counts) for name, found in chances.items()}
    intervals = {name: interval_of(found, judged) for name, found in chances.items()}
    return {"n": len(counts), "samples": samples, **rates, "ci95": intervals}


def _solved_by_group(batch: ScoredRollout) -> list[list[bool | None]]:
    """For each prompt in order, whether each of its answers is right."""
    solved: dict[int, list[bool | None]] = defaultdict(list)
    for group, score in zip(batch.rollout.group_B.tolist(), batch.scores, strict=True):
        solved[group].append(score.solved)
    return [solved[group] for group in sorted(solved)]


def _notes(task: Task, judged: int, count: int) -> list[str]:
    """What an examination says when a task does not judge every answer."""
    if judged == count:
        return []
    if judged == 0:
        return [f"task {task.name} does not say which answers solve their problem: mean reward, no accuracy"]
    return [
        f"task {task.name} says of {judged} of {count} answers whether they are right: accuracy is of those"
    ]


def _behaviours(task: Task, prompts: Sequence[Prompt], texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Share and interval of each behaviour among the completions of the problems that call for it."""
    seen: dict[str, list[tuple[bool, Prompt]]] = defaultdict(list)
    for prompt, text in zip(prompts, texts, strict=True):
        for name, present in behaviours_of(task, prompt, text).items():
            seen[name].append((present, prompt))
    return {name: _share(flags, "share") for name, flags in seen.items()}


def _share(flags: Sequence[tuple[bool, Prompt]], name: str) -> dict[str, Any]:
    hits, prompts = [float(hit) for hit, _ in flags], [prompt for _, prompt in flags]
    return {"n": len(hits), name: sum(hits) / len(hits), "ci95": interval_of(hits, prompts)}


def _shares(names: Sequence[str]) -> dict[str, float]:
    return {name: names.count(name) / len(names) for name in sorted(set(names))}


def _slices(prompts: Sequence[Prompt], right: Sequence[bool]) -> dict[str, dict[str, Any]]:
    """Accuracy by the prompts' own labels (family, kind, level, ask)."""
    found: dict[str, list[tuple[bool, Prompt]]] = defaultdict(list)
    for prompt, correct in zip(prompts, right, strict=True):
        for label in LABELS:
            if label in prompt.data:
                found[f"{label}={prompt.data[label]}"].append((correct, prompt))
    return {name: _share(flags, "accuracy") for name, flags in sorted(found.items())}
