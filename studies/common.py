"""What all studies share: the command line, the note of where a study began, its results.json, and files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from practicum.config import asked_help, flatten, help_text, load, parse_toml, to_toml
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json
from practicum.run.environment import environment
from studies.judged import CHANGES

Config = TypeVar("Config")
ORIGIN = ("machine", "date", "commit", "dirty")
"""What says where and when something was measured; `continued_at` too, where that was at several commits."""

# ------------------------------------------------------------------------------------------ the command line


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


def study_main(
    config_class: type[Config], module: str, study: Callable[[Config], Any]
) -> Callable[[Sequence[str]], int]:
    """The `main` of a study that prints its results as JSON; the config's docstring heads the help."""

    def main(arguments: Sequence[str]) -> int:
        def work(config: Config) -> None:
            print(to_json(study(config), 2))

        return run_main(config_class, module, config_class.__doc__, work, arguments)

    return main


# --------------------------------------------------------------------------------------- a study's own record


def note_machine(run: Path, study: str, *, anew: bool = False) -> None:
    """Write RUN/environment.json when the study begins; where it goes on at another commit, note that in it.

    A folder of an earlier version has no such file: its oldest run says when and at which commit it began.
    `anew` is for a study that measures everything again each time.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / "environment.json"
    now = environment(f"studies.{study}", None)
    if path.exists() and not anew:
        begun = read(path)
        later = begun.get("resumed", [])
        if now["commit"] not in {one.get("commit") for one in (begun, *later)}:
            write(path, {**begun, "resumed": [*later, now]})
        return
    older = [] if anew else [read(one) for one in run.glob("*/**/environment.json")]
    first = min(older, key=lambda one: str(one["started"]), default=now)
    write(path, {**now, **first, "command": now["command"]})


def record(config: Any, study: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Write RUN/results.json and return it: the study's name, settings and origin, and what it found.

    The origin (command, machine, date, commit) is that of the study's beginning. Commits at which it went on
    are named besides, and it is `dirty` if any of them is.
    """
    origin = {
        "study": study,
        "command": command_of(config, study),
        **origin_of(read(config.run / "environment.json")),
        "config": parse_toml(to_toml(config), study),
    }
    path: Path = config.run / "results.json"
    write(path, {**origin, **results})
    return read(path)


def origin_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Machine, date, commit, later commits and `dirty` from what an environment.json holds.

    Raises InputError when no machine was written down, neither at the beginning nor on resuming.
    """
    machines = [one["machine"] for one in (found, *found.get("resumed", [])) if "machine" in one]
    if not machines:
        raise InputError("environment.json does not say on what machine it ran; run it again")
    noted = [str(one["commit"] or "unknown") for one in (found, *found.get("resumed", [])) if "commit" in one]
    commit, *later = dict.fromkeys(one.removesuffix(CHANGES) for one in noted)
    return {
        "machine": machines[0],
        "date": found["started"][:10],
        "commit": commit,
        "dirty": any(one.endswith(CHANGES) for one in noted),
        **({"continued_at": later} if later else {}),
    }


def command_of(config: Any, study: str) -> str:
    """The command that repeats a study: what it must be told, and the settings that are not the defaults.

    Threads are left out. A folder outside the working directory is FOLDER.
    """
    words = [f"python -m studies.{study}"]
    words += [
        f"--{one.name} {_folder(getattr(config, one.name))}" for one in required(config) if one.name != "run"
    ]
    words += [f"--{name} {_words(value)}" for name, value in settings_of(config).items()]
    return " ".join([*words, f"--run runs/{study}"])


def settings_of(config: Any) -> dict[str, Any]:
    """The settings that differ from the defaults, dotted, without folders and threads."""
    plain = type(config)(**{one.name: getattr(config, one.name) for one in required(config)})
    given, default = (flatten(parse_toml(to_toml(one), "")) for one in (config, plain))
    folders = {one.name for one in fields(config) if isinstance(getattr(config, one.name), Path)}
    return {
        name: value
        for name, value in given.items()
        if value != default.get(name) and name not in folders and name.rpartition(".")[2] != "threads"
    }


def required(config: Any) -> list[Any]:
    """The fields of a config without a default."""
    return [one for one in fields(config) if one.default is MISSING and one.default_factory is MISSING]


def _folder(path: Path) -> str:
    return "FOLDER" if path.is_absolute() or ".." in path.parts else str(path)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


# ---------------------------------------------------------------------------------------------------- files


def finished(folder: Path, train: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The summary of a run: made, or continued, unless it is there."""
    done = folder / "summary.json"
    if not done.exists():
        train(folder, resume=(folder / "config.toml").exists())
    return read(done)


def write(path: Path, value: Any) -> None:
    """A JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, to_json(value, indent=2) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A JSON object; InputError naming the file when it is missing."""
    if not path.exists():
        raise InputError(f"{path}: missing; run the study to its end first")
    value: dict[str, Any] = read_json(path, "run the study again")
    return value


def say(line: str) -> None:
    """Progress, on stderr."""
    print(f"study: {line}", file=sys.stderr, flush=True)
