"""Write docs/cli.md from the commands' own help: `python -m studies.cli_page` (`make docs-cli`)."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

from practicum import cli
from practicum.files import atomic_write

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
COLUMNS = "100"
INTRODUCTION = """# Commands

Generated from the commands' own `--help all` by `make docs-cli`; do not edit. `--help` alone shows the
settings that most people change. Settings are written `--key value`, dotted for nested ones, `-` and `_`
alike; a misspelt one fails and names the nearest. What is given on the command line wins over
`--config FILE.toml`, that over `--size`, and that over the defaults shown here. Every number shows its range
beside its default; a value outside it, or one that is not finite, ends the command with one line before
anything is written. `none` is typed where no value is meant; a table's entries are set one by one
(`--reward.weights.NAME 0.5`); `--task jokes` is short for `--task.name jokes`. A run's folder holds its
complete `config.toml`: running the command again with that file repeats the run.

Exit codes: 0 done, 1 a wrong answer (`verify`) or a failed run (`compare`), 2 bad input, with one line
on stderr saying what to do, 3 the guard would stop (`audit`), 130 interrupted.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION, block(help_of(["--help"]))]
    for name in cli.COMMANDS:
        parts += [f"## `practicum {name}`\n", block(help_of([name, "--help", "all"]))]
        for word in cli.GROUPS.get(name, ()):
            parts += [f"### `practicum {name} {word}`\n", block(help_of([name, word, "--help", "all"]))]
    return "\n".join(parts)


def help_of(command: list[str]) -> str:
    """What a command prints, 100 columns wide."""
    printed = io.StringIO()
    with fixed_width(), contextlib.redirect_stdout(printed):
        cli.main(command)
    return printed.getvalue().strip("\n")


@contextlib.contextmanager
def fixed_width() -> Iterator[None]:
    """The same width in every terminal, without colours."""
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS=COLUMNS, NO_COLOR="1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def block(text: str) -> str:
    """A fenced block."""
    return f"```text\n{text}\n```\n"


if __name__ == "__main__":
    atomic_write(PAGE, page())
