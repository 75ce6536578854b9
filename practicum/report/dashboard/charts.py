"""Which charts a run has: its metrics in groups, each with a title and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from practicum.report.dashboard.lines import finite, spread_rows
from practicum.report.words import EXPLOIT, Meaning, meaning

LOOKED_AT = 40
"""Rows through the file in which metrics are looked for: one that is rarer may be missing until then."""
MOST_LINES = 8
"""Curves in one chart; the rest have charts of their own."""


@dataclass(frozen=True)
class Chart:
    """One chart: the metrics it draws, its title, and a sentence."""

    metrics: Sequence[str]
    title: str
    text: str
    share: bool

    @property
    def labels(self) -> list[str]:
        """The curves' names."""
        return [told(name).title for name in self.metrics]


@dataclass(frozen=True)
class Group:
    """Charts that belong together; `folded` ones are opened by whoever wants them."""

    title: str
    charts: Sequence[Chart]
    folded: bool = False


NAMED = (
    (
        "Reward",
        ("reward", "loss", "episode_return", "accuracy", "solved", "truth", "margin", "reward_std"),
        False,
    ),
    ("Distance to the reference, and exploration", ("kl", "kl_completion", "kl_weight", "entropy"), False),
    ("Answers", ("completion_tokens", "truncated", "repetition", "turns", "episode_length"), False),
    (
        "Signs of a reward that is gamed",
        ("known_paid", "paid_wrong", "tail_index", "proxy_reference_correlation"),
        False,
    ),
    (
        "The update",
        (
            "gradient_norm", "learning_rate", "policy_loss", "value_loss", "approximate_kl", "clip_fraction",
            "ratio_error", "groups_tied", "explained_variance", "padding_share",
        ),
        True,
    ),
    ("Speed", ("seconds", "sample_seconds", "update_seconds", "guard_seconds", "tokens"), True),
)  # fmt: skip
PREFIXED = (
    ("Parts of the reward", "reward/", True),
    ("What became of the answers", "outcome/", False),
    ("Exploits among the well-paid answers", EXPLOIT, False),
    ("Behaviours", "behaviour/", False),
)
"""(title, what the metrics begin with, whether each has a chart of its own)."""
MORE = {
    "reward_std": Meaning("spread of the reward", "Standard deviation of the rewards of an iteration."),
    "kl_completion": Meaning(
        "KL of whole answers",
        "KL between the policy and the reference, in nats per answer: what the guard watches.",
    ),
    "kl_weight": Meaning("weight of the KL", "How strongly the policy is pulled to the reference."),
    "repetition": Meaning(
        "repetition", "Share of an answer's triples of tokens that occurred in it before.", True
    ),
    "reward_max": Meaning("highest reward", "The highest reward of an iteration."),
    "episode_return": Meaning("return", "Mean sum of the rewards of an episode."),
    "episode_length": Meaning("length of an episode", "Mean number of steps of an episode."),
    "learning_rate": Meaning("learning rate", "Step size of the optimizer."),
    "policy_loss": Meaning("policy loss", "What the update makes smaller; its size says little."),
    "value_loss": Meaning("value loss", "Squared error of the values."),
    "seconds": Meaning("seconds a step", "Time of a whole step."),
    "sample_seconds": Meaning("seconds of sampling", "Time in which answers were written."),
    "update_seconds": Meaning("seconds of the update", "Time of the update."),
    "tokens": Meaning("tokens a step", "Tokens of prompts and answers of a step."),
}
"""Words for metrics that the report does not draw."""
HIDDEN = ("step", "total_seconds", "total_tokens")


def told(metric: str) -> Meaning:
    """A metric in words, without loading what only exploits' names need."""
    if metric.startswith(EXPLOIT):
        name = metric.removeprefix(EXPLOIT).replace("_", " ")
        return Meaning(f"paid: {name}", f"Share of well-paid answers of the kind {name}.", True)
    return MORE.get(metric) or meaning(metric)


def metric_names(path: Path) -> list[str]:
    """Metrics of a metrics.jsonl, in the order in which rows through the file name them."""
    found: dict[str, None] = {}
    for row in spread_rows(path, LOOKED_AT):
        for name, value in row.items():
            if isinstance(value, (int, float)) and finite(value) == finite(value):
                found.setdefault(name)
    return list(found)


def groups_of(names: Sequence[str]) -> list[Group]:
    """The charts of a run that has these metrics; none is left out."""
    left = dict.fromkeys(name for name in names if name not in HIDDEN)
    named: list[Group] = []
    for title, metrics, folded in NAMED:
        there = [name for name in metrics if name in left]
        for name in there:
            del left[name]
        if there:
            named.append(Group(title, [_alone(name) for name in there], folded))
    prefixed: list[Group] = []
    for title, prefix, apart in PREFIXED:
        there = [name for name in left if name.startswith(prefix)]
        for name in there:
            del left[name]
        if there:
            prefixed.append(Group(title, _together(title, there, prefix, apart)))
    rest = [Group("Other metrics", [_alone(name) for name in left], folded=True)] if left else []
    open_groups = [group for group in named if not group.folded]
    ordered = [*open_groups[:1], *prefixed[:2], *open_groups[1:], *prefixed[2:]]
    return [*ordered, *(group for group in named if group.folded), *rest]


def _alone(name: str) -> Chart:
    words = told(name)
    return Chart((name,), words.title[:1].upper() + words.title[1:], words.text, words.share)


def _together(title: str, names: Sequence[str], prefix: str, apart: bool) -> list[Chart]:
    if apart or len(names) == 1:
        return [_alone(name) for name in names]
    pages = [names[start : start + MOST_LINES] for start in range(0, len(names), MOST_LINES)]
    return [
        Chart(tuple(page), title + ("" if place == 0 else f" ({place + 1})"), "", told(page[0]).share)
        for place, page in enumerate(pages)
    ]
