"""What `practicum apply ads` shows: the sentence, the tables, the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.data import Contexts, Log
from practicum.applications.ads.environment import Clicks
from practicum.applications.ads.estimators import CHOSEN
from practicum.applications.ads.experiment import ExperimentConfig, Path, confidence, observed
from practicum.applications.ads.policies import Policy
from practicum.applications.results import Figure, Outcome, Panel, Table
from practicum.stats import student_mean

Floats = NDArray[np.float64]
Json = dict[str, Any]

LEARNER = "ppo"
GOAL = 0.23
LOOKS_SHOWN = 120
TITLES = {
    "random": "random",
    "logging": "logging policy",
    "popularity": "best seller",
    "linucb": "LinUCB",
    "thompson": "Thompson sampling",
    "vowpalwabbit": "vowpalwabbit",
    "click model": "click model's best",
    "ppo": "PPO",
    "click model, tired": "click model, knows of tiring",
    "click model, freshest category": "click model, freshest category",
}
ESTIMATOR_TITLES = {
    "ips": "IPS",
    "snips": "self-normalised IPS",
    "direct": "direct method",
    "dr": "doubly robust",
    "switch": "switch",
}
FIXED = (
    "Fixed in the code before a run: the estimator (switch: doubly robust, without the correction for rows "
    "whose weight passes a cut that only weights and click model decide), its interval (gamma for the "
    "weighted clicks, MOVER for sums, Fieller's for lifts), the halves, the A/B test (a mixture martingale "
    "valid at every look) and its stopping rule. They were chosen on simulations and with other halves of "
    "Open Bandit's logs in sight. They stand in estimators.py and experiment.py."
)


# ------------------------------------------------------------------------------------- of one seed, as JSON


def segments(policies: Mapping[str, Policy], held: Log, clicks: Clicks) -> Json:
    """Click rates by group of visitors, and what the learner shows there."""
    chance_NA = clicks.probabilities(held.contexts)
    share = {name: policy.probabilities(held.contexts) for name, policy in policies.items()}
    rate = {name: (share_NA * chance_NA).sum(1) for name, share_NA in share.items()}
    rows = []
    for index, label in enumerate(held.features):
        here_N = held.contexts.features_NF[:, index] > 0
        if not 0.01 < here_N.mean() < 0.99 or np.unique(held.contexts.features_NF[:, index]).size > 2:
            continue
        shown_A = share[LEARNER][here_N].mean(0)
        top = np.argsort(-shown_A)[:3]
        told = ", ".join(
            f"item {held.items.names[item]} {shown_A[item]:.0%}" for item in top if shown_A[item] > 0.005
        )
        rows.append(
            {
                "group": label,
                "share": float(here_N.mean()),
                "rates": {name: float(values[here_N].mean()) for name, values in rate.items()},
                "shown": told,
            }
        )
    return {"groups": rows}


def importance(policy: Policy, held: Log, seed: int) -> list[Json]:
    """How often the learner's item changes when a feature is taken from another visitor: the largest
    first."""
    random = np.random.default_rng([seed, 61])
    chosen_N = policy.probabilities(held.contexts).argmax(1)
    columns: dict[str, list[int]] = {}
    for index, label in enumerate(held.features):
        name = label.partition(" = ")[0]
        columns.setdefault(
            "time of day" if name in ("night", "morning", "afternoon", "evening") else name, []
        ).append(index)
    affinity = columns.pop("has an affinity", [])
    found = []
    for name, places in columns.items():
        found.append({"feature": name, "changes": _changes(policy, held, places, False, chosen_N, random)})
    if held.contexts.affinity_NA.any():
        found.append(
            {"feature": "affinities", "changes": _changes(policy, held, affinity, True, chosen_N, random)}
        )
    return sorted(found, key=lambda row: -float(row["changes"]))


def _changes(
    policy: Policy, held: Log, places: list[int], affinities: bool, chosen_N: Any, random: np.random.Generator
) -> float:
    order = random.permutation(len(held))
    features_NF, affinity_NA = held.contexts.features_NF.copy(), held.contexts.affinity_NA
    features_NF[:, places] = features_NF[order][:, places]
    moved = Contexts(features_NF, affinity_NA[order] if affinities else affinity_NA)
    return float((policy.probabilities(moved).argmax(1) != chosen_N).mean())


def test_path(config: ExperimentConfig, path: Path) -> list[Json]:
    """A test's lift with its interval at some of its looks, the last one included."""
    looks = np.unique(np.linspace(0, len(path.new_L) - 1, LOOKS_SHOWN).astype(int))
    rows = []
    for look in looks:
        new, old = int(path.new_L[look]), int(path.old_L[look])
        low, high = confidence(config, new, old)
        rows.append(
            {
                "visitors": int(path.visitors_L[look]),
                "new": new,
                "old": old,
                "lift": observed(config, new, old),
                "low": low,
                "high": high,
            }
        )
    return rows


# ------------------------------------------------------------------------------------------- of all seeds


def outcome_of(found: Sequence[Json], made_up: bool, control: str, notes: Sequence[str]) -> Outcome:
    """What was found, for people and as data."""
    data = {
        "source": "made up" if made_up else "log",
        "control": control,
        "lifts": {name: combined(found, name, made_up) for name in found[0]["lifts"]},
        "estimator": CHOSEN,
        "seeds": {str(one["seed"]): one for one in found},
    }
    figures = [*(test_figure(found[0], over) for over in found[0]["tests"]), segment_figure(found[0])]
    more = [estimator_table(found[0]), test_table(found), feature_table(found)]
    if "sessions" in found[0]:
        data["session_lifts"] = {
            name: over_seeds([one["sessions"]["lifts"][name] for one in found])
            for name in found[0]["sessions"]["lifts"]
        }
        figures.append(session_figure(found[0]))
        more.insert(0, session_table(found))
    return Outcome(
        headline(found, data, made_up, control),
        policy_table(found, data, made_up),
        data,
        figures,
        more,
        [FIXED, *doubts(found, made_up), *notes],
    )


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    """The mean with its 95% interval by Student's t over seeds; NaN as the interval of one seed."""
    found = student_mean(values).json()
    return found if len(values) > 1 else {**found, "low": float("nan"), "high": float("nan")}


def combined(found: Sequence[Json], over: str, made_up: bool) -> Json:
    """The learner's lift over one policy from all seeds.

    Made-up worlds are independent: Student's t over them. Splits of one log are not: the mean of their
    limits.
    """
    rows = [one["lifts"][over] for one in found]
    kinds = {
        key: {
            end: fmean(row[key][end] if np.isfinite(row[key][end]) else float("inf") for row in rows)
            for end in ("value", "low", "high")
        }
        for key in ("model", "off_policy")
    }
    per_seed = {str(one["seed"]): one["lifts"][over]["model"]["value"] for one in found}
    result: Json = {**kinds, "per_seed": per_seed}
    if made_up:
        result["model"] = over_seeds(list(per_seed.values()))
    if "true" in rows[0]:
        result["true"] = over_seeds([row["true"] for row in rows])
    return result


def headline(found: Sequence[Json], data: Json, made_up: bool, control: str) -> str:
    """The figure reached, good or bad, in one sentence."""
    practice, seller = data["lifts"]["logging"], data["lifts"]["popularity"]
    if control == "positive":
        shown = fmean(one["planted"]["shown"][LEARNER] for one in found)
        where = found[0]["planted"]
        return (
            f"Positive control: PPO shows the planted item to {shown:.0%} of the visitors who click it "
            f"half of the "
            f"time (seed {found[0]['seed']}: item {where['item']} where {where['feature']}), with a "
            f"click rate {_percent(practice['model'])} over the logging policy."
        )
    if control == "null":
        won = sum(one["tests"]["logging"]["ended"] == "won" for one in found)
        return (
            f"Null control: with shuffled clicks {won} of {len(found)} A/B tests claim a lift over the "
            f"logging "
            f"policy; the log itself says {_percent(practice['off_policy'])}."
        )
    clicks = fmean(sum(one["clicks"]) for one in found)
    rows = sum(found[0]["rows"])
    kind = "95% t interval over worlds" if made_up else "mean 95% credible interval over splits"
    truth = (
        f"; in truth {_percent(practice['true'])} and {_percent(seller['true'])}"
        if made_up
        else f"; the rows themselves, without a click model, say {_percent(practice['off_policy'])} over the "
        "logging policy"
    )
    count = "1 seed" if len(found) == 1 else f"{len(found)} seeds"
    # Where the truth is known, the goal is judged by it.
    judged = "true" if made_up else "model"
    what = "a made-up log" if made_up else "the log"
    return (
        f"On {what} of {rows:,} rows with {clicks:,.0f} clicks PPO has a click rate "
        f"{_percent(practice['model'])} "
        f"over the logging policy and {_percent(seller['model'])} over the best seller in simulated A/B "
        f"tests ({kind}, {count}){truth}: the goal of +{GOAL:.0%} "
        f"{_reached(practice[judged], seller[judged])}."
    )


def _reached(practice: Json, seller: Json) -> str:
    def one(lift: Json) -> str:
        if np.isnan(lift["low"]):
            return "is not judged by one seed"
        if lift["low"] >= GOAL:
            return "is reached"
        return "lies within the interval" if lift["high"] >= GOAL else "is missed"

    first, second = one(practice), one(seller)
    if first == second:
        return f"{first} against both"
    return f"{first} against the logging policy and {second} against the best seller"


def doubts(found: Sequence[Json], made_up: bool) -> list[str]:
    """What a reader must know of the evidence."""
    gap = [one["lifts"]["click model"]["model"]["value"] for one in found]
    notes = [
        "PPO practises on the click model of its half. In one-step visits it can at best show what that "
        "model likes "
        f"best; its lift over that is {fmean(gap):+.1%}. Only within sessions can it gain by looking ahead."
    ]
    if not made_up:
        clicks = found[0]["clicks"]
        notes.append(
            f"The half that learns has {clicks[0]:.0f} clicks, the half that judges {clicks[1]:.0f}. "
            f"Intervals are as wide "
            "as that makes them. Splits of one log share its rows, so more splits do not make them narrower."
        )
        notes.append("That visitors tire is assumed: no row of the log belongs to a session.")
    return notes


def policy_table(found: Sequence[Json], data: Json, made_up: bool) -> Table:
    """A row for each policy: click rates, and the learner's lift over it."""
    columns = ["policy", "clicks %", "by the rows alone %", "rows worth", "PPO's lift", "by the rows alone"]
    if made_up:
        columns += ["true clicks %", "true lift"]
    rows: list[list[str | float | int | None]] = []
    for name in found[0]["policies"]:
        of = [one["policies"][name] for one in found]
        off = [fmean(one["off_policy"][CHOSEN][end] for one in of) for end in ("value", "low", "high")]
        lift = data["lifts"].get(name)
        row: list[str | float | int | None] = [
            TITLES[name],
            f"{100 * fmean(one['model']['value'] for one in of):.3f}",
            f"{100 * off[0]:.3f} ({100 * off[1]:.3f} to {100 * off[2]:.3f})",
            f"{fmean(one['effective'] for one in of):,.0f}",
            _percent(lift["model"]) if lift else "",
            _percent(lift["off_policy"]) if lift else "",
        ]
        if made_up:
            row += [f"{100 * fmean(one['true'] for one in of):.3f}", _percent(lift["true"]) if lift else ""]
        rows.append(row)
    return Table(
        columns,
        rows,
        f"Means of {len(found)} seeds, with 95% intervals. Clicks: on click models of the half that "
        f"judges. By the "
        f"rows alone: the {CHOSEN} estimator, with the rows of equal weight that the policy's are worth.",
    )


def estimator_table(one: Json) -> Table:
    """The five estimators of the learner's click rate, of one seed."""
    mine = one["policies"][LEARNER]
    rows: list[list[str | float | int | None]] = [
        [
            ESTIMATOR_TITLES[name],
            *(f"{100 * value[end]:.3f}" for end in ("value", "low", "high")),
            "chosen beforehand" if name == CHOSEN else "",
        ]
        for name, value in mine["off_policy"].items()
    ]
    logged = one["on_policy"]
    rows.append(
        [
            "the log itself",
            *(f"{100 * logged[end]:.3f}" for end in ("value", "low", "high")),
            "logging policy",
        ]
    )
    return Table(
        ("estimator", "clicks %", "low", "high", ""),
        rows,
        f"PPO's click rate by the rows of the half that judges (seed {one['seed']}); "
        f"{mine['effective']:,.0f} of "
        f"{one['rows'][1]:,} rows effective.",
    )


def test_table(found: Sequence[Json]) -> Table:
    """How the A/B tests ended."""
    rows: list[list[str | float | int | None]] = []
    for one in found:
        for name, test in one["tests"].items():
            rows.append(
                [
                    f"seed {one['seed']}, against {TITLES[name]}",
                    test["ended"],
                    test["visitors"],
                    _percent({"value": test["lift"], "low": test["low"], "high": test["high"]}),
                    f"{test['lift_there']:+.0%}",
                ]
            )
    return Table(
        ("simulated A/B test", "ended", "visitors", "lift seen", "lift there"),
        rows,
        "Intervals are valid at every look. Each test stops when no lift, or the smallest lift worth "
        "having, is excluded.",
    )


def feature_table(found: Sequence[Json]) -> Table:
    """What the learner looks at."""
    names = [row["feature"] for row in found[0]["features"]]
    of = {
        name: [row["changes"] for one in found for row in one["features"] if row["feature"] == name]
        for name in names
    }
    return Table(
        ("feature", "choices that change"),
        [
            [name, f"{fmean(values):.1%}"]
            for name, values in sorted(of.items(), key=lambda item: -fmean(item[1]))
        ],
        "How often PPO shows another item when this feature is taken from another visitor.",
    )


def session_table(found: Sequence[Json]) -> Table:
    """Clicks of a whole session by policy."""
    rows: list[list[str | float | int | None]] = []
    for name in found[0]["sessions"]["clicks"]:
        clicks = [one["sessions"]["clicks"][name] for one in found]
        lift = over_seeds([one["sessions"]["lifts"][name] for one in found]) if name != LEARNER else None
        rows.append([TITLES[name], f"{100 * fmean(clicks):.2f}", _percent(lift) if lift else ""])
    return Table(
        ("sessions", "clicks per 100", "PPO's lift"),
        rows,
        "Visitors who see several items and tire of a category; 95% t intervals over seeds.",
    )


def test_figure(one: Json, over: str) -> Figure:
    """The lift that a test saw, look by look."""
    test = one["tests"][over]
    looks = [_inside(row) for row in test["path"]]
    panel = Panel(
        "lift",
        {"lift": [row["lift"] for row in looks], "no lift": [0.0] * len(looks)},
        {"lift": ([row["low"] for row in looks], [row["high"] for row in looks])},
        share=True,
    )
    return Figure(
        f"A simulated A/B test of PPO against the {TITLES[over]}, looked at all along",
        "The lift seen so far with its always-valid 95% interval, on a click model of the half that "
        "nobody learnt "
        f"from (seed {one['seed']}). It ended: {test['ended']}. Lifts above 300% are cut off.",
        [row["visitors"] for row in looks],
        [panel],
        "visitors",
        [f"{row['new']:,} clicks for PPO, {row['old']:,} for the {TITLES[over]}" for row in looks],
    )


def _inside(row: Json) -> Json:
    """A look with its lift kept within the picture."""
    most = 3.0
    return {
        **row,
        **{
            end: min(most, row[end] if row[end] is not None and np.isfinite(row[end]) else most)
            for end in ("lift", "low", "high")
        },
    }


def segment_figure(one: Json) -> Figure:
    """Click rates by group of visitors, and what PPO shows them."""
    groups = one["segments"]["groups"]
    shown = [name for name in ("logging", "popularity", "vowpalwabbit", LEARNER) if name in one["policies"]]
    lines = {TITLES[name]: [group["rates"][name] for group in groups] for name in shown}
    return Figure(
        "Who clicks, and what PPO shows them",
        f"Click rate in each group of visitors, at each place and time of day (seed {one['seed']}). Point "
        f"at a "
        "group to read what PPO shows there.",
        [group["group"] for group in groups],
        [Panel("click rate", lines, share=True, stepped=True)],
        "",
        [f"{group['share']:.0%} of visitors; PPO shows {group['shown']}" for group in groups],
    )


def session_figure(one: Json) -> Figure:
    """Clicks, and who is still there, at each place of a session."""
    steps = one["sessions"]["steps"]
    shown = ("popularity", "click model", "click model, tired", LEARNER)
    places = list(range(1, 1 + len(steps[LEARNER]["clicks"])))
    return Figure(
        "A session: clicks now, or clicks later",
        "Clicks per visitor at each item of a session, how many visitors are still there, and how often a "
        "category "
        "returns within two items. Visitors leave sooner when a category returns.",
        places,
        [
            Panel("clicks", {TITLES[name]: steps[name]["clicks"] for name in shown}, share=True),
            Panel("still there", {TITLES[name]: steps[name]["here"] for name in shown}, share=True),
            Panel("category returns", {TITLES[name]: steps[name]["repeated"] for name in shown}, share=True),
        ],
        "item of the session",
    )


def _percent(lift: Mapping[str, float | None]) -> str:
    """A lift with its interval: +12% (-3% to +30%)."""
    value, low, high = (lift[end] for end in ("value", "low", "high"))
    return _one(value) if low != low else f"{_one(value)} ({_one(low)} to {_one(high)})"


def _one(value: float | None) -> str:
    if value is None or value != value:
        return "?"
    if value > 99:
        return "any"
    return f"{100 * value:+.0f}%" if abs(value) >= 0.1 else f"{100 * value:+.1f}%"
