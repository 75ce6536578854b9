"""Bias, forecast and measured: how a majority's taste becomes a model's only taste. `practicum audit bias`.

The forecast and the remedies are in `forecast.py`; here is the meter, which counts an attribute in the
reference's texts, in raters' choices and in the policy's texts, and the instrument made of all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w
from scipy.special import expit, logit
from scipy.stats import t as students_t

from practicum.audit.attributes import Classifier, classifier
from practicum.audit.forecast import (
    Outcome,
    effective_beta,
    forecast,
    learned_share,
    remedies,
    scaling_warning,
)
from practicum.audit.instruments import Instrument
from practicum.audit.judge import judge_in
from practicum.errors import InputError
from practicum.files import atomic_write, read_jsonl
from practicum.preferences import formats
from practicum.ranges import OpenShare, PositiveFloat, Ranged
from practicum.report.figures import INK, SERIES, SMALL, page_picture
from practicum.report.plots import LEGEND, bars, estimates_picture, in_percent
from practicum.report.sections import Section, estimate_row
from practicum.reward.plain import PlainReward, checked
from practicum.stats import Estimate, Integers, clustered_share
from practicum.types import Prompt, Ranking, RewardFormat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BETAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Ticks of the forecast's picture."""
MOST_CARRIERS = 10


@dataclass(frozen=True)
class Meter:
    """An attribute's shares along the way, each with a 95% interval.

    `raters` is the share of choices for the attribute among pairs where exactly one response has it.
    amplification: odds of the policy over odds of the reference, divided by the raters' odds (1: the policy
    moved as far as calibrated raters would move it, above: further). measured_beta: the beta at which the
    forecast equals the policy's share; None where it moved against the raters or they have no preference.
    """

    attribute: str
    reference: Estimate
    raters: Estimate
    policy: Estimate
    amplification: float
    measured_beta: float | None


def meter(
    attribute: str,
    classify: Classifier,
    rankings: Sequence[Ranking],
    reference: Sequence[tuple[Prompt, str]],
    policy: Sequence[tuple[Prompt, str]],
) -> Meter:
    """Measure an attribute among the reference's responses, the raters' choices and the policy's outputs.

    Intervals are over prompts. Raises InputError naming what there is too little of.
    """
    raters = rater_share(rankings, classify)
    shares = [
        text_share(pairs, classify, name) for name, pairs in (("reference", reference), ("policy", policy))
    ]
    return compare(attribute, shares[0], raters, shares[1])


def compare(attribute: str, reference: Estimate, raters: Estimate, policy: Estimate) -> Meter:
    """The meter from its three shares; shares of 0 and 1 count as half a prompt away from it."""
    moved, wanted = _safe_logit(policy) - _safe_logit(reference), _safe_logit(raters)
    ratio = moved / wanted if abs(wanted) > 1e-9 else 0.0
    return Meter(
        attribute,
        reference,
        raters,
        policy,
        amplification=float(np.exp(moved - wanted)),
        measured_beta=1 / ratio if ratio > 1e-9 else None,
    )


def text_share(texts: Sequence[tuple[Prompt, str]], classify: Classifier, name: str = "texts") -> Estimate:
    """Share of texts with the attribute, its interval over prompts."""
    if len({prompt.text for prompt, _ in texts}) < 2:
        raise InputError(f"{name}: an interval needs texts on at least 2 prompts: give more prompts")
    hits = np.array([float(classify(prompt, text)) for prompt, text in texts])
    return clustered_share(hits, _numbers([prompt.text for prompt, _ in texts]))


def rater_share(rankings: Sequence[Ranking], classify: Classifier) -> Estimate:
    """How often raters choose the attribute where a pair offers the choice; ties count half.

    Each ranking weighs by its number of such pairs; the interval is over prompts. Raises InputError when
    fewer than two prompts offer the choice.
    """
    prompts, shares = [], []
    for ranking in rankings:
        for share in _choices(ranking, classify):
            prompts.append(ranking.prompt.text)
            shares.append(share)
    if len(set(prompts)) < 2:
        raise InputError(
            f"rankings: {len(set(prompts))} prompts have a response with and one without the attribute, "
            "2 are needed: rank more varied responses"
        )
    return clustered_share(np.array(shares), _numbers(prompts))


def paid_share(rankings: Sequence[Ranking], classify: Classifier, reward: PlainReward) -> Estimate:
    """How often a reward prefers the attribute: sigmoid of what it pays more for it, mean within prompts.

    A learned reward has shrunk what raters prefer, and the policy goes where the reward pays, so this share
    in place of theirs makes the better forecast. The 95% interval is Student's t over prompts. Raises
    InputError when fewer than two prompts offer the choice.
    """
    asked = {ranking.prompt.text: ranking for ranking in rankings}
    gaps = []
    for ranking in asked.values():
        texts = [response.text for response in ranking.responses]
        has = np.array([bool(classify(ranking.prompt, text)) for text in texts], dtype=bool)
        if has.any() and not has.all():
            paid = checked(reward, [ranking.prompt] * len(texts), texts)
            gaps.append(float(paid[has].mean() - paid[~has].mean()))
    if len(gaps) < 2:
        raise InputError(
            f"rankings: {len(gaps)} prompts have a response with and one without the attribute, "
            "2 are needed: rank more varied responses"
        )
    reach = float(students_t.ppf(0.975, len(gaps) - 1)) * np.std(gaps, ddof=1) / len(gaps) ** 0.5
    middle = float(np.mean(gaps))
    value, low, high = (float(expit(gap)) for gap in (middle, middle - reach, middle + reach))
    return Estimate(value, low, high, len(gaps))


@dataclass(frozen=True)
class Carrier:
    """A rater's part in a preference: own share of choices, shrunk towards all raters', over `choices` of
    them, and `pull`: how much the raters' share falls (rises, if negative) without this rater."""

    rater: str
    share: float
    choices: int
    pull: float


def carriers(rankings: Sequence[Ranking], classify: Classifier) -> list[Carrier]:
    """Which raters carry a preference, the strongest pull first.

    Shrinkage is that of a Beta prior with mean the overall share and the weight of 4 choices. Raises
    InputError when no pair offers the choice, or there is one rater only.
    """
    given = _choices_of_raters(rankings, classify)
    if len(given) < 2:
        raise InputError(f"{len(given)} raters had the choice, 2 are needed to tell who carries a preference")
    total, count = sum(map(sum, given.values())), sum(map(len, given.values()))
    found = [
        Carrier(
            rater,
            (sum(values) + 4 * total / count) / (len(values) + 4),
            len(values),
            total / count - (total - sum(values)) / (count - len(values)),
        )
        for rater, values in given.items()
    ]
    return sorted(found, key=lambda one: -abs(one.pull))


def camp_weights(rankings: Sequence[Ranking], classify: Classifier, wanted: float) -> dict[str, float]:
    """One weight for all raters who mostly choose the attribute, by name, that makes the weighted share of
    choices `wanted`; the others weigh 1 (the rater reweighting of `remedies`, by persons and not by votes).

    Raises InputError when one camp is empty, or no weight of at least 0 does it.
    """
    given = _choices_of_raters(rankings, classify)
    camp = [rater for rater, values in given.items() if sum(values) > len(values) / 2]
    inside, outside = (
        [value for rater, values in given.items() if (rater in camp) is side for value in values]
        for side in (True, False)
    )
    if not inside or not outside:
        raise InputError(
            f"all {len(given)} raters are of one mind, so no weights bring their share to {wanted:.1%}: use "
            "--reward.shares, or more KL weight"
        )
    # (w A + B) / (w N + M) = wanted, with A of N choices for it inside the camp and B of M outside.
    above, below = sum(inside) - wanted * len(inside), wanted * len(outside) - sum(outside)
    weight = below / above if above else -1.0
    if weight < 0:
        raise InputError(
            f"no weight of the {len(camp)} raters who favour it brings the share to {wanted:.1%}: it lies "
            f"between {sum(outside) / len(outside):.1%} and {sum(inside) / len(inside):.1%}"
        )
    return dict.fromkeys(sorted(camp), weight)


def _choices_of_raters(rankings: Sequence[Ranking], classify: Classifier) -> dict[str, list[float]]:
    """Every rater's choices as of `_choices`, of those who had any."""
    found: dict[str, list[float]] = defaultdict(list)
    for ranking in rankings:
        found[ranking.rater] += _choices(ranking, classify)
    return {rater: values for rater, values in found.items() if values}


def _choices(ranking: Ranking, classify: Classifier) -> list[float]:
    """Per pair with exactly one response of the attribute: 1 when it is preferred, 0.5 tied, else 0."""
    has = [classify(ranking.prompt, response.text) for response in ranking.responses]
    return [
        0.5 + 0.5 * float(np.sign(ranking.ranks[other] - ranking.ranks[one]))
        for one in range(len(has))
        for other in range(len(has))
        if has[one] and not has[other]
    ]


def _numbers(names: Sequence[str]) -> Integers:
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _safe_logit(estimate: Estimate) -> float:
    edge = 0.5 / (estimate.n + 1)
    return float(logit(min(max(estimate.value, edge), 1 - edge)))


# ------------------------------------------------------------------------------------------ the instrument


@dataclass(frozen=True)
class Config(Ranged):
    """Forecast how far a model will exaggerate what raters prefer; with files, also measure it."""

    rater_share: OpenShare | None = None
    """How often raters choose the attribute where they have the choice; none: measured in --preferences."""
    reference_share: OpenShare | None = None
    """Its share before training (0.5 when there is no --reference to measure it in)."""
    beta: PositiveFloat = 0.5
    """Weight of the KL penalty against a calibrated reward."""
    reward_deviation: PositiveFloat = 1.0
    """What rewards are divided by before they are paid: it changes beta silently."""
    target: OpenShare | None = None
    """Share that a remedy should reach; none: the raters' own."""
    attribute: str = "style:pun"
    """What is counted: style:NAME (jokes), words:WORD,WORD (a topic), longer:COUNT, sentiment:positive or
    :negative, or python:FILE.py:FUNCTION, your own function(prompt, text)."""
    preferences: Path | None = None
    """Rankings to measure raters' choices in."""
    reward_model: tuple[Path, ...] = ()
    """Reward models (or their runs), all heads averaged: forecast from what they prefer among the
    --preferences too."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    device: str = "auto"
    """Where the reward models are: auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else
    Apple's mps, else the CPU."""
    reference: Path | None = None
    """JSONL with prompt and completion: what the model wrote before training."""
    policy: Path | None = None
    """JSONL with prompt and completion: what it writes now."""
    weights: Path | None = None
    """TOML file to write rater weights to that bring the forecast to the target, for `practicum reward-model
    --config` (needs --preferences)."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to (needs all three files)."""


@dataclass(frozen=True)
class Result:
    """The forecast, what was measured, and what may be done.

    `beta` is in units of the raw reward. `measured`: shares by name (raters, reference, policy) of the files
    given. `paid`: how often the reward models prefer the attribute. `meter`: where all three are measured.
    """

    config: Config
    raters: float
    reference: float
    beta: float
    remedies: Sequence[Outcome]
    measured: Mapping[str, Estimate]
    carriers: Sequence[Carrier] | None = None
    paid: Estimate | None = None
    weights: Mapping[str, float] | None = None
    meter: Meter | None = None

    @property
    def forecast(self) -> float:
        """Share that the policy will give the attribute."""
        return forecast(self.raters, self.reference, self.beta)

    @property
    def forecast_of_reward(self) -> float | None:
        """The same from what the reward models prefer; None without any."""
        return None if self.paid is None else forecast(self.paid.value, self.reference, self.beta)

    @property
    def warning(self) -> str | None:
        """What dividing rewards does to the forecast, in words; None if little."""
        deviation = self.config.reward_deviation
        return scaling_warning(self.config.beta, deviation, self.raters, self.reference)


def run(config: Config) -> Result:
    """Forecast, and measure in the files that are given. Raises InputError naming the setting that lacks."""
    _check_files(config)
    classify = classifier(config.attribute)
    rankings = formats.read(config.preferences) if config.preferences else []
    measured = _measured(config, classify, rankings)
    raters = config.rater_share if config.rater_share is not None else _value(measured, "raters")
    if raters is None:
        raise InputError("bias: give --rater_share, or --preferences to measure it in")
    before = config.reference_share if config.reference_share is not None else _value(measured, "reference")
    before = 0.5 if before is None else before
    beta = effective_beta(config.beta, config.reward_deviation)
    paid = weights = None
    if config.reward_model:
        paid = paid_share(
            rankings, classify, judge_in(config.reward_model, config.reward_format, config.device)
        )
    if config.weights is not None:
        wanted = raters if config.target is None else config.target
        weights = camp_weights(rankings, classify, learned_share(wanted, before, beta))
    return Result(
        config=config,
        raters=raters,
        reference=before,
        beta=beta,
        remedies=remedies(raters, before, beta, config.target),
        measured=measured,
        carriers=_strongest(rankings, classify) if config.preferences else None,
        paid=paid,
        weights=weights,
        meter=_meter_of(config.attribute, measured),
    )


def _check_files(config: Config) -> None:
    """Raise InputError where a setting needs a file that is not given."""
    if config.report is not None and not (config.preferences and config.reference and config.policy):
        raise InputError("bias: --report needs --preferences, --reference and --policy")
    if config.weights is not None and config.preferences is None:
        raise InputError("bias: give --preferences, whose raters the --weights are for")
    if config.reward_model and config.preferences is None:
        raise InputError("bias: give --preferences, whose responses the --reward_model is asked about")


def _measured(config: Config, classify: Classifier, rankings: Sequence[Ranking]) -> dict[str, Estimate]:
    found = {"raters": rater_share(rankings, classify)} if config.preferences else {}
    for name, path in (("reference", config.reference), ("policy", config.policy)):
        if path is not None:
            found[name] = text_share(completions(path), classify, name)
    return found


def _value(measured: Mapping[str, Estimate], name: str) -> float | None:
    return measured[name].value if name in measured else None


def _strongest(rankings: Sequence[Ranking], classify: Classifier) -> list[Carrier]:
    """The raters with the strongest pull; of one rater alone nothing can be said."""
    alone = len({one.rater for one in rankings}) < 2
    return [] if alone else carriers(rankings, classify)[:MOST_CARRIERS]


def _meter_of(attribute: str, measured: Mapping[str, Estimate]) -> Meter | None:
    if not {"raters", "reference", "policy"} <= measured.keys():
        return None
    return compare(attribute, measured["reference"], measured["raters"], measured["policy"])


def completions(path: Path) -> list[tuple[Prompt, str]]:
    """Prompts and completions of a JSONL file like samples.jsonl. Raises InputError naming line and field."""
    found = []
    for number, row in read_jsonl(path):
        for name in ("prompt", "completion"):
            if not isinstance(row.get(name), str):
                raise InputError(f"{path}:{number}: field {name!r}: expected a text")
        data = row.get("data")
        found.append((Prompt(row["prompt"], data if isinstance(data, Mapping) else {}), row["completion"]))
    if not found:
        raise InputError(f"{path}: holds no rows")
    return found


def lines(result: Result) -> list[str]:
    """Forecast, warning, remedies, weights, and what was measured."""
    said = [
        f"forecast: {result.forecast:.1%} at beta {result.beta:g} (raters {result.raters:.1%}, reference "
        f"{result.reference:.1%})"
    ]
    if result.paid is not None:
        said.append(
            f"forecast of the reward model: {result.forecast_of_reward:.1%} (it prefers "
            f"{_with_interval(result.paid)})"
        )
    if result.warning is not None:
        said.append(f"warning: {result.warning}")
    said += [
        f"remedy: {one.remedy.replace('_', ' ')} at {one.setting:.3g} brings it to {one.share:.1%} and keeps "
        f"{one.gain:.0%} of the reward gained"
        for one in result.remedies
    ]
    if result.weights is not None:
        said.append(
            f"weights: {len(result.weights)} raters who favour it weigh "
            f"{next(iter(result.weights.values())):.3g}: practicum reward-model --config "
            f"{result.config.weights}"
        )
    said += [f"measured: {name} {_with_interval(share)}" for name, share in result.measured.items()]
    if result.meter is not None:
        said.append(f"measured: amplification {result.meter.amplification:.2f}")
    return said


def _with_interval(share: Estimate) -> str:
    return f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"


def as_json(result: Result) -> dict[str, Any]:
    """Forecast and remedies, and of what was not asked for no key."""
    values: dict[str, Any] = {
        "rater_share": result.raters,
        "reference_share": result.reference,
        "beta": result.beta,
        "forecast": result.forecast,
        "remedies": [asdict(one) for one in result.remedies],
    }
    if result.paid is not None:
        values |= {"paid": result.paid.json(), "forecast_of_reward": result.forecast_of_reward}
    if result.warning is not None:
        values["warning"] = result.warning
    if result.weights is not None:
        values["weights"] = dict(result.weights)
    values |= {f"measured_{name}": share.json() for name, share in result.measured.items()}
    if result.carriers is not None:
        values["carriers"] = [asdict(one) for one in result.carriers]
    if result.meter is not None:
        values["amplification"] = result.meter.amplification
        values["measured_beta"] = result.meter.measured_beta
    return values


def write(result: Result) -> None:
    """Write the raters' weights where a file is named for them."""
    if result.config.weights is not None and result.weights is not None:
        atomic_write(result.config.weights, tomli_w.dumps({"weights": dict(result.weights)}))


def page(result: Result) -> tuple[str, list[Section]]:
    """The file of what the policy wrote, and the section."""
    assert result.meter is not None, "a report is refused without the three files"
    return str(result.config.policy), [section(result.meter, result.beta)]


audit = Instrument(run, lines, as_json, page, write)


# ---------------------------------------------------------------------------------------------- on the page


def section(found: Meter, beta: float | None = None) -> Section:
    """Whether the model exaggerates what people prefer; with `beta` also the forecast and the remedies."""
    raters, policy = found.raters.value, found.policy.value
    beyond = found.policy.low > found.raters.high
    shares = {"reference": found.reference, "raters": found.raters, "policy": found.policy}
    figures = [(meter_picture(found), "Shares with 95% intervals.")]
    data = {
        "attribute": found.attribute,
        **{name: share.json() for name, share in shares.items()},
        "amplification": found.amplification,
        "measured_beta": found.measured_beta,
    }
    if beta is not None and 0 < raters < 1:
        foreseen, pictures = _foreseen(found, beta)
        data, figures = data | foreseen, figures + pictures
    return Section(
        "bias",
        "Does it exaggerate people's taste?",
        "bad" if beyond else "good",
        f"People choose {found.attribute} in {raters:.0%} of cases; the model writes it in {policy:.0%}, "
        f"{'more than' if beyond else 'no clearer than'} people's share.",
        data,
        figures,
        ("where", "share", "95% interval"),
        [estimate_row(name, share) for name, share in shares.items()],
    )


def _foreseen(found: Meter, beta: float) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The forecast and the remedies, as plain values and as pictures with captions."""
    raters = found.raters.value
    reference = min(max(found.reference.value, 0.005), 0.995)
    share, cures = forecast(raters, reference, beta), remedies(raters, reference, beta)
    svg = forecast_picture(raters, reference, [(beta, found.policy)], beta)
    pictures = [(svg, f"Forecast {share:.1%} at beta {beta:g}.")]
    if cures:
        pictures.append((remedies_picture(cures, raters), "What each remedy keeps of the reward."))
    return {"forecast": share, "remedies": [one.__dict__ for one in cures]}, pictures


def meter_picture(found: Meter) -> str:
    """Shares of an attribute in the reference, the raters' choices and the policy."""
    parts = [("reference", found.reference), ("raters' choices", found.raters), ("policy", found.policy)]
    return estimates_picture("audit-meter", parts, f"share of {found.attribute}", None, SMALL)


def forecast_picture(
    rater_share: float,
    reference_share: float,
    measured: Sequence[tuple[float, Estimate]] = (),
    beta: float | None = None,
) -> str:
    """The forecast share against beta, with measured shares and their intervals."""

    def draw(axes: Axes) -> None:
        grid = np.geomspace(0.05, 5, 120)
        foreseen = [forecast(rater_share, reference_share, one) for one in grid]
        axes.plot(grid, foreseen, color=SERIES[0], label="forecast")
        axes.axhline(rater_share, color=SERIES[2], linestyle="--", linewidth=1, label="raters")
        axes.axhline(reference_share, color=SERIES[4], linestyle=":", linewidth=1, label="reference")
        for place, (at, share) in enumerate(measured):
            error = [[share.value - share.low], [share.high - share.value]]
            label = "measured" if place == 0 else None
            axes.errorbar([at], [share.value], yerr=error, fmt="o", color=SERIES[1], capsize=3, label=label)
        if beta is not None:
            axes.axvline(beta, color=INK, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(BETAS, [f"{one:g}" for one in BETAS])
        axes.set_xticks([], minor=True)
        axes.set_ylim(0, 1.02)
        in_percent(axes)
        axes.set_xlabel("weight of the KL penalty (beta)")
        axes.set_ylabel("share of the favoured style")
        axes.legend(**LEGEND)

    told = ", ".join(
        f"{forecast(rater_share, reference_share, one):.1%} at beta {one}" for one in (1, 0.5, 0.2)
    )
    return page_picture("audit-forecast", f"Forecast share against beta: {told}", draw, SMALL)


def remedies_picture(outcomes: Sequence[Outcome], target: float) -> str:
    """What each remedy keeps of the reward when it brings the share to the target."""

    def draw(axes: Axes) -> None:
        names = [outcome.remedy.replace("_", " ") for outcome in outcomes][::-1]
        bars(axes, names, [outcome.gain for outcome in outcomes][::-1], SERIES[2])
        axes.set_xlabel(f"reward gain kept at a share of {target:.0%} (1: all)")

    told = ", ".join(f"{outcome.remedy} {outcome.gain:.0%}" for outcome in outcomes)
    return page_picture("audit-remedies", f"Reward gain kept: {told}", draw, SMALL)
