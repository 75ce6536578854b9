"""The few frozen dataclasses that carry everything through Practicum, and their JSON form.

Dimensions are written as suffixes of tensor names: B rows, P prompt positions, T completion positions,
V vocabulary, D hidden width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from practicum.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

RewardFormat: TypeAlias = Literal["auto", "chat", "text"]
"""How to read a reward model that another trainer made; auto: chat where its tokenizer has a template."""
LARGEST_REWARD = 1e15
"""Largest size of a reward; sums of squares of such rewards still fit in float32."""


@dataclass(frozen=True)
class Prompt:
    """One task instance: the text shown to the policy and what the task needs to judge a completion.

    `text` is exactly what the policy reads; `data` is the task's own record (for equations: equation,
    ask, family, level, variable), plain JSON values only. `messages` are the prompt as a chat ("role" and
    "content", of a system, of many turns), where it is one: a chat template then renders them in place of
    `text`, and `data["tools"]` with them. `origin` is where the prompt was read, file and row and field, for
    complaints about it; prompts are equal wherever they stand.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Mapping[str, Any], ...] = ()
    origin: str = field(default="", compare=False)

    @property
    def problem(self) -> str:
        """What names the problem asked for: its canonical form where the task has one, else the text."""
        return str(self.data.get("canonical", self.text))


@dataclass(frozen=True)
class Demonstration:
    """A worked problem: a prompt and a completion a person might have written, right or wrong.

    `message` is the assistant's message where it holds more than a text (tool calls, reasoning), which only a
    chat template can write.
    """

    prompt: Prompt
    completion: str
    message: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """A typed judgement of one completion.

    `value` is the reward (finite). `solved`: whether the completion solves its problem, None where the task
    does not say. `readable`: whether it has the form of an answer, right or wrong, None where the task does
    not say. `outcome` is one of the task's named outcomes, for equations `correct`, `wrong`, `unparseable`,
    `over_limits`; `parts` the named parts `value` is a weighted sum of.
    """

    value: float
    solved: bool | None = None
    readable: bool | None = None
    outcome: str = ""
    reason: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return asdict(self)


class Reward(Protocol):
    """Who pays: judges completions. Every task is one; a null control is another."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """One score per completion, in the order given. Raises on its own bugs, never on a text."""
        ...


@runtime_checkable
class ReadsTokens(Protocol):
    """A reward that also sees the tokens of each completion."""

    def score_tokens(
        self, prompts: Sequence[Prompt], texts: Sequence[str], ids: Sequence[Sequence[int]]
    ) -> list[Score]:
        """As `Reward.score`; `ids` are the tokens that were sampled."""
        ...


@dataclass(frozen=True)
class Rollout:
    """Everything one update needs, nothing more. Rows that answer the same prompt share `group_B`.

    prompt_ids_BP: int64, left-padded. completion_ids_BT: int64, right-padded. mask_BT: bool, True on
    tokens the policy chose, its end-of-sequence token included. logprobs_BT: float32 log-probabilities of
    the distribution actually sampled (after temperature and truncation), 0 where the mask is False.
    prompt_lengths_B: int64, tokens of each prompt without padding. policy_version: number of optimizer
    steps the sampling weights had seen. lengths_B: int64, tokens of each completion where a task's replies
    stand among them, which the mask leaves out; None: the policy chose every token.
    """

    prompt_ids_BP: Tensor
    prompt_lengths_B: Tensor
    completion_ids_BT: Tensor
    mask_BT: Tensor
    logprobs_BT: Tensor
    group_B: Tensor
    policy_version: int
    texts: list[str]
    lengths_B: Tensor | None = None

    @property
    def present_BT(self) -> Tensor:  # noqa: N802
        """bool [B, T], False on padding."""
        if self.lengths_B is None:
            return self.mask_BT
        places_T = self.lengths_B.new_tensor(range(self.mask_BT.shape[1]))
        return places_T < self.lengths_B[:, None]


@dataclass(frozen=True)
class Response:
    """One answer to a prompt that people rank, and where it came from.

    `id` is unique among the responses of its prompt. `model`, `checkpoint` and `sampling` say what wrote it;
    `attributes` hold what is known about it (style, length class, a simulated rater's gold utility), plain
    JSON values only. `message` is the assistant's message where it holds more than a text, as a
    `Demonstration`'s does.
    """

    text: str
    id: str = ""
    model: str = ""
    checkpoint: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    message: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Plain values; fields that say nothing are left out."""
        return {name: value for name, value in asdict(self).items() if value or name == "text"}


@dataclass(frozen=True)
class Ranking:
    """One rater's order of the responses to one prompt.

    `responses` stand in the order in which they were shown; `ranks` runs parallel, 1 is best, equal ranks
    are a tie, and no rank is left out (1, 2, 2, 3). `seconds` is the time spent on it, `time` when it was
    given (seconds since 1970), both None when unknown. `flags` is empty, or parallel to `responses`: what
    this rater marked each one as (`nonsense`, `unsafe`). `prompt_id` is unique within a project. An empty
    `rater` is anonymous. `id` names this ranking in all stores, so that it is known where it comes back; two
    rankings are equal whatever their ids.
    """

    prompt: Prompt
    responses: tuple[Response, ...]
    ranks: tuple[int, ...]
    rater: str = ""
    prompt_id: str = ""
    seconds: float | None = None
    time: float | None = None
    flags: tuple[tuple[str, ...], ...] = ()
    id: str = field(default="", compare=False)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(better, worse) positions in `responses` of every pair that is no tie."""
        for first, second in combinations(range(len(self.ranks)), 2):
            if self.ranks[first] != self.ranks[second]:
                yield (first, second) if self.ranks[first] < self.ranks[second] else (second, first)

    def tiers(self) -> tuple[tuple[int, ...], ...]:
        """Positions in `responses` from the best tier to the worst; those in one tier are tied."""
        return tuple(
            tuple(index for index, rank in enumerate(self.ranks) if rank == tier)
            for tier in sorted(set(self.ranks))
        )

    def json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`; what is unknown is left out."""
        record: dict[str, Any] = {"prompt": self.prompt.text}
        if self.prompt.data:
            record["data"] = dict(self.prompt.data)
        if self.prompt.messages:
            record["messages"] = [dict(message) for message in self.prompt.messages]
        record["responses"] = [response.json() for response in self.responses]
        record["ranks"] = list(self.ranks)
        for name in ("rater", "prompt_id", "id"):
            if getattr(self, name):
                record[name] = getattr(self, name)
        for name in ("seconds", "time"):
            if getattr(self, name) is not None:
                record[name] = getattr(self, name)
        if self.flags:
            record["flags"] = [list(kinds) for kinds in self.flags]
        return record

    @classmethod
    def from_json(cls, record: Any, origin: str) -> Ranking:
        """Read what `json` writes; a response may be a bare text, ranks any numbers, lower is better.

        Raises InputError that begins with `origin` (file and line) and names the field.
        """
        fields = _Fields(record, origin)
        responses = tuple(
            _response(item, f"{origin}: responses[{index}]")
            for index, item in enumerate(fields.take("responses", list, required=True))
        )
        if len(responses) < 2:
            raise InputError(f"{origin}: responses: expected at least two, got {len(responses)}")
        ranks = _dense(fields.take("ranks", list, required=True), len(responses), f"{origin}: ranks")
        flags = tuple(
            _flags(kinds, f"{origin}: flags[{index}]")
            for index, kinds in enumerate(fields.take("flags", list))
        )
        if flags and len(flags) != len(responses):
            raise InputError(f"{origin}: flags: expected one list per response, got {len(flags)}")
        return cls(
            prompt=Prompt(
                fields.take("prompt", str, required=True),
                fields.take("data", dict),
                _messages(fields.take("messages", list), f"{origin}: messages"),
            ),
            responses=responses,
            ranks=ranks,
            rater=fields.take("rater", str),
            prompt_id=fields.take("prompt_id", str),
            seconds=fields.number("seconds"),
            time=fields.number("time"),
            flags=flags,
            id=fields.take("id", str),
        )


# ------------------------------------------------------------------------------ reading what others wrote

_KINDS: dict[Any, str] = {str: "a text", list: "a list", dict: "an object"}


class _Fields:
    """Typed access to a JSON object; every complaint names its origin and the field."""

    def __init__(self, record: Any, origin: str) -> None:
        if not isinstance(record, dict):
            raise InputError(f"{origin}: expected a JSON object, got {type(record).__name__}")
        self._record, self._origin = record, origin

    def take(self, name: str, kind: type[Any], *, required: bool = False) -> Any:
        if self._record.get(name) is None:
            if required:
                raise InputError(f"{self._origin}: field {name!r} is missing: expected {_KINDS[kind]}")
            return kind()
        value = self._record[name]
        if not isinstance(value, kind):
            raise InputError(f"{self._origin}: {name}: expected {_KINDS[kind]}, got {value!r:.60}")
        return value

    def number(self, name: str) -> float | None:
        value = self._record.get(name)
        if value is None:
            return None
        if not _is_number(value):
            raise InputError(f"{self._origin}: {name}: expected a number, got {value!r:.60}")
        return float(value)


def _is_number(value: Any) -> bool:
    """Whether a value of JSON is a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _response(item: Any, origin: str) -> Response:
    if isinstance(item, str):
        return Response(item)
    fields = _Fields(item, origin)
    texts = {name: fields.take(name, str) for name in ("id", "model", "checkpoint")}
    tables = {name: fields.take(name, dict) for name in ("sampling", "attributes", "message")}
    return Response(text=fields.take("text", str, required=True), **texts, **tables)


def _messages(items: list[Any], origin: str) -> tuple[Mapping[str, Any], ...]:
    for index, item in enumerate(items):
        fields = _Fields(item, f"{origin}[{index}]")
        for name in ("role", "content"):
            fields.take(name, str, required=True)
    return tuple(items)


def _dense(ranks: list[Any], count: int, origin: str) -> tuple[int, ...]:
    """Ranks as 1, 2, ... without gaps, ties kept."""
    if len(ranks) != count:
        raise InputError(f"{origin}: expected {count} numbers, one per response, got {len(ranks)}")
    for rank in ranks:
        if not _is_number(rank):
            raise InputError(f"{origin}: expected numbers (1 is best), got {rank!r:.60}")
    levels = {rank: level for level, rank in enumerate(sorted(set(ranks)), start=1)}
    return tuple(levels[rank] for rank in ranks)


def _flags(kinds: Any, origin: str) -> tuple[str, ...]:
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise InputError(f"{origin}: expected a list of texts, got {kinds!r:.60}")
    return tuple(kinds)
