"""Tokens of packed sequences that several of them begin with, so that each is computed once.

Completions of one prompt, the two sides of a preference, and rows with one system prompt begin alike. A token
depends on those before it and on nothing else, so what two rows have up to a place is the same in both.

Suffixes: N tokens of all sequences, U tokens that are computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LEAST_SHARED = 0.05
"""Smallest share of the tokens that is worth the copies around attention."""


@dataclass(frozen=True)
class Shared:
    """place_N: int64, the number of the token that is computed for each. first_U: int64, the first of those
    that each computed token stands for.
    """

    place_N: Tensor
    first_U: Tensor

    def spread(self, values_U: Tensor) -> Tensor:
        """Values of computed tokens, for all tokens."""
        return values_U[self.place_N]

    def gather(self, values_N: Tensor) -> Tensor:
        """Values of all tokens, for the computed ones: equal where tokens are, so the first is taken."""
        return values_N[self.first_U]

    def gather_backward(self, slope_U: Tensor) -> Tensor:
        """The gradient of `gather`: of the first token of each, zero for the others."""
        return slope_U.new_zeros((len(self.place_N), *slope_U.shape[1:])).index_copy_(
            0, self.first_U, slope_U
        )

    def spread_backward(self, slope_N: Tensor) -> Tensor:
        """The gradient of `spread`, in its dtype: the sum over all tokens that one stands for."""
        total = torch.zeros((len(self.first_U), *slope_N.shape[1:]))
        return total.index_add_(0, self.place_N, slope_N.float()).to(slope_N.dtype)


def shared_beginnings(ids_N: Tensor, starts: Tensor) -> Shared | None:
    """Which tokens are computed for which, None where too few are shared.

    ids_N: int64, sequences end to end. starts: int64 [sequences + 1], where each begins; the last is N.
    """
    ids, begins = ids_N.numpy(), starts.numpy()[:-1]
    lengths = np.diff(starts.numpy())
    place = np.full(len(ids), -1, dtype=np.int64)
    rows = np.flatnonzero(lengths)
    before = np.zeros(len(lengths), dtype=np.int64)
    vocabulary = int(ids.max()) + 1 if len(ids) else 0
    count = depth = 0
    while len(rows) > 1:
        here = begins[rows] + depth
        # Rows with one token here and one number before it have the same beginning.
        _, number = np.unique(before[rows] * vocabulary + ids[here], return_inverse=True)
        place[here] = before[rows] = count + number
        count += int(number.max()) + 1
        alike = np.bincount(number)[number] > 1
        depth += 1
        rows = rows[alike & (lengths[rows] > depth)]
    alone = place < 0
    place[alone] = count + np.arange(int(alone.sum()))
    total = count + int(alone.sum())
    if len(ids) - total <= LEAST_SHARED * len(ids):
        return None
    first = np.empty(total, dtype=np.int64)
    first[place[::-1]] = np.arange(len(ids))[::-1]
    return Shared(torch.from_numpy(place), torch.from_numpy(first))
