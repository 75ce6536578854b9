"""The command line that every study has: settings as flags, one line for bad input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from practicum.config import asked_help, help_text, load
from practicum.errors import InputError
from practicum.files import to_json

Config = TypeVar("Config")


def run_main(
    config_class: type[Config],
    module: str,
    description: str | None,
    work: Callable[[Config], Any],
    arguments: Sequence[str],
) -> int:
    """Read the arguments of `python -m MODULE` and do the work: 0 done, 2 bad input.

    The first paragraph of `description` heads the help.
    """
    flags, asked = asked_help(arguments)
    if asked:
        summary = (description or "").strip().partition("\n\n")[0]
        print(help_text(config_class, f"python -m {module}", summary, everything=asked == "all"))
        return 0
    try:
        work(load(config_class, None, flags))
    except InputError as error:
        print(f"{module}: error: {error}", file=sys.stderr)
        return 2
    return 0


def settings_of(config: Any) -> dict[str, Any]:
    """The plain settings that are not as they come, without folders and threads: what repeats the study."""
    return {
        one.name: getattr(config, one.name)
        for one in fields(config)
        if isinstance(getattr(config, one.name), (int, float, str))
        and one.name != "threads"
        and getattr(config, one.name) != one.default
    }


def study_main(
    config_class: type[Config], module: str, study: Callable[[Config], Any]
) -> Callable[[Sequence[str]], int]:
    """The `main` of a study that prints its results as JSON; the config's docstring heads the help."""

    def main(arguments: Sequence[str]) -> int:
        def work(config: Config) -> None:
            print(to_json(study(config), 2))

        return run_main(config_class, module, config_class.__doc__, work, arguments)

    return main
