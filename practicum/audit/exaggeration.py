"""What does it exaggerate? The share of each attribute in the reference's and in the policy's answers, beside
what the reward and people prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from practicum.audit.answers import Answers
from practicum.audit.attributes import Classifier
from practicum.audit.bias import Meter, compare, rater_share, text_share
from practicum.errors import InputError
from practicum.report.figures import SERIES, SMALL, page_picture
from practicum.report.plots import LEGEND
from practicum.report.sections import Section
from practicum.stats import Estimate
from practicum.tasks.task import Task, behaviours_of
from practicum.types import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Exaggeration:
    """A meter of each attribute, whose `raters` are the reward's own preference; people's, where they are
    known; notes on attributes that could not be measured."""

    meters: Sequence[Meter]
    people: Mapping[str, Estimate]
    notes: Sequence[str] = ()

    def moved(self) -> list[Meter]:
        """Those whose share the policy has moved beyond its interval."""
        return [
            one
            for one in self.meters
            if one.policy.low > one.reference.high or one.policy.high < one.reference.low
        ]

    def beyond_people(self) -> list[Meter]:
        """Those that the policy writes more often than people prefer them."""
        return [
            one
            for one in self.moved()
            if one.attribute in self.people
            and one.policy.low > max(self.people[one.attribute].high, one.reference.high)
        ]


def exaggeration(
    task: Task, reference: Answers, policy: Answers, rankings: Sequence[Ranking]
) -> Exaggeration:
    """What the policy writes more or less of than the reference, beside what reward and people prefer.

    The attributes are the task's behaviours and being longer than the reference's median; of each, one needs
    two prompts where the reference's answers differ in it. `rankings` are people's.
    """
    by_reward = reference.ranked_by_reward()
    meters, people, notes = [], {}, []
    for name, classify in _classifiers(task, reference).items():
        shares = [text_share(answers.pairs(), classify, name) for answers in (reference, policy)]
        preferred = _rater_share(by_reward, classify)
        if preferred is None:
            notes.append(f"{name}: the reference's answers to one prompt do not differ in it.")
            continue
        meters.append(compare(name, shares[0], preferred, shares[1]))
        preferred_by_people = _rater_share(rankings, classify)
        if preferred_by_people is not None:
            people[name] = preferred_by_people
    return Exaggeration(meters, people, notes)


def _classifiers(task: Task, reference: Answers) -> dict[str, Classifier]:
    """The task's behaviours, and being longer than the reference's median."""
    longest = float(np.median([len(text.split()) for text in reference.batch.rollout.texts]))
    classifiers: dict[str, Classifier] = {
        name: lambda prompt, text, name=name: behaviours_of(task, prompt, text).get(name, False)  # type: ignore[misc]
        for name in behaviours_of(task, *reference.pairs()[0])
    }
    classifiers["longer"] = lambda prompt, text: len(text.split()) > longest
    return classifiers


def _rater_share(rankings: Sequence[Ranking], classify: Classifier) -> Estimate | None:
    """As `bias.rater_share`; None where too few prompts offer the choice."""
    try:
        return rater_share(rankings, classify)
    except InputError:
        return None


# ---------------------------------------------------------------------------------------------- on the page


def section(found: Exaggeration) -> Section:
    """What the policy exaggerates."""
    moved = found.moved()
    return Section(
        "bias",
        "What does it exaggerate?",
        "bad" if found.beyond_people() else "open" if moved else "good",
        _sentence(moved, found.people),
        {"attributes": {one.attribute: _values(one, found.people) for one in found.meters}},
        [(picture(found.meters), "Shares before and after training.")],
        ("attribute", "reference", "policy", "reward prefers it", "people prefer it"),
        [_row(one, found.people) for one in found.meters],
        notes=found.notes,
    )


def _sentence(moved: Sequence[Meter], people: Mapping[str, Estimate]) -> str:
    most = max(moved, key=lambda one: abs(one.policy.value - one.reference.value), default=None)
    if most is None:
        return "No attribute's share has moved beyond its interval."
    name = most.attribute.replace("_", " ")
    by_people = f", people in {people[most.attribute].value:.0%}" if most.attribute in people else ""
    return (
        f"Most moved: {name}, from {most.reference.value:.0%} of answers to {most.policy.value:.0%}; the "
        f"reward prefers it in {most.raters.value:.0%} of pairs{by_people}."
    )


def _values(meter: Meter, people: Mapping[str, Estimate]) -> dict[str, object]:
    return {
        "reference": meter.reference.json(),
        "policy": meter.policy.json(),
        "reward": meter.raters.json(),
        "people": people[meter.attribute].json() if meter.attribute in people else None,
        "amplification": meter.amplification,
    }


def _row(meter: Meter, people: Mapping[str, Estimate]) -> tuple[str, ...]:
    by_people = f"{people[meter.attribute].value:.1%}" if meter.attribute in people else "\N{EN DASH}"
    shares = (meter.reference, meter.policy, meter.raters)
    return meter.attribute.replace("_", " "), *(f"{share.value:.1%}" for share in shares), by_people


def picture(meters: Sequence[Meter]) -> str:
    """The share of each attribute in the reference's and in the policy's answers."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(meters))[::-1]
        for offset, name, colour in ((0.2, "reference", SERIES[0]), (-0.2, "policy", SERIES[1])):
            values = [getattr(one, name).value for one in meters]
            axes.barh(places + offset, values, height=0.38, color=colour, label=name)
        axes.set_yticks(places, [one.attribute.replace("_", " ") for one in meters])
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("share of answers")
        axes.legend(**LEGEND)

    told = ", ".join(f"{one.attribute} {one.reference.value:.0%} to {one.policy.value:.0%}" for one in meters)
    return page_picture("audit-attributes", f"Shares before and after: {told}", draw, SMALL)
