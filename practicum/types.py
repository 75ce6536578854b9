"""The few frozen dataclasses that carry everything through Practicum, and their JSON form.

Dimensions are written as suffixes of tensor names: B rows, P prompt positions, T completion positions,
V vocabulary, D hidden width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Prompt:
    """One task instance: the text shown to the policy and what the task needs to judge a completion.

    `text` is exactly what the policy reads; `data` is the task's own record (for equations: equation,
    ask, family, level, variable), plain JSON values only.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Demonstration:
    """A worked problem: a prompt and a completion a person might have written, right or wrong."""

    prompt: Prompt
    completion: str


@dataclass(frozen=True)
class Score:
    """A typed judgement of one completion.

    `value` is the reward (finite); `outcome` one of the task's named outcomes, for equations
    `correct`, `wrong`, `unparseable`, `over_limits`; `parts` the named parts `value` is a weighted sum of.
    """

    value: float
    outcome: str
    reason: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True)
class Rollout:
    """Everything one update needs, nothing more. Rows that answer the same prompt share `group_B`.

    prompt_ids_BP: int64, left-padded. completion_ids_BT: int64, right-padded. mask_BT: bool, True on
    tokens the policy chose, its end-of-sequence token included. logprobs_BT: float32 log-probabilities of
    the distribution actually sampled (after temperature and truncation), 0 where the mask is False.
    prompt_lengths_B: int64, tokens of each prompt without padding. policy_version: number of optimizer
    steps the sampling weights had seen.
    """

    prompt_ids_BP: Tensor
    prompt_lengths_B: Tensor
    completion_ids_BT: Tensor
    mask_BT: Tensor
    logprobs_BT: Tensor
    group_B: Tensor
    policy_version: int
    texts: list[str]
