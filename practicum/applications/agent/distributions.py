"""How an agent chooses: distributions over actions, in numpy to act quickly and in torch to learn.

A network gives `outputs` numbers for an observation. `sample` draws raw actions from them, whose
log-probabilities `logprobs` computes; `actions` turns them into what the environment takes. Suffixes: B rows,
O outputs, A parts of an action.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from practicum.applications.agent.spaces import SMALLEST_WEIGHT, ActionSpec

Array = NDArray[Any]
NARROWEST, WIDEST = -20.0, 2.0
"""Limits of the logarithm of a Gaussian's standard deviation."""


class Distribution(Protocol):
    """A family of distributions over actions; `free` numbers more are learned, the same for all rows."""

    outputs: int
    free: int

    def sample(self, outputs_BO: Array, free: Array, generator: np.random.Generator) -> Array:
        """Raw actions, one a row."""
        ...

    def best(self, outputs_BO: Array, free: Array) -> Array:
        """The raw actions to take when nothing is to be tried out: the likeliest, or the mean."""
        ...

    def logprobs(self, outputs_BO: Tensor, free: Tensor, raw: Tensor) -> Tensor:
        """Log-probabilities (or densities) of raw actions, float32 [B]."""
        ...

    def entropies(self, outputs_BO: Tensor, free: Tensor) -> Tensor:
        """Entropies, float32 [B]."""
        ...

    def actions(self, raw: Array) -> Array:
        """What the environment takes, one action a row."""
        ...


class Categorical:
    """Independent choices, one for each part of the action."""

    free = 0

    def __init__(self, spec: ActionSpec) -> None:
        self.single = spec.kind == "discrete"
        self.start = np.array(spec.start)
        self.outputs = sum(spec.sizes)
        edges = np.cumsum([0, *spec.sizes])
        self.parts = [(int(low), int(high)) for low, high in pairwise(edges)]

    def sample(self, outputs_BO: Array, free: Array, generator: np.random.Generator) -> Array:
        """Choices, int64 [B, A], by the trick of Gumbel (1954): the largest of logits plus Gumbel noise."""
        return self.best(outputs_BO + generator.gumbel(size=outputs_BO.shape), free)

    def best(self, outputs_BO: Array, free: Array) -> Array:
        """The likeliest choices, int64 [B, A]."""
        found: Array = np.stack([outputs_BO[:, low:high].argmax(1) for low, high in self.parts], 1)
        return found

    def logprobs(self, outputs_BO: Tensor, free: Tensor, raw: Tensor) -> Tensor:
        """Sums over the parts."""
        chosen = [
            logits.log_softmax(1).gather(1, raw[:, part : part + 1])
            for part, logits in enumerate(self._logits(outputs_BO))
        ]
        return chosen[0][:, 0] if self.single else torch.cat(chosen, 1).sum(1)

    def entropies(self, outputs_BO: Tensor, free: Tensor) -> Tensor:
        """Sums over the parts."""
        logprobs = [logits.log_softmax(1) for logits in self._logits(outputs_BO)]
        found = [(part.exp() * part).sum(1) for part in logprobs]
        return -(found[0] if self.single else torch.stack(found).sum(0))

    def _logits(self, outputs_BO: Tensor) -> list[Tensor]:
        return [outputs_BO] if self.single else [outputs_BO[:, low:high] for low, high in self.parts]

    def actions(self, raw: Array) -> Array:
        """int64 [B] or, of several parts, [B, A]."""
        found: Array = raw + self.start
        return found[:, 0] if self.single else found

    def probabilities(self, outputs_BO: Array) -> Array:
        """Of each choice of a single part, float64 [B, O]."""
        return _softmax(outputs_BO)


class Gaussian:
    """Independent Gaussians, whose deviations do not depend on the observation.

    Raw actions are in units of the deviation at first, which is `deviation` where the range of an action is
    from -1 to 1. So the policy learns as fast, measured by its own noise, however narrow it begins. What is
    drawn outside is cut to the bounds by `actions`, as if the environment did it: log-probabilities are those
    of what was drawn, so the gradient is exact. An action without two bounds is drawn where it lies.
    """

    def __init__(self, spec: ActionSpec, deviation: float = 1.0) -> None:
        self.outputs = self.free = spec.sizes[0]
        low = np.array([-np.inf if bound is None else bound for bound in spec.low])
        high = np.array([np.inf if bound is None else bound for bound in spec.high])
        self.low, self.high = low, high
        whole = np.isfinite(low) & np.isfinite(high)
        self.middle = np.where(whole, (np.where(whole, low, 0) + np.where(whole, high, 0)) / 2, 0.0)
        self.half = np.where(whole, (np.where(whole, high, 0) - np.where(whole, low, 0)) / 2, 1.0)
        self.unit = deviation

    def sample(self, outputs_BO: Array, free: Array, generator: np.random.Generator) -> Array:
        """float32 [B, A]."""
        deviations = np.exp(np.clip(free, NARROWEST, WIDEST))
        noise = generator.standard_normal(outputs_BO.shape, dtype=np.float32)
        drawn: Array = outputs_BO + deviations * noise
        return drawn

    def best(self, outputs_BO: Array, free: Array) -> Array:
        """The means."""
        return outputs_BO

    def logprobs(self, outputs_BO: Tensor, free: Tensor, raw: Tensor) -> Tensor:
        """Log-densities, summed over the parts."""
        logs = free.clamp(NARROWEST, WIDEST)
        distance = (raw - outputs_BO) * (-logs).exp()
        return -0.5 * distance.square().sum(1) - (logs.sum() + 0.5 * math.log(2 * math.pi) * self.outputs)

    def entropies(self, outputs_BO: Tensor, free: Tensor) -> Tensor:
        """0.5 + 0.5 log(2 pi) + log(deviation), summed over the parts; where ranges are from -1 to 1."""
        constant = (0.5 + 0.5 * math.log(2 * math.pi) + math.log(self.unit)) * self.outputs
        return (free.clamp(NARROWEST, WIDEST).sum() + constant).expand(len(outputs_BO))

    def actions(self, raw: Array) -> Array:
        """float64 [B, A] within the bounds."""
        found: Array = np.clip(self.middle + self.half * self.unit * raw, self.low, self.high)
        return found


class Dirichlet:
    """A Dirichlet on the simplex with mean softmax(outputs) and a precision that is learned.

    Its concentrations are precision * mean, so that precision plays the part of a Gaussian's deviation. Drawn
    weights are kept SMALLEST_WEIGHT from 0.
    """

    free = 1

    def __init__(self, spec: ActionSpec) -> None:
        self.outputs = spec.sizes[0]

    def sample(self, outputs_BO: Array, free: Array, generator: np.random.Generator) -> Array:
        """Weights float32 [B, A]; by gamma variates, in logarithms that do not underflow."""
        concentrations = np.exp(free[0]) * _softmax(outputs_BO) + SMALLEST_WEIGHT
        logs = np.log(generator.standard_gamma(concentrations + 1))
        logs += np.log1p(-generator.random(logs.shape)) / concentrations
        return _inside(_softmax(logs)).astype(np.float32)

    def best(self, outputs_BO: Array, free: Array) -> Array:
        """The means."""
        return _inside(_softmax(outputs_BO))

    def logprobs(self, outputs_BO: Tensor, free: Tensor, raw: Tensor) -> Tensor:
        """Log-densities with respect to the first A - 1 weights."""
        concentrations = free[0].exp() * outputs_BO.softmax(1) + SMALLEST_WEIGHT
        log_constant = concentrations.lgamma().sum(1) - concentrations.sum(1).lgamma()
        return ((concentrations - 1) * raw.log()).sum(1) - log_constant

    def entropies(self, outputs_BO: Tensor, free: Tensor) -> Tensor:
        """Differential entropies with respect to the first A - 1 weights."""
        concentrations = free[0].exp() * outputs_BO.softmax(1) + SMALLEST_WEIGHT
        total = concentrations.sum(1)
        found = concentrations.lgamma().sum(1) - total.lgamma() + (total - self.outputs) * total.digamma()
        return found - ((concentrations - 1) * concentrations.digamma()).sum(1)

    def actions(self, raw: Array) -> Array:
        """float64 [B, A], each row summing to 1."""
        exact = raw.astype(np.float64)
        found: Array = exact / exact.sum(1, keepdims=True)
        return found


def distribution_of(spec: ActionSpec, deviation: float = 1.0) -> Distribution:
    """The family for an action space; `deviation` is a Gaussian's at first."""
    if spec.kind == "box":
        return Gaussian(spec, deviation)
    return Dirichlet(spec) if spec.kind == "simplex" else Categorical(spec)


def first_free(spec: ActionSpec) -> list[float]:
    """What is learned besides the outputs, at first: log-deviations, or an even Dirichlet's log-precision."""
    if spec.kind == "box":
        return [0.0] * spec.sizes[0]
    return [math.log(spec.sizes[0])] if spec.kind == "simplex" else []


def _softmax(values_BO: Array) -> Array:
    shifted = np.exp(values_BO - values_BO.max(1, keepdims=True), dtype=np.float64)
    found: Array = shifted / shifted.sum(1, keepdims=True)
    return found


def _inside(weights_BA: Array) -> Array:
    kept = np.maximum(weights_BA, SMALLEST_WEIGHT)
    found: Array = kept / kept.sum(1, keepdims=True)
    return found
