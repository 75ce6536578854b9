"""The words after `practicum compare` as flags of its config: recipes, its own settings, settings for all.

A flag takes one word, so that recipes may follow it; one of a list takes all words up to the next flag, one
of a list of numbers those that are whole numbers, a switch none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_origin

from practicum.compare.config import CompareConfig
from practicum.config import nearest
from practicum.config.classes import inner_of, names_of
from practicum.config.flags import found_setting
from practicum.errors import InputError
from practicum.training.dpo import DpoConfig
from practicum.training.rl import RlConfig

COMMANDS: dict[str, type[Any]] = {"rl": RlConfig, "dpo": DpoConfig}
"""The commands that runs are made by, with their settings."""
COMMON_FLAGS = {"--run": 1, "--config": 1, "--branch": 1, "--resume": 0, "--json": 0,
                "--dry-run": 0, "--dry_run": 0, "--help": 0, "-h": 0}  # fmt: skip
"""Flags of every command, with the words that each takes."""
DECIDED = {
    "seed": "give --seeds, which every recipe runs with",
    "algorithm": "name algorithms as recipes: practicum compare grpo rloo ...",
    "loss": "name losses as recipes: practicum compare dpo ipo ...",
    "dapo.most_completions": "--samples decides it",
    "guard.fuzz": "it fuzzes no function: run practicum audit exploits once",
}
"""Settings of rl and dpo that a comparison decides on, and what to do instead."""


def translated(arguments: Sequence[str]) -> list[str]:
    """The same arguments as flags of CompareConfig alone; those of every command stay as they are.

    Raises InputError for a setting that neither compare nor rl nor dpo has.
    """
    found: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name == "--log":
            raise InputError("--log: a comparison has many runs and reports of none: drop it")
        if name in COMMON_FLAGS:
            count = 0 if equals else COMMON_FLAGS[name]
            found += [word, *words[:count]]
            words = words[count:]
        elif not word.startswith("--"):
            found.append(f"--recipes={word}")
        else:
            annotation, own = _annotation(name)
            values = [] if equals else words[: _arity(annotation, words)]
            words = words[len(values) :]
            given = [word, *values]
            if own and equals:
                found.append(word)
            elif own:
                # Without a word the flag stays alone, so that its lack of one is told.
                found += [f"{name}={value}" for value in values] if values and _is_list(annotation) else given
            else:
                found += [f"--settings={one}" for one in given]
    return found


def grouped(words: Sequence[str]) -> list[list[str]]:
    """Settings as they were typed, each flag with its words."""
    groups: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not groups:
            groups.append([])
        groups[-1].append(word)
    return groups


def knows(config_class: type[Any], flag: str) -> bool:
    """Whether a config class has the setting of a flag."""
    try:
        found_setting(config_class, flag[2:].partition("=")[0])
    except InputError:
        return False
    return True


def _annotation(flag: str) -> tuple[Any, bool]:
    """(annotation of a setting, whether it is compare's own). Raises InputError for one that nobody has."""
    name = flag[2:]
    if name.replace("-", "_") in DECIDED:
        raise InputError(f"{flag}: a comparison decides on it: {DECIDED[name.replace('-', '_')]}")
    if knows(CompareConfig, flag):
        return found_setting(CompareConfig, name)[1], True
    for config_class in COMMANDS.values():
        if knows(config_class, flag):
            return found_setting(config_class, name)[1], False
    classes: list[type[Any]] = [CompareConfig, *COMMANDS.values()]
    known = list(dict.fromkeys(key for one in classes for key in names_of(one)))
    raise InputError(f"unknown setting {flag}{nearest(name.replace('-', '_'), known, flags=True)}")


def _arity(annotation: Any, words: Sequence[str]) -> int:
    """How many of the following words belong to a flag."""
    inner = inner_of(annotation)
    flags = [place for place, word in enumerate(words) if word.startswith("--")]
    most = flags[0] if flags else len(words)
    if inner is bool:
        return int(most > 0 and words[0].lower() in ("true", "false"))
    if not _is_list(annotation):
        return min(1, most)
    if inner_of(get_args(inner)[0]) is int:
        # The first word is the flag's, whatever it is: one that is no number is told as such.
        return next((place for place in range(1, most) if not _is_whole(words[place])), most)
    return most


def _is_list(annotation: Any) -> bool:
    inner = inner_of(annotation)
    return get_origin(inner) is tuple and get_args(inner)[-1] is Ellipsis


def _is_whole(word: str) -> bool:
    return word.lstrip("+-").isdigit()
