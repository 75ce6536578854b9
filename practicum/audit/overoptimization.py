"""Over-optimisation: fit the true reward's rise and fall against the distance from the reference, and say
where it peaks.

With d = sqrt(KL(policy || reference)) the true reward gained follows d (a - b d) for best-of-n and
d (a - b log d) for reinforcement learning (Gao, Schulman & Hilton 2022, 2210.10760, section 3.1). Both are
linear in a and b. Peaks: d = a / 2b, and d = exp(a/b - 1). The forms are known to fail near d = 0.
Suffixes: P points of a curve, S seeds or resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Literal

import numpy as np
from scipy.special import gammaln
from scipy.stats import norm
from scipy.stats import t as students_t

from practicum.errors import InputError
from practicum.stats import BOOTSTRAPS, Floats, Integers

Form = Literal["best_of_n", "rl"]
FORMS: tuple[Form, ...] = ("best_of_n", "rl")
FEWEST_POINTS = 4


@dataclass(frozen=True)
class Fit:
    """Coefficients of one form. `peak_kl` is infinite where the fitted curve never turns down.

    `r2` is of the points fitted; `held_out_r2` of points left out of the fit, in five contiguous blocks (None
    for fewer than ten points).
    """

    form: Form
    alpha: float
    beta: float
    r2: float
    held_out_r2: float | None

    @property
    def peak_distance(self) -> float:
        """sqrt(KL) at which the true reward is greatest; infinite if it never turns, 0 if it only falls."""
        if self.beta <= 0:
            return inf if self.alpha > 0 or self.beta < 0 else 0.0
        if self.form == "best_of_n":
            return max(0.0, self.alpha / (2 * self.beta))
        return exp(min(self.alpha / self.beta - 1, 300.0))

    @property
    def peak_kl(self) -> float:
        """KL in nats at the peak."""
        return self.peak_distance**2

    def at(self, kl: Floats) -> Floats:
        """Fitted gain in true reward at these KLs (nats)."""
        return np.asarray(
            _design(np.sqrt(np.asarray(kl, dtype=np.float64)), self.form) @ (self.alpha, self.beta)
        )


@dataclass(frozen=True)
class Bands:
    """A fit with its 95% bands: of the curve at each KL of `kl_G`, and of the peak in sqrt(KL)."""

    fit: Fit
    kl_G: Floats
    middle_G: Floats
    low_G: Floats
    high_G: Floats
    peak_distance: tuple[float, float]


def fit_curve(kl_P: Floats, reward_P: Floats, form: Form, near: bool = False) -> Fit:
    """Least squares of the gain in true reward on KL (nats, from 0), reward 0 at KL 0; `near` as in `bands`.

    Raises InputError for fewer than FEWEST_POINTS points, negative or non-finite values, or one KL only.
    """
    kl_P, reward_P = _points(kl_P, reward_P)
    alpha, beta = _coefficients(kl_P, reward_P, form, near)
    fitted = Fit(form, alpha, beta, 0.0, None)
    return Fit(form, alpha, beta, _r2(reward_P, fitted.at(kl_P)), _held_out(kl_P, reward_P, form, near))


def bands(
    runs: Sequence[tuple[Floats, Floats]], form: Form, seed: int = 0, grid: int = 60, near: bool = False
) -> Bands:
    """The fit to all runs' (KL, reward) points, with bootstrap bands (Efron 1979).

    With `near` a point weighs 1/d: what lies far from the reference, where a policy has collapsed and neither
    form holds, says less about the peak.

    Several runs (seeds) are redrawn whole, because the points of a run depend on each other; of a single run
    blocks of neighbouring points are (moving-block bootstrap, Kuensch 1989). Resamples of one KL are dropped.
    """
    if not runs:
        raise InputError("over-optimisation bands need at least one run, got none")
    checked = [_points(kl, reward) for kl, reward in runs]
    kl_P = np.concatenate([kl for kl, _ in checked])
    reward_P = np.concatenate([reward for _, reward in checked])
    fit = fit_curve(kl_P, reward_P, form, near)
    kl_G = np.linspace(0.0, float(np.sqrt(kl_P.max())), grid) ** 2
    generator = np.random.default_rng(seed)
    centre = np.array([fit.alpha, fit.beta])
    pieces = len(checked) if len(checked) > 1 else -(-len(kl_P) // _block_length(len(kl_P)))
    # A bootstrap of few pieces is too narrow by these two factors (Davison & Hinkley 1997, section 2.3).
    wider = float(students_t.isf(0.025, pieces - 1) / norm.isf(0.025)) * sqrt(pieces / (pieces - 1))
    curves, peaks = [], []
    for _ in range(BOOTSTRAPS // 2):
        if len(checked) > 1:
            drawn = [checked[index] for index in generator.integers(0, len(checked), len(checked))]
            kl, reward = (np.concatenate([run[part] for run in drawn]) for part in (0, 1))
        else:
            chosen = _blocks(len(kl_P), generator)
            kl, reward = kl_P[chosen], reward_P[chosen]
        if np.ptp(kl) <= 0:
            continue
        moved = centre + wider * (np.array(_coefficients(kl, reward, form, near)) - centre)
        one = Fit(form, float(moved[0]), float(moved[1]), 0.0, None)
        curves.append(one.at(kl_G))
        peaks.append(one.peak_distance)
    low_G, high_G = np.quantile(np.stack(curves), [0.025, 0.975], axis=0)
    # Order statistics, because a peak may be infinite and must not be interpolated.
    ordered = sorted(peaks)
    peak = ordered[int(0.025 * len(ordered))], ordered[min(len(ordered) - 1, int(0.975 * len(ordered)))]
    return Bands(fit, kl_G, fit.at(kl_G), low_G, high_G, peak)


def predict_peak(
    kl_P: Floats, reward_P: Floats, form: Form, share: float = 0.5, seed: int = 0
) -> tuple[float, float, float]:
    """(sqrt(KL) of the peak, low, high) from the first `share` of a run's points, in the order given.

    Fitted with `near` of `bands`.
    Raises InputError when that leaves fewer than FEWEST_POINTS points.
    """
    if not 0 < share <= 1:
        raise InputError(f"share: expected above 0 and at most 1, got {share}")
    seen = int(np.ceil(len(kl_P) * share))
    result = bands([(np.asarray(kl_P)[:seen], np.asarray(reward_P)[:seen])], form, seed, near=True)
    return result.fit.peak_distance, *result.peak_distance


def observed_peak(kl_P: Floats, reward_P: Floats, window: int = 1) -> tuple[int, float]:
    """(position, KL) of the greatest true reward after a centred moving average over `window` points."""
    kl_P, reward_P = _points(kl_P, reward_P)
    reach = window // 2
    smooth = [reward_P[max(0, index - reach) : index + reach + 1].mean() for index in range(len(reward_P))]
    best = int(np.argmax(smooth))
    return best, float(kl_P[best])


# ------------------------------------------------------------------------------------------- best of n


def best_of_n_kl(n: float) -> float:
    """KL in nats of the best of n samples from the samples: log n - (n - 1)/n, n >= 1.

    Source: Stiennon et al. 2020 (2009.01325), appendix G.3. It is an upper bound where outputs repeat
    (Beirami et al. 2024, 2401.01879).
    """
    if not n >= 1:
        raise InputError(f"best of n: expected n of at least 1, got {n}")
    return log(n) - (n - 1) / n


def best_of_n_reward(proxy_N: Floats, gold_N: Floats, n: int) -> float:
    """Expected true reward of the sample the proxy likes best among n drawn from these N without replacement.

    Sorted by proxy, sample i is the best of n with probability C(i - 1, n - 1) / C(N, n): the unbiased
    estimator of Nakano et al. 2021 (2112.09332, appendix I). Ties of the proxy are shared equally.
    Raises InputError for n beyond N.
    """
    count = len(proxy_N)
    if not 1 <= n <= count or len(gold_N) != count:
        raise InputError(f"best of {n}: expected n from 1 to the {count} samples, each with both rewards")
    order = np.argsort(proxy_N, kind="stable")
    _, tied = np.unique(np.asarray(proxy_N)[order], return_inverse=True)
    gold = np.asarray(gold_N, dtype=np.float64)[order]
    shared = (np.bincount(tied, gold) / np.bincount(tied))[tied]
    places = np.arange(n, count + 1)
    weights = np.exp(
        gammaln(places) - gammaln(n) - gammaln(places - n + 1)
        - (gammaln(count + 1) - gammaln(n + 1) - gammaln(count - n + 1))
    )  # fmt: skip
    return float(weights @ shared[n - 1 :])


def best_of_n_curve(
    proxy_QN: Sequence[Floats], gold_QN: Sequence[Floats], ns: Sequence[int]
) -> tuple[Floats, Floats, Floats]:
    """(KL, gain of the proxy, gain of the true reward) for each n, mean over prompts Q, 0 at n = 1."""
    kl = np.array([best_of_n_kl(n) for n in ns])
    proxy, gold = (
        np.array(
            [
                np.mean(
                    [
                        best_of_n_reward(p, v, n) - float(np.mean(v))
                        for p, v in zip(proxy_QN, values, strict=True)
                    ]
                )
                for n in ns
            ]
        )
        for values in (proxy_QN, gold_QN)
    )
    return kl, proxy, gold


# ------------------------------------------------------------------------------------------- arithmetic


def _points(kl_P: Floats, reward_P: Floats) -> tuple[Floats, Floats]:
    kl, reward = np.asarray(kl_P, dtype=np.float64), np.asarray(reward_P, dtype=np.float64)
    if kl.shape != reward.shape or kl.ndim != 1 or len(kl) < FEWEST_POINTS:
        raise InputError(
            f"over-optimisation: {kl.shape} KLs and {reward.shape} rewards: expected one of each per "
            f"point and {FEWEST_POINTS} points or more; log the true reward at more steps"
        )
    if not (np.isfinite(kl).all() and np.isfinite(reward).all()):
        place = int(np.flatnonzero(~np.isfinite(kl) | ~np.isfinite(reward))[0])
        raise InputError(f"over-optimisation: point {place + 1} is not finite: drop it or log a number there")
    if kl.min() < -1e-6:
        raise InputError(f"over-optimisation: point {int(kl.argmin()) + 1} has KL {kl.min():.3g}, below 0")
    if np.ptp(kl) <= 0:
        raise InputError("over-optimisation: all points have the same KL: log points along the run")
    return np.maximum(kl, 0.0), reward


def _design(distance_P: Floats, form: Form) -> Floats:
    """Columns of a and b."""
    if form == "best_of_n":
        return np.stack([distance_P, -(distance_P**2)], axis=1)
    # d log d tends to 0 with d.
    safe = np.maximum(distance_P, 1e-12)
    return np.stack([distance_P, -safe * np.log(safe)], axis=1)


def _coefficients(kl_P: Floats, reward_P: Floats, form: Form, near: bool = False) -> tuple[float, float]:
    distance_P = np.sqrt(kl_P)
    weight_P = np.maximum(distance_P, 0.05) ** -0.5 if near else np.ones_like(distance_P)
    design = _design(distance_P, form) * weight_P[:, None]
    solution = np.linalg.lstsq(design, reward_P * weight_P, rcond=None)[0]
    return float(solution[0]), float(solution[1])


def _r2(true: Floats, fitted: Floats) -> float:
    spread = float(((true - true.mean()) ** 2).sum())
    return 1 - float(((true - fitted) ** 2).sum()) / spread if spread > 0 else 0.0


def _held_out(
    kl_P: Floats, reward_P: Floats, form: Form, near: bool = False, blocks: int = 5
) -> float | None:
    if len(kl_P) < 10:
        return None
    fitted = np.empty_like(reward_P)
    for left_out in np.array_split(np.argsort(kl_P, kind="stable"), blocks):
        kept = np.setdiff1d(np.arange(len(kl_P)), left_out)
        fitted[left_out] = Fit(form, *_coefficients(kl_P[kept], reward_P[kept], form, near), 0.0, None).at(
            kl_P[left_out]
        )
    return _r2(reward_P, fitted)


def _block_length(count: int) -> int:
    return max(1, round(sqrt(count)))


def _blocks(count: int, generator: np.random.Generator) -> Integers:
    length = _block_length(count)
    starts = generator.integers(0, count - length + 1, -(-count // length))
    return np.concatenate([np.arange(start, start + length) for start in starts])[:count]
