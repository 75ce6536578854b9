"""Settings of reward functions, and the names of the functions that they list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from practicum.errors import InputError
from practicum.ranges import Common, FiniteFloat, NonNegativeInt, PositiveFloat, Range, Ranged, Share

READY = ("exact_match", "format", "json_schema", "length", "llm_judge", "math", "python_tests")
"""Ready-made functions; `practicum/reward/ready.py` has them."""
PARTS = ("reward_model", "task", "length")
TAKEN = (*PARTS, "disagreement", "true", "failed")
"""Parts that a function may not be called like, as those ready-made; its file's name is put before it."""


@dataclass(frozen=True)
class JudgeConfig(Ranged, section="reward.judge"):
    """The language model that llm_judge asks, at any address that speaks OpenAI's chat completions."""

    url: str = ""
    """Address, to which /chat/completions is added; llm_judge needs it."""
    name: str = "default"
    """What the model is called there."""
    key: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; none is sent where it is not set."""
    instructions: str = ""
    """What to grade, in words for the judge; empty: how well the answer does what the request asks."""
    highest: Annotated[int, Range(at_least=1, at_most=1000)] = 10
    """Highest grade, paid 1; the lowest is 0."""
    timeout: PositiveFloat = 60.0
    """Seconds that one attempt may take."""
    retries: NonNegativeInt = 3
    """Attempts after the first, where the address fails or the grade is not in the form asked for."""
    max_tokens: Annotated[int, Range(at_least=1)] = 512
    """Longest reply of the judge, in tokens."""


@dataclass(frozen=True)
class FunctionsConfig(Ranged, section="reward"):
    """Functions that pay, each in worker processes of its own."""

    weights: Mapping[str, FiniteFloat] = field(default_factory=dict)
    """Weights of the functions by name, 1 where none is given, and of task (the task's own score)."""
    functions: Common[tuple[str, ...]] = ()
    """Functions, FILE.py:NAME. Also package.module:NAME or one that is ready-made: exact_match, format:REGEX,
    length, json_schema:FILE, math, python_tests, llm_judge. Several are added up."""
    on_error: FiniteFloat | None = 0.0
    """What a function's part is for a sample on which it failed; none leaves the part out."""
    time_limit: PositiveFloat = 10.0
    """Seconds that one call may take before its process is killed."""
    max_failures: Share = 0.5
    """The run stops when more than this share of a function's last 100 samples failed."""
    pure: tuple[str, ...] = ()
    """Names of functions whose result depends on the sample alone (or `all`), as that of ready-made ones
    does: equal samples are paid from memory, and calls are spread over the workers."""
    workers: Annotated[int, Range(at_least=1, at_most=256)] = 1
    """Processes of each pure function; any other has one, since it may keep a state."""
    judge: JudgeConfig = field(default_factory=JudgeConfig)

    def without_effect(self) -> Mapping[str, str]:
        """How functions are called, where there are none; the judge, where none asks it."""
        if not self.functions:
            calls = ("on_error", "time_limit", "max_failures", "pure", "workers", "judge")
            return dict.fromkeys(calls, "no function pays: give one with --reward")
        sources = [source_of(text) for text in self.functions]
        idle = {}
        if not any(source.ready == "llm_judge" for source in sources):
            idle["judge"] = "no language model judges: give --reward llm_judge"
        if not self.pure and not any(source.ready for source in sources):
            idle["workers"] = "a function that may keep a state has one process: name it in reward.pure"
        return idle

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.names
        for name in self.pure:
            if name not in (*names, "all"):
                known = ", ".join(names) or "none"
                raise InputError(f"reward.pure: unknown function {name!r}; there are {known}")
        self.check_parts("weights", self.weights)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions."""
        return function_names(self.functions)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that may have a weight."""
        return ("task", *self.names)

    def check_parts(self, setting: str, parts: Mapping[str, float]) -> None:
        """Raise InputError for a part that is neither known nor in a dict that a function may return."""
        for part in parts:
            if part not in self.parts and not any(part.startswith(f"{name}.") for name in self.names):
                raise InputError(
                    f"reward.{setting}: unknown part {part!r}; there are {', '.join(self.parts)}"
                )


@dataclass(frozen=True)
class Source:
    """Where a function stands: a file or a module with its name, or the name of a ready-made one."""

    file: str = ""
    module: str = ""
    function: str = ""
    ready: str = ""
    argument: str = ""

    @property
    def home(self) -> str:
        """What tells two functions of one name apart."""
        return Path(self.file).stem if self.file else self.module or "ready"

    @property
    def short(self) -> str:
        """The function's own name."""
        return self.ready or self.function.rpartition(".")[2]


def source_of(text: str) -> Source:
    """FILE.py:function, package.module:function, or NAME[:ARGUMENT] of a ready-made one.

    Raises InputError for anything else.
    """
    first, colon, rest = text.partition(":")
    if first in READY:
        return Source(ready=first, argument=rest)
    place, colon, function = text.rpartition(":")
    if text.endswith(".py"):
        raise InputError(f"reward {text}: name a function of the file: --reward {text}:NAME")
    if not colon or not place or not all(part.isidentifier() for part in function.split(".")):
        ready = ", ".join(READY)
        raise InputError(
            f"reward {text!r}: expected FILE.py:function, package.module:function or one of {ready}"
        )
    if place.endswith(".py"):
        return Source(file=place, function=function)
    if not all(part.isidentifier() for part in place.split(".")):
        raise InputError(
            f"reward {text!r}: {place!r} is neither a file that ends with .py nor a module's name"
        )
    return Source(module=place, function=function)


def function_names(functions: tuple[str, ...]) -> tuple[str, ...]:
    """The name of each function's part: its own, or home.name where two would be called alike.

    Raises InputError for a function that is listed twice.
    """
    sources = [source_of(text) for text in functions]
    for text, count in Counter(functions).items():
        if count > 1:
            raise InputError(f"reward {text!r} is listed {count} times: give it a weight instead")
    shared = Counter((bool(source.ready), source.short) for source in sources)
    names: list[str] = []
    for source in sources:
        alike = shared[bool(source.ready), source.short] > 1
        name = source.short
        if source.ready:
            name += str(1 + sum(one.startswith(name) for one in names)) if alike else ""
        elif alike or name in (*TAKEN, *READY):
            name = f"{source.home}.{name}"
        if name in names:
            raise InputError(f"reward: two functions would be called {name}: rename one of their files")
        names.append(name)
    return tuple(names)
