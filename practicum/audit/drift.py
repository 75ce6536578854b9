"""How far has it gone? Signals of the reference's and of the policy's answers, and the rewards of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from practicum.audit.answers import SIGNALS, Answers
from practicum.report.figures import SERIES, SMALL, page_picture
from practicum.report.plots import LEGEND
from practicum.report.sections import Section
from practicum.stats import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Drift = Mapping[str, tuple[float, float]]
"""Each signal: (of the reference, of the policy)."""


def drift(reference: Answers, policy: Answers) -> Drift:
    """Each signal of the reference and of the policy, over all their answers."""
    everything = range(len(reference.batch.prompts))
    before, after = (answers.metrics(everything) for answers in (reference, policy))
    return {name: (before[name], after[name]) for name in before if name in after}


def section(signals: Drift, kl: float, reference_B: Floats, policy_B: Floats) -> Section:
    """What the reward gained, and how far from the reference (`kl`, nats a completion); rewards of all
    answers."""
    before, after = signals["reward"]
    return Section(
        "drift",
        "How far has it gone?",
        "figures",
        f"Reward went from {before:.2f} to {after:.2f}, at {kl:.1f} nats per completion from the reference.",
        {
            "kl": kl,
            "reference": {name: pair[0] for name, pair in signals.items()},
            "policy": {name: pair[1] for name, pair in signals.items()},
        },
        [(picture(reference_B, policy_B), "Rewards of all answers.")],
        ("mean of", "reference", "policy"),
        [(SIGNALS.get(name, name), _figure(pair[0]), _figure(pair[1])) for name, pair in signals.items()],
    )


def _figure(value: float) -> str:
    """Three digits that matter, and 0 for what rounding leaves."""
    return f"{value:.3g}" if abs(value) >= 5e-4 else "0"


def picture(reference_B: Floats, policy_B: Floats) -> str:
    """How rewards are spread over the reference's answers and over the policy's."""

    def draw(axes: Axes) -> None:
        edges = np.histogram_bin_edges(np.concatenate([reference_B, policy_B]), 30).tolist()
        for values, name, colour in ((reference_B, "reference", SERIES[0]), (policy_B, "policy", SERIES[1])):
            axes.hist(values, edges, color=colour, alpha=0.5, label=name)
        axes.set_xlabel("reward of an answer")
        axes.set_ylabel("answers")
        axes.legend(**LEGEND)

    told = f"mean {reference_B.mean():.2f} of the reference, {policy_B.mean():.2f} of the policy"
    return page_picture("audit-rewards", f"Rewards of answers: {told}", draw, SMALL)
