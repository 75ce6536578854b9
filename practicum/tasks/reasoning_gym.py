"""The procedural tasks of reasoning-gym, alone or in weighted mixtures, as one `Task`.

`reasoning_gym:NAME` is one of its datasets, `reasoning_gym:A*2+B` asks A twice as often as B, and
`reasoning_gym:all` all of them alike. A question belongs to the split that the hash of its text says, so the
splits share no question whatever the seeds. Source: Stojanovski et al. 2025 (2505.24760).
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import random
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, get_type_hints

from practicum.config import nearest
from practicum.errors import InputError
from practicum.exact.expression import word_set
from practicum.tasks.format import FormatConfig
from practicum.types import Prompt, Score

PREFIX = "reasoning_gym:"
BLOCK = 64
"""Items of one dataset object; number n is item n % BLOCK of the one with seed n - n % BLOCK."""
BLOCKS = {"train": (0, 40_000_000), "validation": (40_000_000, 20_000_000), "test": (60_000_000, 6_000_000)}
"""First block and number of blocks of each split."""
SHARES = {"train": 0.5, "validation": 0.75, "test": 1.0}
"""Upper ends of the splits in the hash of a question."""
KEPT, KEPT_DATASETS = 4096, 16
MOST_TRIES = 4000
"""Draws without a new question of the split after which a dataset has too few of them."""

WITHOUT_GOLD = ("boxnet", "rush_hour")
"""Datasets that come without an answer of their own, though they judge one."""
GOLD_IN = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
"""Where datasets that accept many answers keep one that is right."""
BY_TEXT = ("game_of_life_halting",)
"""Datasets whose own judge takes any text for true: the answer is compared with theirs."""
LITERALS = ("binary_matrix", "n_queens", "spiral_matrix", "string_insertion")
"""Datasets that would run an answer as Python, to read a list."""
FORMULAS = (
    *("countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24"),
    "simple_integration",
)
"""Datasets that would run an answer as Python, to read a formula."""
LONGEST = 10_000
LONGEST_FORMULA = 400
_HUGE = re.compile(r"\d[eE][+-]?\d{4,}|\d{300,}")
_PART = re.compile(r"([a-z0-9_]+)(?:\*([0-9.]+))?")


class ReasoningGymTask:
    """Questions of reasoning-gym, judged by the datasets themselves.

    A completion is paid 1 where its dataset pays it 1, else 0, since datasets also pay a little to a text
    that only contains the answer; `partial` pays what they pay. Either way the part `partial` shows it.
    """

    def __init__(
        self,
        spec: str,
        settings: Mapping[str, str] | None = None,
        config: FormatConfig | None = None,
        *,
        partial: bool = False,
    ) -> None:
        self.name = PREFIX + spec
        self.config, self.partial = config or FormatConfig(), partial
        self.weights = mixture(spec)
        self.options = _options(self.weights, settings or {})
        self._datasets: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._entries: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
        self._judges = {name: make_dataset(name, self.options[name], seed=0, size=1) for name in self.weights}

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of a split, drawn by the weights, no question twice in one call where there are
        enough. Raises InputError for a dataset with no question in the split.
        """
        draw = Random(f"reasoning_gym {split} {seed}")
        names = draw.choices(list(self.weights), list(self.weights.values()), k=count)
        drawn = {name: iter(self._draw(name, split, names.count(name), draw)) for name in sorted(set(names))}
        return [next(drawn[name]) for name in names]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """What the datasets say of the answers, read as the format says."""
        return [self._score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]

    def gold(self, prompt: Prompt) -> str:
        """The dataset's own answer in the form asked for. Raises InputError for one without."""
        if "answer" not in prompt.data:
            raise InputError(f"reasoning_gym:{prompt.data['dataset']} comes without answers of its own")
        return self.config.gold(prompt.data["answer"])

    def _draw(self, name: str, split: str, count: int, draw: Random) -> list[Prompt]:
        first, blocks = BLOCKS[split]
        number = (first + draw.randrange(blocks)) * BLOCK
        found: dict[str, Prompt] = {}
        idle = 0
        while len(found) < count and idle < MOST_TRIES // (10 if found else 1):
            question = str(self._entry(name, number)["question"])
            idle += 1
            if _split_of(question) == split and question not in found:
                found[question], idle = self._prompt(name, number), 0
            number += 1
        if not found:
            raise InputError(f"{PREFIX}{name}: no question of the {split} split among {MOST_TRIES} draws")
        prompts = list(found.values())
        # A dataset with few questions asks them again.
        return [prompts[place % len(prompts)] for place in range(count)]

    def _prompt(self, name: str, number: int) -> Prompt:
        entry = self._entry(name, number)
        answer = gold_of(name, entry)
        data = {"dataset": name, "number": number, "question": entry["question"], "kind": name}
        return Prompt(
            self.config.ask(entry["question"]), data | ({} if answer is None else {"answer": answer})
        )

    def _score(self, prompt: Prompt, text: str) -> Score:
        name, gold = prompt.data["dataset"], str(prompt.data.get("answer", ""))
        answer = self.config.read(text, max(1, len(gold.splitlines())))
        if answer is None:
            return Score(0.0, False, False, "unparseable", "no answer is given", {"partial": 0.0})
        if refusal := refused(name, answer):
            return Score(0.0, False, False, "unparseable", refusal, {"partial": 0.0})
        try:
            paid = self._paid(name, answer, self._entry(name, prompt.data["number"]))
        # A judge of another's making: what it raises on an odd text is of any type, and is counted.
        except Exception as error:
            return Score(0.0, False, True, "judge_failed", f"{name}: {error!r:.200}", {"partial": 0.0})
        solved = paid == 1.0
        reason = f"{name} pays {paid:g}"
        return Score(
            paid if self.partial else float(solved),
            solved,
            True,
            "correct" if solved else "wrong",
            reason,
            {"partial": paid},
        )

    def _paid(self, name: str, answer: str, entry: dict[str, Any]) -> float:
        """What the dataset pays, in [0, 1]. Raises whatever the dataset's judge raises on an odd text."""
        if name in BY_TEXT:
            return float(answer.casefold() == str(entry["answer"]).casefold())
        paid = float(self._judges[name].score_answer(answer, entry))
        return min(1.0, max(0.0, paid)) if paid == paid else 0.0

    def _entry(self, name: str, number: int) -> dict[str, Any]:
        """Item `number` of a dataset; the newest are kept."""
        key = (name, number)
        if key not in self._entries:
            dataset = self._dataset(name, number - number % BLOCK)
            with _seeded(number):
                self._entries[key] = dataset[number % BLOCK]
            if len(self._entries) > KEPT:
                self._entries.popitem(last=False)
        return self._entries[key]

    def _dataset(self, name: str, seed: int) -> Any:
        key = (name, seed)
        if key not in self._datasets:
            self._datasets[key] = make_dataset(name, self.options[name], seed=seed, size=BLOCK)
            if len(self._datasets) > KEPT_DATASETS:
                self._datasets.popitem(last=False)
        return self._datasets[key]


def mixture(spec: str) -> dict[str, float]:
    """Weight of each dataset of `A*2+B`. Raises InputError for anything else."""
    known = [name for name in dataset_names() if name != "composite"]
    if spec == "all":
        return dict.fromkeys(known, 1.0)
    weights: dict[str, float] = {}
    for part in spec.split("+"):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise InputError(f"{PREFIX}{spec}: {part!r} is no NAME or NAME*WEIGHT, as in simple_equations*2")
        name, weight = found[1], _weight(found[2] or "1")
        if name not in known:
            raise InputError(f"{PREFIX}{spec}: no dataset {name!r}{nearest(name, known)}")
        if weight is None:
            raise InputError(f"{PREFIX}{spec}: weight {found[2]} of {name}: expected a number above 0")
        if name in weights:
            raise InputError(f"{PREFIX}{spec}: {name} is named twice: give it one weight")
        weights[name] = weight
    return weights


def _weight(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None


def dataset_names() -> list[str]:
    """Every dataset that reasoning-gym registers. Raises InputError where it is not installed."""
    _import()
    from reasoning_gym.factory import DATASETS

    return sorted(DATASETS)


def make_dataset(name: str, options: Mapping[str, Any], **own: int) -> Any:
    """One of its datasets. Raises InputError for settings that it refuses."""
    try:
        return _import().create_dataset(name, **options, **own)
    except (AssertionError, ValueError, TypeError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{PREFIX}{name}: task.settings: {said:.200}") from error


def _import() -> Any:
    try:
        import reasoning_gym
    except ModuleNotFoundError as error:
        if error.name != "reasoning_gym":
            raise
        raise InputError(
            "task reasoning_gym needs reasoning-gym, which is not installed: pip install 'practicum[tasks]'"
        ) from error
    return reasoning_gym


def gold_of(name: str, entry: Mapping[str, Any]) -> str | None:
    """The dataset's own answer to one of its questions, None where it has none."""
    if name in WITHOUT_GOLD:
        return None
    if name in GOLD_IN:
        answer = entry["metadata"][GOLD_IN[name]]
        return answer if isinstance(answer, str) else json.dumps(answer)
    return str(entry["answer"])


@contextmanager
def _seeded(number: int) -> Iterator[None]:
    """Python's common random numbers fixed, which some datasets draw from, and put back after."""
    state = random.getstate()
    random.seed(number)
    try:
        yield
    finally:
        random.setstate(state)


def _split_of(question: str) -> str:
    lot = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big") / 2**64
    return next(split for split, end in SHARES.items() if lot < end or end == 1.0)


# ------------------------------------------------------------------------------------------ settings


def _options(weights: Mapping[str, float], settings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The settings of each dataset, typed: `KEY` where there is one dataset, else `NAME.KEY`."""
    options: dict[str, dict[str, Any]] = {name: {} for name in weights}
    for key, value in settings.items():
        name, dot, field = key.rpartition(".")
        if not dot and len(weights) == 1:
            name = next(iter(weights))
        if name not in weights:
            raise InputError(f"task.settings.{key}: expected NAME.KEY with NAME one of {', '.join(weights)}")
        options[name][field] = _typed(name, field, value)
    return options


def _typed(name: str, field: str, value: str) -> Any:
    _import()
    from reasoning_gym.factory import DATASETS

    config = DATASETS[name][1]
    known = [one.name for one in dataclasses.fields(config) if one.name not in ("seed", "size")]
    if field not in known:
        raise InputError(f"task.settings.{field}: unknown setting of {name}{nearest(field, known)}")
    if get_type_hints(config).get(field) is str:
        return value
    try:
        return json.loads({"true": "true", "false": "false"}.get(value.lower(), value))
    except ValueError:
        return value


# ------------------------------------------------------------------------------- answers that would be run


def refused(name: str, answer: str) -> str:
    """Why an answer is not shown to a dataset's judge; empty where it is. Some run answers as Python."""
    if not answer:
        return "the answer is empty"
    if len(answer) > LONGEST:
        return f"the answer has over {LONGEST:,} characters"
    if _HUGE.search(answer):
        return "a number of the answer is too large"
    if name in LITERALS and not _is_literal(answer):
        return "the answer is a program"
    if name in FORMULAS and not _is_formula(answer):
        return "the answer is no formula"
    return ""


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_literal(text: str) -> bool:
    """Whether running a text does nothing: it is no Python at all, a name, or lists of constants."""
    tree = _parsed(text)
    harmless = (ast.List, ast.Tuple, ast.Constant, ast.Name, ast.Load, ast.UnaryOp, ast.USub)
    return tree is None or all(isinstance(node, harmless) for node in ast.walk(tree))


FUNCTIONS = word_set(
    """sin cos tan exp log ln sqrt Abs asin acos atan sinh cosh tanh sec csc cot asinh acosh atanh"""
)


def _is_formula(text: str) -> bool:
    """Whether a text is a short formula of numbers, names, + - * / and **, and of a few functions."""
    if len(text) > LONGEST_FORMULA:
        return False
    tree = _parsed(text)
    return tree is not None and _within(tree, 0)


def _within(node: ast.AST, powers: int) -> bool:
    """Whether a formula stays small: at most two powers in one another, exponents of at most 3 digits."""
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float) and len(str(node.value)) <= 24
    if isinstance(node, ast.Name):
        return "__" not in node.id
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, (ast.USub, ast.UAdd)) and _within(node.operand, powers)
    if isinstance(node, ast.Call):
        plain = isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
        return plain and len(node.args) == 1 and _within(node.args[0], powers)
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, ast.Pow):
        return powers < 2 and _is_small_exponent(node.right) and _within(node.left, powers + 1)
    plain = isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div))
    return plain and _within(node.left, powers) and _within(node.right, powers)


def _is_small_exponent(node: ast.AST) -> bool:
    digits = [
        str(one.value)
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, (int, float))
    ]
    return (
        len("".join(digits)) <= 3
        and not any(isinstance(one, (ast.Call, ast.Pow)) for one in ast.walk(node))
        and _within(node, 2)
    )
