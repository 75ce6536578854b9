"""Over-optimisation: fit the true reward's rise and fall against the distance from the reference, and say
where it peaks.

With d = sqrt(KL(policy || reference)) the true reward gained follows d (a - b d) for best-of-n and
d (a - b log d) for reinforcement learning (Gao, Schulman & Hilton 2022, 2210.10760, section 3.1). Both are
linear in a and b. Peaks: d = a / 2b, and d = exp(a/b - 1). The forms are known to fail near d = 0.
`practicum audit overoptimization --metrics` fits recorded runs; `lab.py` makes runs of its own.
Suffixes: P points of a curve, S seeds or resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import exp, inf, log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import gammaln
from scipy.stats import norm
from scipy.stats import t as students_t

from practicum.audit.instruments import Instrument, named
from practicum.errors import InputError
from practicum.files import read_rows
from practicum.ranges import OpenShare, Ranged
from practicum.report.figures import INK, SERIES, WIDE, page_picture
from practicum.report.plots import LEGEND
from practicum.report.sections import Section
from practicum.stats import BOOTSTRAPS, Floats, Integers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    fit = fit_curve(kl_P, np.concatenate([reward for _, reward in checked]), form, near)
    kl_G = np.linspace(0.0, float(np.sqrt(kl_P.max())), grid) ** 2
    centre = np.array([fit.alpha, fit.beta])
    pieces = len(checked) if len(checked) > 1 else -(-len(kl_P) // _block_length(len(kl_P)))
    # A bootstrap of few pieces is too narrow by these two factors (Davison & Hinkley 1997, section 2.3).
    wider = float(students_t.isf(0.025, pieces - 1) / norm.isf(0.025)) * sqrt(pieces / (pieces - 1))
    curves, peaks = [], []
    for kl, reward in _redrawn(checked, np.random.default_rng(seed)):
        moved = centre + wider * (np.array(_coefficients(kl, reward, form, near)) - centre)
        one = Fit(form, float(moved[0]), float(moved[1]), 0.0, None)
        curves.append(one.at(kl_G))
        peaks.append(one.peak_distance)
    low_G, high_G = np.quantile(np.stack(curves), [0.025, 0.975], axis=0)
    # Order statistics, because a peak may be infinite and must not be interpolated.
    ordered = sorted(peaks)
    peak = ordered[int(0.025 * len(ordered))], ordered[min(len(ordered) - 1, int(0.975 * len(ordered)))]
    return Bands(fit, kl_G, fit.at(kl_G), low_G, high_G, peak)


def _redrawn(
    runs: Sequence[tuple[Floats, Floats]], generator: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Resamples of the points: whole runs where there are several, else blocks of the one; see `bands`."""
    for _ in range(BOOTSTRAPS // 2):
        if len(runs) > 1:
            drawn = [runs[index] for index in generator.integers(0, len(runs), len(runs))]
            kl, reward = (np.concatenate([run[part] for run in drawn]) for part in (0, 1))
        else:
            chosen = _blocks(len(runs[0][0]), generator)
            kl, reward = runs[0][0][chosen], runs[0][1][chosen]
        if np.ptp(kl) > 0:
            yield kl, reward


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


# ------------------------------------------------------------------------------------------ the instrument


@dataclass(frozen=True)
class Config(Ranged):
    """Fit the rise and fall of true reward against sqrt(KL), say where it peaks, and foresee it."""

    metrics: tuple[Path, ...]
    """metrics.jsonl of one run, or of the same recipe with several seeds."""
    gold: str = "reward/gold"
    """Column of the true reward."""
    kl: str = "kl_completion"
    """Column of the KL to the reference, nats a completion."""
    per_token: bool = False
    """The KL column is nats a token (as `kl` is): multiply it by the column completion_tokens."""
    form: Literal["rl", "best_of_n"] = "rl"
    """d(a - b log d) for reinforcement learning, d(a - b d) for best-of-n; d = sqrt(KL)."""
    first: OpenShare = 0.5
    """Share of the run from which the peak is predicted."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""


@dataclass(frozen=True)
class GoldCurve:
    """The true reward of all runs against KL, and what was fitted to it.

    `proxy_P`: the reward that was paid, where it is known. `predicted`: sqrt(KL) of the peak as the first
    part of a run foresees it.
    """

    bands: Bands
    kl_P: Floats
    gold_P: Floats
    proxy_P: Floats | None = None
    predicted: float | None = None


@dataclass(frozen=True)
class Result:
    """The curve; of each run, where its true reward was greatest (KL) and where that was foreseen (sqrt)."""

    config: Config
    curve: GoldCurve
    observed: tuple[float, ...]
    predicted: tuple[float, ...]


def run(config: Config) -> Result:
    """Fit the recorded runs together, and foresee the peak of each from its first part."""
    runs = [gold_curve(path, config) for path in config.metrics]
    if not runs:
        raise InputError("overoptimization: give --metrics, one file or more")
    fitted = bands(runs, config.form)
    kl_P, gold_P = (np.concatenate([one[part] for one in runs]) for part in (0, 1))
    predicted = tuple(predict_peak(*one, config.form, config.first)[0] for one in runs)
    observed = tuple(observed_peak(*one, window=5)[1] for one in runs)
    return Result(config, GoldCurve(fitted, kl_P, gold_P, None, predicted[0]), observed, predicted)


def gold_curve(path: Path, config: Config) -> tuple[Floats, Floats]:
    """(KL in nats a sequence, true reward gained since the first row) of a run's rows that have both."""
    kl, gold = [], []
    for row in read_rows(path):
        values = [row.get(config.kl), row.get(config.gold), row.get("completion_tokens", 1.0)]
        if any(not isinstance(value, (int, float)) for value in values):
            continue
        distance, reward, tokens = (float(value) for value in values if value is not None)
        kl.append(max(0.0, distance) * (tokens if config.per_token else 1.0))
        gold.append(reward)
    if len(gold) < FEWEST_POINTS:
        raise InputError(
            f"{path}: {len(gold)} rows have both {config.kl!r} and {config.gold!r}, {FEWEST_POINTS} are "
            "needed: name other columns with --kl and --gold"
        )
    return np.array(kl), np.array(gold) - gold[0]


def lines(result: Result) -> list[str]:
    """Nothing: the command line shows the values themselves."""
    return []


def as_json(result: Result) -> dict[str, Any]:
    """Fit, peak, its band, and the peaks observed and predicted."""
    fitted = result.curve.bands
    return {
        **asdict(fitted.fit),
        "peak_distance": fitted.fit.peak_distance,
        "peak_kl": fitted.fit.peak_kl,
        "peak_distance_ci95": list(fitted.peak_distance),
        "observed_peak_kl": list(result.observed),
        "predicted_peak_distance": list(result.predicted),
    }


def page(result: Result) -> tuple[str, list[Section]]:
    """The runs' files, and the section."""
    return named(result.config.metrics), [section(result.curve)]


audit = Instrument(run, lines, as_json, page)


def section(curve: GoldCurve) -> Section:
    """Where more training stops helping."""
    fit, (low, high) = curve.bands.fit, curve.bands.peak_distance
    peak, farthest = fit.peak_distance, float(curve.bands.kl_G.max()) ** 0.5
    if peak < farthest:
        sentence = (
            f"True reward peaks at sqrt(KL) {peak:.2f} and falls beyond it; the run went to {farthest:.2f}."
        )
    else:
        sentence = f"True reward was still rising at sqrt(KL) {farthest:.2f}, as far as the run went."
    held_out = "" if fit.held_out_r2 is None else f"held out {fit.held_out_r2:.2f}"
    return Section(
        "overoptimization",
        "When does more training hurt?",
        "bad" if peak < farthest else "good",
        sentence,
        {
            **asdict(fit),
            "peak_kl": fit.peak_kl,
            "peak_distance": peak,
            "peak_distance_ci95": [low, high],
            "predicted_peak_distance": curve.predicted,
        },
        [(picture(curve), "Band: 95% of bootstrap fits.")],
        ("figure", "value", "95% interval"),
        [
            ("sqrt(KL) of the peak", f"{peak:.2f}", f"{low:.2f} to {high:.2f}"),
            ("variance explained", f"{fit.r2:.2f}", held_out),
        ],
    )


def picture(curve: GoldCurve) -> str:
    """True reward against sqrt(KL): points, fit, band and peak; the proxy beside it where it is known."""
    fitted, distance_P = curve.bands, np.sqrt(curve.kl_P)

    def draw(axes: Axes) -> None:
        distance = np.sqrt(fitted.kl_G)
        axes.fill_between(distance, fitted.low_G, fitted.high_G, color=SERIES[0], alpha=0.2, linewidth=0)
        axes.plot(distance, fitted.middle_G, color=SERIES[0], label="true reward, fitted")
        axes.plot(distance_P, curve.gold_P, ".", color=SERIES[0], markersize=4, label="true reward")
        if curve.proxy_P is not None:
            axes.plot(distance_P, curve.proxy_P, ".", color=SERIES[1], markersize=4, label="proxy reward")
        if fitted.fit.peak_distance <= float(distance.max()):
            axes.axvline(fitted.fit.peak_distance, color=INK, linestyle="--", linewidth=1, label="peak")
        if curve.predicted is not None and curve.predicted <= float(distance.max()):
            axes.axvline(
                curve.predicted, color=SERIES[2], linestyle=":", linewidth=1.6, label="peak, predicted"
            )
        axes.set_xlabel("distance from the reference (square root of KL, nats)")
        axes.set_ylabel("reward gained")
        axes.legend(**LEGEND)

    description = (
        f"True reward against the square root of KL; fitted peak at {fitted.fit.peak_distance:.2f}, "
        f"gain there {float(fitted.middle_G.max()):.2f}"
    )
    return page_picture("audit-overoptimization", description, draw, WIDE)
