"""Potential-based shaping: hints along the way that do not change what is best.

A user's potential says how promising a partial solution is. Each step is paid, besides its reward,

    F(s, s') = discount * potential(s') - potential(s),

with a potential of 0 once the episode is over. Over a whole episode these payments add up to minus the first
potential, whatever was done, so the best policy stays the best. Source: Ng, Harada & Russell 1999 (Policy
invariance under reward transformations, theorem 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import torch
from tokenizers import Tokenizer
from torch import Tensor

from practicum.errors import InputError
from practicum.rollout.collect import ScoredRollout
from practicum.rollout.scores import checked_reward
from practicum.tasks.python import calling, found_in, imported
from practicum.types import Prompt

Potential: TypeAlias = Callable[[Prompt, str], float]
"""A prompt and the beginning of a completion to how promising it is; any finite number."""


def shaping(before: float, after: float, discount: float = 1.0) -> float:
    """F of one step, from the potentials of the states before and after it."""
    return discount * after - before


def shaping_rewards(potentials: Sequence[float], discount: float = 1.0) -> list[float]:
    """F of every step of an episode from the potentials of the states before each step.

    `potentials` are those of s_0 ... s_{T-1}; the state after the last step is terminal, with potential 0.
    """
    following = [*potentials[1:], 0.0]
    return [shaping(before, after, discount) for before, after in zip(potentials, following, strict=True)]


def load_potential(spec: str) -> Potential:
    """The function of `FILE.py:function` or `module:function`; InputError where it is not there."""
    function = found_in(*imported(spec)) if spec.rpartition(":")[0] else None
    if not callable(function):
        raise InputError(f"potential {spec}: expected FILE.py:function, a function of a prompt and a text")
    return partial(calling, spec, function)


def shaped_tokens(
    batch: ScoredRollout, tokenizer: Tokenizer, potential: Potential, discount: float = 1.0
) -> Tensor:
    """What shaping pays each token that the policy chose, float64 [B, T], 0 elsewhere.

    A step is a line: the potential is asked where a line of the completion ends, and stays between. A token's
    state is what stands before it. Raises InputError for a potential that is no finite number.
    """
    rollout = batch.rollout
    shaped_BT = torch.zeros(rollout.mask_BT.shape, dtype=torch.float64)
    for row, prompt in enumerate(batch.prompts):
        places = rollout.mask_BT[row].nonzero().squeeze(1).tolist()
        ids = rollout.completion_ids_BT[row].tolist()
        potentials, known = [], ("", _asked(potential, prompt, ""))
        for place in places:
            lines = _whole_lines(tokenizer.decode(ids[:place], skip_special_tokens=True))
            if lines != known[0]:
                known = lines, _asked(potential, prompt, lines)
            potentials.append(known[1])
        shaped_BT[row, places] = torch.tensor(shaping_rewards(potentials, discount), dtype=torch.float64)
    return shaped_BT


def _whole_lines(text: str) -> str:
    """A text up to its last line break."""
    return text[: text.rfind("\n") + 1]


def _asked(potential: Potential, prompt: Prompt, text: str) -> float:
    return checked_reward("potential", potential(prompt, text), prompt.text, text)
