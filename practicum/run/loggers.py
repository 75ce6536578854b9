"""Which loggers a run reports to besides its own metrics.jsonl, and what they know it by.

They are no setting of the run, since they change nothing in it: `--log` or `logging_to` names them, and
RUN/loggers.json remembers them for the next time. The adapters are in `practicum/loggers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path

from practicum.config import nearest
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json

LOGGERS = ("tensorboard", "trackio", "wandb", "mlflow")
"""Each is the name of a library, of the extra that installs it, and of its file in `practicum/loggers`."""
NONE = "none"
FILE = "loggers.json"

_chosen: ContextVar[tuple[str, ...] | None] = ContextVar("loggers", default=None)


def chosen_loggers(words: Sequence[str]) -> tuple[str, ...]:
    """The loggers that words name, commas between them or not; `none` names none.

    Raises InputError for a name that is unknown and for a library that is not installed.
    """
    names = list(dict.fromkeys(name for word in words for name in word.replace(",", " ").split()))
    if names == [NONE]:
        return ()
    if not names:
        raise InputError(f"--log needs a name after it: {', '.join(LOGGERS)} or {NONE}")
    known = f"choose {', '.join(LOGGERS)} or {NONE}"
    for name in names:
        if name == NONE:
            raise InputError(f"--log: {NONE} stands alone: {known}")
        if name not in LOGGERS:
            raise InputError(f"--log: unknown logger {name!r}{nearest(name, LOGGERS) or ';'} {known}")
        if find_spec(name) is None:
            raise InputError(
                f"--log {name} needs {name}, which is not installed: pip install 'practicum[{name}]'"
            )
    return tuple(names)


@contextmanager
def logging_to(names: Sequence[str] | None) -> Iterator[None]:
    """Have every run that goes on within report to these loggers; None: to those it reported to before."""
    token = _chosen.set(None if names is None else tuple(names))
    try:
        yield
    finally:
        _chosen.reset(token)


def loggers_of(folder: Path) -> dict[str, str]:
    """The loggers that a run reports to, each with what it knows the run by, empty where it does not yet."""
    known = remembered_loggers(folder)
    names = _chosen.get()
    return known if names is None else {name: known.get(name, "") for name in names}


def remembered_loggers(folder: Path) -> dict[str, str]:
    """The same as RUN/loggers.json has it. Raises InputError for a file that says something else."""
    path = folder / FILE
    if not path.exists():
        return {}
    found = read_json(path, "remove it, and name the loggers with --log")
    if not isinstance(found, dict) or not all(name in LOGGERS for name in found):
        raise InputError(f"{path}: expected an object of loggers: remove it, and name them with --log")
    return {name: str(key) for name, key in found.items()}


def remember_loggers(folder: Path, loggers: Mapping[str, str]) -> None:
    """Write RUN/loggers.json where it would change."""
    if dict(loggers) != remembered_loggers(folder):
        atomic_write(folder / FILE, to_json(dict(loggers)) + "\n")
