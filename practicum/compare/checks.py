"""What would stop the runs of a comparison is found before anything is written.

Rows, functions, models and rankings are read as a run reads them, once for all recipes that read the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from practicum.compare.plan import Member, Plan
from practicum.data.rows import read_once
from practicum.errors import InputError
from practicum.reward.function import close
from practicum.run.folder import Run
from practicum.tasks.table import TableTask
from practicum.training import dpo, rl
from practicum.training.algorithms import ALGORITHMS
from practicum.training.evaluate import EvalConfig, subject_of
from practicum.training.preference_losses import LOSSES

READ_BY_PRACTICE = ("task", "data", "reward", "reward_model", "reward_format", "reference", "control",
                    "curriculum", "lora", "sampling", "guard", "measures_kl", "device")  # fmt: skip
READ_BY_PREFERENCES = ("preferences", "data", "project", "control", "reference", "held_out", "lora", "device")
"""The settings that say what a run reads before its first step."""


def checked(plan: Plan) -> Plan:
    """The plan, with a note where it is examined on what it learns from.

    Raises InputError that names the recipe whose runs could not begin, or says what cannot be examined.
    """
    learned: dict[str, set[str]] = {}
    for member in plan.members:
        refuse_read_once(member)
        key = what_it_reads(member)
        if key not in learned:
            try:
                learned[key] = learned_from(member)
            except InputError as error:
                raise InputError(f"recipe {member.name}: {error}") from error
    told = shared_with(plan.examination, set[str]().union(*learned.values()))
    return replace(plan, notes=list(dict.fromkeys([*plan.notes, *told])))


def refuse_read_once(member: Member) -> None:
    """Raises InputError for rows that this process alone could read: each run is a process of its own."""
    data = member.config.data
    named = {"data.file": data.file, "data.test": data.test}
    if member.command == "dpo":
        named |= {"preferences": next(filter(read_once, map(Path, member.config.preferences)), None)}
    for setting, path in named.items():
        if path is not None and read_once(path):
            raise InputError(
                f"recipe {member.name}: {setting} is standard input or a pipe, which can be read only once, "
                "and each run reads its rows: save them to a file"
            )


def what_it_reads(member: Member) -> str:
    """The same for members that read the same before their first step."""
    config = member.config
    if member.command == "dpo":
        kind = LOSSES[member.method].unpaired, LOSSES[member.method].reference
        return repr([getattr(config, name) for name in READ_BY_PREFERENCES] + [kind])
    needs = ALGORITHMS[member.method].needs - {"reference"}
    own = [config.ppo.critic, config.ppo.potential] if "values" in needs else []
    return repr([getattr(config, name) for name in READ_BY_PRACTICE] + [sorted(needs), own])


def learned_from(member: Member) -> set[str]:
    """The prompts of the rows that a member learns from; none where a task makes them."""
    if member.command == "dpo":
        said = dpo.read(member.config).said
        return {one.prompt.text for one in said.rankings} | {one.prompt.text for one in said.labels}
    parts = rl.build(replace(member.config, profile=False))
    try:
        if not isinstance(parts.task, TableTask):
            return set()
        return {record.prompt.text for record in parts.task.splits["train"]}
    finally:
        close(parts.reward)
        for observer in parts.observers:
            observer.conclude(Run(Path()))


def shared_with(examination: EvalConfig, learned: set[str]) -> list[str]:
    """What to say where the problems of the examination are among the prompts that runs learn from."""
    try:
        _, _, task, reward = subject_of(examination)
    except InputError as error:
        raise InputError(f"examination, the same for all: {error}") from error
    close(reward)
    prompts = task.prompts(examination.split, examination.count, examination.seed)
    asked = {prompt.text for prompt in prompts}
    shared = len(asked & learned)
    if not shared:
        return []
    return [
        f"{shared} of the {len(asked)} problems of the examination are among the rows that runs learn from, "
        "so it overstates what was learned: give rows of their own, as with --data.test_share 0.2"
    ]
