"""From words to members: the recipes of a comparison as complete configs of rl and dpo, at one budget.

What the plan says is kept in the comparison's folder, so that runs which begin later, or after a file was
edited, have the settings of the first:

    DIR/plan.json              the members, the budget, what a reader must know
    DIR/examination.toml       the examination, the same for all
    DIR/NAME/recipe.toml       a member's complete settings; runs differ from it by their seed alone
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from practicum.compare.arguments import COMMANDS, DECIDED, grouped, knows
from practicum.compare.config import CompareConfig
from practicum.config import flatten, load, nearest, parse_toml, read_toml, to_toml
from practicum.config.classes import fields_of
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json, writing
from practicum.model.sampling import DecodingSettings
from practicum.reward.config import FunctionsConfig
from practicum.starters import packaged
from practicum.tasks.registry import stamped
from practicum.training.algorithms import ALGORITHMS
from practicum.training.dpo import DpoConfig
from practicum.training.evaluate import EvalConfig
from practicum.training.preference_losses import LOSSES
from practicum.training.rl import RlConfig

ALL, OFFLINE = "all", "offline"
START = "start"
"""The name of the model that all begin with, which is examined too."""
DAMAGED = "begin again with another --run"


@dataclass(frozen=True)
class Member:
    """One recipe: the command that runs it, its algorithm or loss, and its complete settings.

    completions: those that a run samples, 0 where it learns from preferences that are there. word: how the
    recipe was given. steps: updates of a run, in practice iterations.
    """

    name: str
    command: str
    method: str
    config: Any
    completions: int = 0
    word: str = ""

    @property
    def steps(self) -> int:
        """Iterations or updates of a run."""
        return int(self.config.loop.steps)


@dataclass(frozen=True)
class Plan:
    """The members, the examination, the budget (0 where nobody samples) and what a reader must know."""

    members: Sequence[Member]
    examination: EvalConfig
    samples: int
    notes: Sequence[str]


# ------------------------------------------------------------------------------------------ words to members


@dataclass(frozen=True)
class Source:
    """What a word names as a recipe: a file, or nothing but an algorithm or loss."""

    name: str
    command: str
    path: Path | None
    flags: tuple[str, ...]
    word: str


def make_plan(config: CompareConfig, threads: int, begun: Sequence[Member] = ()) -> Plan:
    """The plan of a comparison, nothing written; members that have `begun` stay as they are.

    Raises InputError naming the recipe that does not fit.
    """
    groups = grouped(config.settings)
    given, notes = expanded(config.recipes)
    kept = {word_of(member, given): member for member in begun}
    words = [*kept, *(word for word in given if word not in kept)]
    new = {word: source_of(word) for word in words if word not in kept}
    names = [(kept.get(word) or new[word]).name for word in words]
    check_names(names)
    check_against(config.against, names)
    commands = {(kept.get(word) or new[word]).command for word in words}
    notes += check_settings(groups, commands)
    members = [kept.get(word) or member_of(new[word], config, groups, threads) for word in words]
    online = [member for member in members if member.command == "rl"]
    check_one_task(online)
    notes += [note for source in new.values() for note in left_out_of(source, config)]
    samples, members, told = at_one_budget(members, config.samples)
    examination, examined = examination_of(config, online, groups, threads)
    return Plan(members, examination, samples, [*notes, *told, *offline_notes(members), *examined])


def word_of(member: Member, given: Sequence[str]) -> str:
    """How a member was given; plans of earlier versions do not say so, and there it is what has its name."""
    called = (word for word in given if (file_of(word) or Path(word)).stem == member.name)
    return member.word or next(called, member.name)


def grown(plan: Plan, config: CompareConfig, threads: int) -> Plan:
    """The plan with the recipes that `config` adds, at the same budget; the plan itself where it adds none.

    Raises InputError for a recipe that does not fit, or that would be examined otherwise.
    """
    if len(expanded(config.recipes)[0]) <= len(plan.members):
        check_against(config.against, [member.name for member in plan.members])
        return plan
    found = make_plan(replace(config, samples=plan.samples or config.samples), threads, plan.members)
    asked, before = (
        flatten(parse_toml(to_toml(replace(one.examination, threads=0)), "an examination"))
        for one in (found, plan)
    )
    for key in before | asked:
        if before.get(key) != asked.get(key):
            raise InputError(
                f"recipes: with those that are added the examination would have {key} = {asked.get(key)!r}, "
                f"and runs were examined with {before.get(key)!r}: choose another --run"
            )
    notes = [*plan.notes, *(note for note in found.notes if note not in plan.notes)]
    return replace(found, examination=plan.examination, notes=notes)


def expanded(recipes: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names that `all` and `offline` stand for in their places, and what is left out of them."""
    names: list[str] = []
    notes: list[str] = []
    for word in recipes:
        if word == ALL:
            needy = [name for name, one in ALGORITHMS.items() if "teacher" in one.needs]
            names += [name for name in ALGORITHMS if name not in needy]
            notes += [
                f"{name} is left out of `all`: it needs a teacher, which a recipe names (reference)"
                for name in needy
            ]
        else:
            names += LOSSES if word == OFFLINE else [word]
    return list(dict.fromkeys(names)), notes


def source_of(word: str) -> Source:
    """What a word names. Raises InputError for what is no file, algorithm, loss or packaged recipe."""
    path = file_of(word)
    if path is not None:
        return Source(path.stem, command_of(path), path, (), word)
    if word in ALGORITHMS:
        return Source(word, "rl", None, (f"--algorithm={word}",), word)
    return Source(word, "dpo", None, (f"--loss={word}",), word)


def file_of(word: str) -> Path | None:
    """The file that a word names, which need not be there; none where it is an algorithm or loss."""
    if word in ALGORITHMS or word in LOSSES:
        return None
    return Path(word) if Path(word).suffix == ".toml" else packaged_recipe(word)


def packaged_recipe(word: str) -> Path:
    """The file of a packaged recipe: FOLDER/FILE without its ending, or FOLDER where it has one file."""
    folder = packaged("recipes")
    files = {file.relative_to(folder).with_suffix("").as_posix(): file for file in folder.glob("*/*.toml")}
    inside = [file for file in files.values() if file.parent.name == word]
    if word in files:
        return files[word]
    if len(inside) == 1:
        return inside[0]
    if inside:
        several = ", ".join(name for name, file in files.items() if file in inside)
        raise InputError(f"recipes: {word} has several: name one of {several}")
    known = [*ALGORITHMS, *LOSSES, *files, ALL, OFFLINE]
    raise InputError(
        f"recipes: there is no {word!r}{nearest(word, known) or ';'} give a TOML file, a name of `practicum "
        "algorithms`, or a packaged recipe"
    )


def command_of(path: Path) -> str:
    """The command that a recipe is for: dpo where it sets what dpo alone has, else rl."""
    only = set(fields_of(DpoConfig)) - set(fields_of(RlConfig))
    return "dpo" if only & set(read_toml(path)) else "rl"


def check_names(names: Sequence[str]) -> None:
    """Raise InputError for names that are no folders of their own."""
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(
                f"recipes: two are called {name}, after which their folders are named: rename a file"
            )
        if not re.fullmatch(r"[A-Za-z0-9][\w+-]*(\.[\w+-]+)*", name) or name == START:
            raise InputError(
                f"recipes: {name}.toml is to name a folder: rename the file, with letters, digits, - and _"
            )


def check_against(against: str, names: Sequence[str]) -> None:
    """Raise InputError where what the others are tested against is none of them."""
    if against and against not in names:
        raise InputError(
            f"against: no recipe is called {against!r}{nearest(against, names) or ';'} there are "
            f"{', '.join(names)}"
        )


def check_settings(groups: Sequence[Sequence[str]], commands: set[str]) -> list[str]:
    """What is to be said of settings that only a part of the members have; InputError for nobody's."""
    notes = []
    for flag, *_ in groups:
        having = {name for name in commands if knows(COMMANDS[name], flag)}
        name = flag.partition("=")[0]
        if not having and not _of_examination(flag):
            missing = " and ".join(sorted(commands))
            raise InputError(f"{name} is no setting of {missing}, which all recipes here are of: drop it")
        if having and having < commands:
            rest = " and ".join(sorted(commands - having))
            notes.append(f"{name} is a setting of {' and '.join(having)} only: recipes of {rest} have none")
    return notes


def member_of(source: Source, config: CompareConfig, groups: Sequence[Sequence[str]], threads: int) -> Member:
    """A recipe's complete settings, with the first seed. Raises InputError that names the recipe."""
    config_class = COMMANDS[source.command]
    flags = [word for group in groups if knows(config_class, group[0]) for word in group]
    try:
        loaded = load(config_class, source.path, [f"--model={config.model}", *source.flags, *flags])
    except InputError as error:
        raise InputError(f"recipe {source.name}: {error}") from error
    loop = replace(loaded.loop, threads=loaded.loop.threads or threads)
    decided = {"seed": config.seeds[0], "loop": loop}
    if source.command == "dpo":
        return Member(source.name, "dpo", loaded.loss, replace(loaded, **decided), word=source.word)
    # A task of the user's own whose file is edited midway would be another task for the runs that follow.
    own = replace(loaded, task=stamped(loaded.task), **decided)
    return Member(source.name, "rl", loaded.algorithm, own, word=source.word)


def left_out_of(source: Source, config: CompareConfig) -> list[str]:
    """What is to be said of what a file sets and the comparison decides on."""
    if source.path is None:
        return []
    table = read_toml(source.path)
    notes = []
    if "seed" in table:
        notes.append(f"{source.name} sets seed {table['seed']}: the comparison runs its own (--seeds)")
    if table.get("model", str(config.model)) != str(config.model):
        notes.append(f"{source.name} names the model {table['model']}: all begin with {config.model}")
    if "guard.fuzz" in flatten(table):
        notes.append(f"{source.name} sets guard.fuzz: {DECIDED['guard.fuzz']}")
    return notes


# ------------------------------------------------------------------------------------------- one task, budget


def check_one_task(online: Sequence[Member]) -> None:
    """Raise InputError where recipes practise on different tasks or rows."""
    for other in online[1:]:
        for part in ("task", "data"):
            one, two = (
                flatten(parse_toml(to_toml(getattr(member.config, part)), part))
                for member in (online[0], other)
            )
            for key in one | two:
                if one.get(key) != two.get(key):
                    raise InputError(
                        f"recipes {online[0].name} and {other.name} are on different tasks ({part}.{key} "
                        f"{one.get(key)!r} and {two.get(key)!r}): compare on one, as with --task NAME"
                    )


def at_one_budget(members: Sequence[Member], wanted: int) -> tuple[int, list[Member], list[str]]:
    """(budget, members with the steps that meet it, what is to be said of it)."""
    first = next((member for member in members if member.command == "rl"), None)
    if first is None:
        if wanted:
            raise InputError("samples: no recipe here samples, all learn from preferences: drop --samples")
        return 0, list(members), []
    samples = wanted or first.steps * _per_step(first)
    notes = [] if wanted else [f"the budget is that of {first.name}: {samples:,} completions (--samples)"]
    planned = []
    for member in members:
        if member.command == "rl" and not member.completions:
            member, told = _within(member, samples)
            notes += told
        planned.append(member)
    return samples, planned, notes


def _per_step(member: Member) -> int:
    return int(member.config.prompts_per_step * member.config.group_size)


def _within(member: Member, samples: int) -> tuple[Member, list[str]]:
    """The member with the steps that fit into the budget, and what it cannot meet."""
    per_step, config = _per_step(member), member.config
    steps = samples // per_step
    if not steps:
        raise InputError(
            f"samples is {samples}, and one iteration of {member.name} samples {per_step}: give more "
            "--samples, or fewer --prompts_per_step"
        )
    notes = []
    if config.loop.steps not in (steps, RlConfig(config.model).loop.steps):
        notes.append(
            f"{member.name} is set to {config.loop.steps} iterations (loop.steps): the budget of {samples:,} "
            f"completions makes it {steps}"
        )
    config = replace(config, loop=replace(config.loop, steps=steps))
    if steps * per_step < samples:
        notes.append(
            f"{member.name} samples {per_step} an iteration, which does not divide {samples:,}: it makes "
            f"{steps} iterations, {steps * per_step:,} completions ({steps * per_step / samples:.1%})"
        )
    algorithm = ALGORITHMS[config.algorithm]
    if algorithm.most_rounds(algorithm.settings(config)) > 1:
        section = algorithm.section or algorithm.name
        if limit := algorithm.most_completions(algorithm.settings(config)):
            notes.append(f"{member.name} sets most_completions {limit:,}: it ends at the budget instead")
        limited = replace(getattr(config, section), most_completions=samples)
        config = replace(config, **{section: limited})
        notes.append(
            f"{member.name} samples again within an iteration, so it makes fewer iterations for its "
            f"{samples:,} completions, and its learning rate, which falls over {steps}, ends higher"
        )
    return replace(member, config=config, completions=steps * per_step), notes


def offline_notes(members: Sequence[Member]) -> list[str]:
    """What is to be said where recipes learn from preferences, and of how much each of them reads."""
    offline = [member for member in members if member.command == "dpo"]
    notes = []
    if offline and len(offline) < len(members):
        notes.append(
            f"{', '.join(member.name for member in offline)} sample nothing and read pairs that are there: "
            "beside practice they compare by the examination and by time, not by completions"
        )
    read = {member.name: answers_read(member) for member in offline}
    if len(set(read.values())) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in read.items())
        notes.append(f"losses read different numbers of answers in their steps: {told}")
    return notes


def answers_read(member: Member) -> int:
    """Answers that a run of dpo learns from: two a pair, one a label."""
    each = 1 if LOSSES[member.method].unpaired else 2
    return int(member.steps * member.config.batch_pairs * each)


# ------------------------------------------------------------------------------------------- the examination


def examination_of(
    config: CompareConfig, online: Sequence[Member], groups: Sequence[Sequence[str]], threads: int
) -> tuple[EvalConfig, list[str]]:
    """The examination of every run, and what is to be said of it."""
    if online:
        base = online[0].config
    else:
        flags = [word for group in groups if _of_examination(group[0]) for word in group]
        base = load(RlConfig, None, [f"--model={config.model}", *flags])
        base = replace(base, task=stamped(base.task))
    practised = [member.config for member in online] or [base]
    notes = []
    lengths = {one.sampling.max_new_tokens for one in practised}
    if len(lengths) > 1:
        notes.append(
            f"recipes answer in at most {_words(lengths)} tokens; all are examined in {max(lengths)}"
        )
    reward = FunctionsConfig()
    if any(one.reward.functions for one in practised):
        if len({to_json(asdict(one.reward)) for one in practised}) == 1:
            reward = judged_by(base)
        else:
            notes.append("recipes are paid by different functions: the task alone judges the examination")
    decoding = {one.name: getattr(base.sampling, one.name) for one in fields(DecodingSettings)}
    asked = {one.name: getattr(config.examination, one.name) for one in fields(config.examination)}
    return EvalConfig(
        model=config.model,
        task=base.task,
        data=base.data,
        reward=reward,
        sampling=DecodingSettings(**{**decoding, "max_new_tokens": max(lengths)}),
        threads=base.loop.threads or threads,
        device=base.device,
        **asked,
    ), notes


def judged_by(config: RlConfig) -> FunctionsConfig:
    """The functions that pay in practice, for an examination."""
    given = {one.name: getattr(config.reward, one.name) for one in fields(FunctionsConfig)}
    weights = {name: value for name, value in config.reward.weights.items() if name != "reward_model"}
    return FunctionsConfig(**{**given, "weights": weights})


def _of_examination(flag: str) -> bool:
    """Whether a setting says what the examination asks, where no recipe of practice does."""
    name = flag[2:].partition("=")[0].replace("-", "_")
    asks = ("task", "sampling.max_new_tokens", "sampling.slots", "sampling.dtype", "device")
    return name in asks or name.startswith("task.")


def _words(values: set[int]) -> str:
    return " or ".join(map(str, sorted(values)))


# ------------------------------------------------------------------------------------------------ the folder


def write_plan(plan: Plan, folder: Path) -> None:
    """Keep the plan in the comparison's folder; plan.json comes last and says that it is whole."""
    with writing(folder):
        for member in plan.members:
            (folder / member.name).mkdir(parents=True, exist_ok=True)
            atomic_write(folder / member.name / "recipe.toml", to_toml(member.config))
        atomic_write(folder / "examination.toml", to_toml(plan.examination))
        rows = [
            {name: getattr(one, name) for name in ("name", "command", "method", "completions", "word")}
            for one in plan.members
        ]
        record = {"samples": plan.samples, "notes": list(plan.notes), "members": rows}
        atomic_write(folder / "plan.json", to_json(record, indent=2) + "\n")


def read_plan(folder: Path) -> Plan:
    """The plan that a folder keeps. Raises InputError naming the file that is missing or damaged."""
    record = read_json(folder / "plan.json", DAMAGED)
    members = [read_member(folder, row) for row in record["members"]]
    examination = load(EvalConfig, folder / "examination.toml")
    return Plan(members, examination, record["samples"], record["notes"])


def read_member(folder: Path, row: Mapping[str, Any]) -> Member:
    """A member with its settings."""
    config = load(COMMANDS[row["command"]], folder / row["name"] / "recipe.toml")
    return Member(row["name"], row["command"], row["method"], config, row["completions"], row.get("word", ""))


def changes_of(member: Member) -> dict[str, Any]:
    """The settings of a member that differ from the defaults of its command, by dotted key."""
    default = COMMANDS[member.command](model=member.config.model)
    mine, plain = (flatten(parse_toml(to_toml(one), "a config")) for one in (member.config, default))
    idle = ("seed", "loop.threads", "loop.steps", "dapo.most_completions")
    return {key: value for key, value in mine.items() if value != plain.get(key) and key not in idle}
