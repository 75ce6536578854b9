"""Settings as they are typed: `--section.field value`, and what an unknown name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from practicum.config.classes import HEADS, inner_of, is_table, leaves_of, names_of
from practicum.config.values import from_words
from practicum.errors import InputError
from practicum.hints import hint


def read_flags(config_class: type[Any], overrides: Sequence[str]) -> Iterator[tuple[list[str], Any]]:
    """(path of the field, typed value) of each flag, in order."""
    position = 0
    while position < len(overrides):
        argument = overrides[position]
        if not argument.startswith("--") or len(argument) < 3:
            raise InputError(f"unexpected argument {argument!r}: settings are written --key value")
        name, equals, text = argument[2:].partition("=")
        words = [text] if equals else []
        position += 1
        while not equals and position < len(overrides) and not overrides[position].startswith("--"):
            words.append(overrides[position])
            position += 1
        path, annotation, negated = found_setting(config_class, name)
        if negated:
            if words:
                raise InputError(f"--{name} takes no value, got {' '.join(words)!r}")
            words = ["false"]
        yield path, from_words(annotation, words, f"--{name}")


def joined_flags(config_class: type[Any], overrides: Sequence[str]) -> list[tuple[list[str], Any]]:
    """The flags in order; a list given in several flags (`--prompt A --prompt B`) is one list."""
    joined: list[tuple[list[str], Any]] = []
    leaves = leaves_of(config_class)
    for path, value in read_flags(config_class, overrides):
        earlier = next((index for index, (known, _) in enumerate(joined) if known == path), None)
        of_any_length = Ellipsis in get_args(inner_of(leaves.get(".".join(path))))
        if earlier is not None and of_any_length:
            joined[earlier] = path, joined[earlier][1] + value
        else:
            joined.append((path, value))
    return joined


def found_setting(config_class: type[Any], name: str) -> tuple[list[str], Any, bool]:
    """Path and annotation of the field behind a flag's name, and whether the flag was `--no-...`."""
    leaves = leaves_of(config_class)
    key = name.replace("-", "_")
    if key in leaves:
        return key.split("."), leaves[key], False
    section, _, last = key.rpartition(".")
    positive = f"{section}.{last[3:]}".lstrip(".")
    if last.startswith("no_") and leaves.get(positive) is bool:
        return positive.split("."), bool, True
    for leaf, annotation in leaves.items():
        if is_table(annotation) and key.startswith(f"{leaf}."):
            return [*leaf.split("."), name[len(leaf) + 1 :]], get_args(inner_of(annotation))[1], False
    if any(leaf.startswith(f"{key}.") for leaf in leaves):
        for head in HEADS:
            if f"{key}.{head}" in leaves:
                return [*key.split("."), head], leaves[f"{key}.{head}"], False
        raise InputError(f"--{name} is a section: set one of its fields, as --{name}.field value")
    raise InputError(f"unknown setting --{name}{advice_on(key, names_of(config_class), flags=True)}")


def advice_on(key: str, known: Sequence[str], *, flags: bool = False) -> str:
    """What to write in place of an unknown name: what another trainer's is called here, else the nearest."""
    return hint(key, known, flags=flags) or nearest(key, known, flags=flags)


def nearest(name: str, known: Sequence[str], *, flags: bool = False) -> str:
    """`; did you mean x?` for the closest of `known`, or an empty string.

    That is one that the name ends with (`seed` of `practice.seed`), else one with the same last part, else
    one that is close as a whole and in its last part, else one that is close in its last part alone.
    """
    last, ending = _last(name), [key for key in known if name.endswith(f".{key}")]
    same = difflib.get_close_matches(name, [key for key in known if _last(key) == last], n=1, cutoff=0.0)
    whole = [
        key
        for key in difflib.get_close_matches(name, known, n=5, cutoff=0.6)
        if difflib.SequenceMatcher(None, last, _last(key)).ratio() >= 0.6
    ]
    ends = {_last(key): key for key in known}
    alike = [ends[end] for end in difflib.get_close_matches(last, list(ends), n=1, cutoff=0.75)]
    close = [*ending, *same, *whole, *alike]
    return f"; did you mean {'--' if flags else ''}{close[0]}?" if close else ""


def _last(key: str) -> str:
    return key.rpartition(".")[2]
