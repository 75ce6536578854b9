"""What an agent observes and may do, read from an environment's Gymnasium spaces.

Suffixes: B rows, N observed numbers, A actions (or parts of one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from practicum.errors import InputError

Floats = NDArray[np.float64]
ActionKind = Literal["discrete", "multi_discrete", "box", "simplex"]
SMALLEST_WEIGHT = 1e-6
"""Weights on the simplex are kept this far from 0, where a Dirichlet density has its poles."""


class Simplex(spaces.Box):
    """Weights that are at least 0 and sum to 1, as shares of a portfolio; drawn from a Dirichlet."""

    def __init__(self, size: int, seed: int | None = None) -> None:
        super().__init__(0.0, 1.0, (size,), np.float64, seed)

    def sample(self, mask: None = None, probability: None = None) -> NDArray[Any]:
        """Weights drawn evenly from the simplex."""
        return self.np_random.dirichlet(np.ones(self.shape[0]))

    def contains(self, x: Any) -> bool:
        """Whether x are weights of the right number, up to rounding."""
        values = np.asarray(x, dtype=np.float64)
        right = values.shape == self.shape and bool((values >= 0).all())
        return right and abs(float(values.sum()) - 1) < 1e-6


@dataclass(frozen=True)
class ActionSpec:
    """What an agent may do, as plain JSON.

    sizes: choices of each part of a discrete action; the number of parts of a continuous one. low, high:
    bounds of a box, infinite ones as None. start: the first number of each part of a discrete action.
    """

    kind: ActionKind
    sizes: tuple[int, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    start: tuple[int, ...] = ()

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> ActionSpec:
        """The spec of a Gymnasium space. Raises InputError for one that no agent can act in."""
        if isinstance(space, spaces.Discrete):
            return cls("discrete", (int(space.n),), start=(int(space.start),))
        if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
            return cls(
                "multi_discrete", tuple(map(int, space.nvec)), start=tuple(int(one) for one in space.start)
            )
        if isinstance(space, Simplex):
            return cls("simplex", (space.shape[0],))
        if isinstance(space, spaces.Box) and len(space.shape) == 1:
            return cls("box", (space.shape[0],), _finite(space.low), _finite(space.high))
        raise InputError(
            f"the environment's action space is {space}: an agent acts in Discrete, MultiDiscrete, Simplex, "
            "or a Box of one dimension"
        )

    def json(self) -> dict[str, Any]:
        """Plain values, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ActionSpec:
        """What `json` gave."""
        return cls(
            found["kind"],
            *(tuple(found[name]) for name in ("sizes", "low", "high", "start")),
        )


@dataclass(frozen=True)
class ObservationSpec:
    """What an agent observes: numbers of any shape, read row by row, or one of `choices` things."""

    shape: tuple[int, ...]
    choices: int = 0
    start: int = 0

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> ObservationSpec:
        """The spec of a Gymnasium space. Raises InputError for one that no agent can read."""
        if isinstance(space, spaces.Discrete):
            return cls((), int(space.n), int(space.start))
        if isinstance(space, (spaces.Box, spaces.MultiBinary)):
            return cls(tuple(int(size) for size in space.shape))
        raise InputError(
            f"the environment's observation space is {space}: an agent reads Box, MultiBinary or Discrete "
            "(gymnasium.wrappers.FlattenObservation makes a Box of most others)"
        )

    @property
    def size(self) -> int:
        """Numbers that the networks read."""
        return self.choices or int(np.prod(self.shape))

    def rows(self, observations: Any) -> Floats:
        """Observations [B, *shape] as float64 [B, N]; a choice becomes a row with a 1 in its place."""
        values = np.asarray(observations, dtype=np.float64)
        if values.shape[1:] != self.shape:
            raise InputError(
                f"observations have shape {list(values.shape)}, not [rows, {', '.join(map(str, self.shape))}]"
            )
        if self.choices:
            return np.eye(self.choices)[values.astype(np.int64) - self.start]
        return values.reshape(len(values), -1)


def specs_of(environment: gymnasium.Env[Any, Any]) -> tuple[ObservationSpec, ActionSpec]:
    """What an environment shows and takes."""
    return ObservationSpec.of(environment.observation_space), ActionSpec.of(environment.action_space)


def _finite(bounds: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(float(bound) if np.isfinite(bound) else None for bound in bounds)
