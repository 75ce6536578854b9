"""A click model: how likely a visitor clicks each item, learnt from few clicks with honest doubt.

logit of a click = base + features of context + item + features of item + affinity + (item x feature of context).

Each group of coefficients has a normal prior around 0 whose precision the log itself sets (empirical Bayes:
MacKay 1992, Neural Computation 4(3), equation 4.6 of the evidence framework, with a weak gamma prior), so that
what the log does not show is shrunk away. The posterior is normal around the mode (Laplace's method).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import expit

from practicum.applications.ads.data import Catalogue, Contexts, Integers, Log

Floats = NDArray[np.float64]

PRIOR_SPREAD = 0.5
"""Standard deviation of a group's part of a logit before the log is seen; it counts as one coefficient."""
SPREADS = (0.01, 2.0)
"""A group's spread stays within these."""
BASE_SPREAD = 10.0
ROUNDS, LEVEL_STEPS = 10, 12


@dataclass(frozen=True)
class ClickModel:
    """Coefficients: of the base, of context features [F], items [A], affinity, and items x features [A, F]."""

    base: float
    context_F: Floats
    item_A: Floats
    affinity: float
    cross_AF: Floats

    def logits(self, contexts: Contexts) -> Floats:
        """Logits of a click on each item, float64 [N, A]."""
        shared_N = self.base + contexts.features_NF @ self.context_F
        own_NA = contexts.features_NF @ self.cross_AF.T + self.affinity * contexts.affinity_NA
        return np.asarray(shared_N[:, None] + self.item_A + own_NA)

    def probabilities(self, contexts: Contexts) -> Floats:
        """Probabilities of a click on each item, float64 [N, A]."""
        return np.asarray(expit(self.logits(contexts)))


@dataclass(frozen=True)
class Fitted:
    """A fitted click model: the mode of its coefficients [D], and a square root of their covariance [D, D]."""

    mode_D: Floats
    root_DD: Floats
    log: Log
    spreads: dict[str, float]

    @property
    def mean(self) -> ClickModel:
        """The model at the mode."""
        return self._model(self.mode_D)

    def draw(self, random: np.random.Generator) -> ClickModel:
        """A model that the log leaves possible: a draw from the posterior."""
        return self._model(self.mode_D + self.root_DD @ random.standard_normal(len(self.mode_D)))

    def _model(self, coefficients_D: Floats) -> ClickModel:
        features = self.log.contexts.features_NF.shape[1]
        return levelled(model_of(coefficients_D, self.log.items, features), self.log)


def fit(log: Log) -> Fitted:
    """The click model of a log."""
    design, groups = design_of(log.contexts, log.action_N, log.items)
    # A row has several features: together they move a logit as much as any other group does.
    active = max(1.0, float(np.square(log.contexts.features_NF).sum(1).mean()))
    prior = dict.fromkeys(groups, PRIOR_SPREAD) | {"item x context": PRIOR_SPREAD / active**0.5}
    precision_D = _precisions(groups, prior)
    rate = float(np.clip(log.click_N.mean(), 1e-6, 1 - 1e-6))
    mode_D = np.zeros(design.shape[1])
    mode_D[0] = np.log(rate / (1 - rate))
    spreads: dict[str, float] = {}
    for _ in range(ROUNDS):
        mode_D, factor = _newton_step(design, log.click_N, mode_D, precision_D)
        root_DD = linalg.solve_triangular(factor, np.eye(len(mode_D)), lower=True).T
        variance_D = (root_DD**2).sum(1)
        spreads = {
            name: _spread(mode_D[group], precision_D[group] * variance_D[group], prior[name])
            for name, group in groups.items()
        }
        precision_D = _precisions(groups, spreads)
    return Fitted(mode_D, root_DD, log, spreads)


def levelled(model: ClickModel, log: Log) -> ClickModel:
    """The model with the base at which it expects as many clicks of a log's rows as there were.

    A posterior of few clicks is wide, and the mean of a logistic curve over it lies above its middle.
    """
    logit_N = model.logits(log.contexts)[np.arange(len(log)), log.action_N]
    shift = 0.0
    for _ in range(LEVEL_STEPS):
        chance_N = expit(logit_N + shift)
        slope = float((chance_N * (1 - chance_N)).sum())
        shift += float(np.clip((log.clicks - chance_N.sum()) / max(slope, 1e-12), -1, 1))
    return dataclasses.replace(model, base=model.base + shift)


def design_of(
    contexts: Contexts, action_N: Integers, items: Catalogue
) -> tuple[sparse.csr_array, dict[str, slice]]:
    """The design matrix [N, D] of some rows, and which columns each group of coefficients has."""
    rows, features = contexts.features_NF.shape
    count, described = items.features_AG.shape
    chosen = sparse.csr_array((np.ones(rows), action_N, np.arange(rows + 1)), shape=(rows, count))
    context = sparse.csr_array(contexts.features_NF)
    own = sparse.csr_array(contexts.affinity_NA[np.arange(rows), action_N][:, None])
    base = sparse.csr_array(np.ones((rows, 1)))
    parts = [base, context, chosen, sparse.csr_array(items.features_AG[action_N]), own]
    parts.append(_crossed(context, action_N, count))
    widths = np.cumsum([0, 1, features, count, described, 1, count * features]).tolist()
    names = ("base", "context", "item", "item features", "affinity", "item x context")
    groups = {name: slice(*widths[place : place + 2]) for place, name in enumerate(names)}
    return sparse.hstack(parts, format="csr"), groups


def model_of(coefficients_D: Floats, items: Catalogue, features: int) -> ClickModel:
    """The click model of a vector of coefficients, in the order of `design_of`."""
    count, described = items.features_AG.shape
    cuts = np.cumsum([1, features, count, described, 1])
    base, context_F, item_A, of_features_G, affinity, cross = np.split(coefficients_D, cuts)
    of_item_A = item_A + items.features_AG @ of_features_G
    return ClickModel(
        float(base[0]), context_F, of_item_A, float(affinity[0]), cross.reshape(count, features)
    )


def flat(model: ClickModel) -> ClickModel:
    """The same model with no difference between items: what the null control is judged on."""
    return dataclasses.replace(
        model,
        item_A=np.zeros_like(model.item_A),
        affinity=0.0,
        cross_AF=np.zeros_like(model.cross_AF),
    )


def _crossed(context: sparse.csr_array, action_N: Integers, count: int) -> sparse.csr_array:
    """Each row's features in the block of columns of its item."""
    rows, features = context.shape
    shift = np.repeat(action_N * features, np.diff(context.indptr))
    return sparse.csr_array(
        (context.data, context.indices + shift, context.indptr), shape=(rows, count * features)
    )


def _newton_step(
    design: sparse.csr_array, click_N: Floats, mode_D: Floats, precision_D: Floats
) -> tuple[Floats, Floats]:
    """The next coefficients, and the Cholesky factor of the Hessian at these."""
    chance_N = expit(design @ mode_D)
    gradient_D = design.T @ (click_N - chance_N) - precision_D * mode_D
    hessian = (design.T @ (design * (chance_N * (1 - chance_N))[:, None])).toarray()
    hessian[np.diag_indices_from(hessian)] += precision_D
    factor = linalg.cholesky(hessian, lower=True)
    step_D = linalg.cho_solve((factor, True), gradient_D)
    # A logistic curve is near a straight line for steps of a few units only.
    return mode_D + step_D * min(1.0, 4.0 / float(np.abs(step_D).max() + 1e-12)), factor


def _precisions(groups: dict[str, slice], spreads: dict[str, float]) -> Floats:
    precision_D = np.empty(max(group.stop for group in groups.values()))
    for name, group in groups.items():
        precision_D[group] = (BASE_SPREAD if name == "base" else spreads[name]) ** -2
    return precision_D


def _spread(mode_K: Floats, undetermined_K: Floats, prior: float) -> float:
    """A group's spread: the squares of its coefficients over how many of them the log determines."""
    determined = max(0.0, len(mode_K) - float(undetermined_K.sum()))
    spread = np.sqrt((float((mode_K**2).sum()) + prior**2) / (determined + 1))
    return float(np.clip(spread, *SPREADS))
