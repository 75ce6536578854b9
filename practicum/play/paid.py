"""How an answer is paid, in the words that a person reads: value, reason, and every named part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from practicum.rollout.scores import checked_scores
from practicum.tasks.task import Task, behaviours_of
from practicum.types import Prompt, Reward, Score


def judge(task: Task, reward: Reward, prompt: Prompt, turns: Sequence[str]) -> dict[str, Any]:
    """What the reward says of the last of the policy's turns; `turns` are the policy's and the task's."""
    if len(turns) > 1:
        prompt = replace(prompt, data={**prompt.data, "turns": list(turns)})
    scores = reward.score([prompt], [turns[-1]])
    score: Score = checked_scores(reward.name, [prompt], [turns[-1]], scores)[0]
    shown = [name for name, present in behaviours_of(task, prompt, turns[-1]).items() if present]
    return {
        "reward": score.value,
        "solved": score.solved,
        "outcome": score.outcome,
        "reason": score.reason,
        "parts": dict(score.parts),
        "behaviours": shown,
    }


def told(paid: dict[str, Any]) -> list[str]:
    """The lines that tell a person what `judge` found."""
    said = ": ".join(filter(None, [paid["outcome"], paid["reason"]]))
    lines = [f"=> paid {paid['reward']:g}" + (f", {said}" if said else "")]
    if paid["solved"] is not None and not said:
        lines[0] += f", {'solved' if paid['solved'] else 'not solved'}"
    parts = {name: value for name, value in paid["parts"].items() if value or not name.startswith("failed/")}
    if parts:
        lines.append("   parts: " + ", ".join(f"{name} {value:g}" for name, value in parts.items()))
    if paid["behaviours"]:
        lines.append("   shows: " + ", ".join(name.replace("_", " ") for name in paid["behaviours"]))
    return lines
