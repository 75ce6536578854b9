"""A user's own class as a task: `FILE.py:Class` or `module:Class`."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from practicum import loading
from practicum.config import load, nearest
from practicum.errors import InputError
from practicum.loading import load_file, load_module, named, see_first
from practicum.types import Prompt, Score

Result = TypeVar("Result")
NEEDED = ("prompts", "score")


class PythonTask:
    """A user's object as a `Task`: prompts may be plain texts, scores plain numbers or true and false.

    Whatever else the object can do (`demonstrations`, `reply`, ...) can be asked of this one. Errors of the
    user's code are InputErrors that name its file and line.
    """

    def __init__(self, own: Any, spec: str) -> None:
        self.own, self.spec = own, spec
        self.name = str(getattr(own, "name", spec.rpartition(":")[2]))

    def __getattr__(self, name: str) -> Any:
        if name in ("own", "spec") or name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self.own, name)
        return value if not callable(value) else lambda *given: calling(self.spec, value, *given)

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """The object's prompts; InputError where they are not `count` prompts or texts."""
        found = calling(self.spec, self.own.prompts, split, count, seed)
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise InputError(f"{self.spec}: prompts: expected a list, got {type(found).__name__}")
        prompts = [Prompt(one) if isinstance(one, str) else one for one in found]
        if len(prompts) != count and not (split != "train" and 0 < len(prompts) < count):
            raise InputError(f"{self.spec}: prompts: asked for {count} of {split}, got {len(prompts)}")
        for one in prompts:
            if not isinstance(one, Prompt):
                raise InputError(f"{self.spec}: prompts: expected Prompt or a text, got {one!r:.60}")
        return prompts

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The object's scores; true and false say whether an answer solves its problem."""
        found = calling(self.spec, self.own.score, prompts, texts)
        if not isinstance(found, Sequence) or len(found) != len(texts):
            count = len(found) if isinstance(found, Sequence) else type(found).__name__
            raise InputError(f"{self.spec}: score: expected {len(texts)} scores, one a text, got {count}")
        return [Score(float(one), solved=one) if isinstance(one, bool) else _scored(one) for one in found]


def _scored(value: Any) -> Score:
    """A number as a score; anything that is neither is named where scores are checked."""
    return Score(value) if isinstance(value, (int, float)) else value


def load_python_task(spec: str, settings: Mapping[str, str]) -> PythonTask:
    """The task of `FILE.py:Class` or `module:Class`.

    A class with a `Config` dataclass is made with one, of the `settings`, typed; any other without arguments.
    Raises InputError for a file or class that is not there or fails, and for settings that it does not have.
    """
    module, name = imported(spec)
    made = found_in(module, name)
    if not callable(made):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise InputError(f"{spec}: no class {name!r} there{nearest(name, classes)}")
    config = config_of(made, module)
    if config is None:
        if settings:
            raise InputError(
                f"task.settings.{next(iter(settings))}: {spec} has no settings; they come from a dataclass "
                "Config in the class"
            )
        own = calling(spec, made)
    else:
        words = [f"--{key}={value}" for key, value in settings.items()]
        try:
            given = load(config, None, words)
        except InputError as error:
            raise InputError(f"task.settings of {spec}: {error}") from error
        own = calling(spec, made, given)
    missing = [method for method in NEEDED if not callable(getattr(own, method, None))]
    if missing:
        raise InputError(f"{spec}: a task needs the method {missing[0]} (docs/tasks.md says what it gets)")
    return PythonTask(own, spec)


def config_of(made: Any, module: ModuleType) -> type[Any] | None:
    """The dataclass of a class's settings: its own `Config`, or its module's where it takes an argument."""
    own = getattr(made, "Config", None)
    if own is None and _takes_argument(made):
        own = getattr(module, "Config", None)
    return own if dataclasses.is_dataclass(own) and isinstance(own, type) else None


def _takes_argument(made: Any) -> bool:
    try:
        return bool(inspect.signature(made).parameters)
    except (TypeError, ValueError):
        return False


def imported(spec: str) -> tuple[ModuleType, str]:
    """The module of `FILE.py:name` or `module:name`, and the name. InputError tells file and line."""
    place, _, name = spec.rpartition(":")
    if not place.endswith(".py"):
        return calling(place, load_module, place), name
    if not Path(place).is_file():
        raise InputError(f"{place}: no such file")
    return calling(place, load_file, Path(place)), name


def found_in(module: ModuleType, name: str) -> Any:
    """What a module holds under a name, which may have dots; None without it."""
    try:
        return named(module, name)
    except AttributeError:
        return None


def file_of(spec: str) -> Path | None:
    """The file behind `FILE.py:Class` or `module:Class`, None where there is none."""
    place = spec.rpartition(":")[0]
    if place.endswith(".py"):
        return Path(place)
    see_first(Path.cwd())
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        return None
    return Path(found.origin) if found is not None and found.has_location and found.origin else None


def digest_of(spec: str) -> str:
    """The beginning of the SHA-256 of a task's file; empty where there is no file."""
    path = file_of(spec)
    if path is None or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def calling(spec: str, function: Callable[..., Result], *given: Any) -> Result:
    """Call a user's code; what it raises becomes one line with the place where it was raised."""
    try:
        return function(*given)
    except InputError:
        raise
    # A user's code raises whatever it likes; all of it is told in one way.
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{_place(error, spec)}: {type(error).__name__}: {said:.200}") from error


def _place(error: BaseException, spec: str) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, loading.__file__) and not frame.filename.startswith("<frozen")
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno} ({spec})" if frames else spec
