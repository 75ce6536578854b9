"""What the owner sees: how far the project is, what it costs, how well people agree and who does not."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import TypeVar

from practicum.errors import InputError
from practicum.preferences.aggregate import RaterQuality, consensus
from practicum.preferences.agreement import Agreement, disagreements, krippendorff_alpha, pairwise_agreement
from practicum.preferences.records import Progress
from practicum.preferences.store import Store
from practicum.types import Ranking

Result = TypeVar("Result")

HOURS_SHOWN = 24
DISPUTED_SHOWN = 8


@dataclass(frozen=True)
class RaterLine:
    """A rater in the owner's table; `quality` is None before their first ranking."""

    name: str
    active: bool
    rankings: int
    median_seconds: float | None
    owed: float
    quality: RaterQuality | None


@dataclass(frozen=True)
class Disputed:
    """A prompt that people order differently: its responses with their mean rank, best first."""

    prompt: str
    share: float
    responses: tuple[tuple[str, float, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Overview:
    """The owner's page in numbers. What needs more rankings than there are is None.

    `hours` counts rankings in each of the last 24 hours, oldest first. `hours_left` is how long the rest
    takes at the speed of the last hour. `skip_reasons` are (reason, count), the commonest first.
    """

    progress: Progress
    agreement: Agreement | None
    alpha: float | None
    hours: tuple[int, ...]
    hours_left: float | None
    raters: tuple[RaterLine, ...]
    disputed: tuple[Disputed, ...]
    skip_reasons: tuple[tuple[str, int], ...]
    flags: int


def overview(store: Store, project: str) -> Overview:
    """Read everything the owner's page shows. Takes seconds for many thousands of rankings."""
    progress = store.progress(project)
    rankings = store.rankings(project)
    to_do = max(progress.wanted - progress.done, 0)
    skip_reasons = Counter(reason for _, _, reason in store.skips(project))
    return Overview(
        progress=progress,
        agreement=_if_enough(pairwise_agreement, rankings),
        alpha=_if_enough(krippendorff_alpha, rankings),
        hours=_hours(rankings),
        hours_left=to_do / progress.rankings_per_hour if progress.rankings_per_hour else None,
        raters=_raters(store, project, rankings),
        disputed=_disputed(rankings),
        skip_reasons=tuple(skip_reasons.most_common()),
        flags=sum(len(kinds) for ranking in rankings for kinds in ranking.flags),
    )


def _if_enough(statistic: Callable[[Sequence[Ranking]], Result], rankings: list[Ranking]) -> Result | None:
    try:
        return statistic(rankings)
    except InputError:
        return None


def _hours(rankings: list[Ranking]) -> tuple[int, ...]:
    now = time.time()
    ages = Counter(int((now - ranking.time) // 3600) for ranking in rankings if ranking.time is not None)
    return tuple(ages[age] for age in reversed(range(HOURS_SHOWN)))


def _raters(store: Store, project: str, rankings: list[Ranking]) -> tuple[RaterLine, ...]:
    fitted = _if_enough(consensus, rankings)
    qualities = {quality.rater: quality for quality in fitted.raters} if fitted else {}
    seconds: dict[str, list[float]] = defaultdict(list)
    for ranking in rankings:
        if ranking.seconds is not None:
            seconds[ranking.rater].append(ranking.seconds)
    counts = Counter(ranking.rater for ranking in rankings)
    owed: dict[str, float] = defaultdict(float)
    for payment in store.payments(project):
        owed[payment.rater] += payment.dollars
    return tuple(
        RaterLine(
            name=rater.name,
            active=rater.active,
            rankings=counts[rater.name],
            median_seconds=median(seconds[rater.name]) if seconds[rater.name] else None,
            owed=owed[rater.name],
            quality=qualities.get(rater.name),
        )
        for rater in store.raters(project)
    )


def _disputed(rankings: list[Ranking]) -> tuple[Disputed, ...]:
    shares = [(name, share) for name, share in _if_enough(disagreements, rankings) or [] if share > 0]
    by_prompt: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        by_prompt[ranking.prompt_id].append(ranking)
    found = []
    for name, share in shares[:DISPUTED_SHOWN]:
        ranks: dict[str, list[int]] = defaultdict(list)
        for ranking in by_prompt[name]:
            for response, rank in zip(ranking.responses, ranking.ranks, strict=True):
                ranks[response.text].append(rank)
        rows = sorted((mean(given), text, tuple(sorted(given))) for text, given in ranks.items())
        found.append(
            Disputed(
                by_prompt[name][0].prompt.text,
                share,
                tuple((text, rank, given) for rank, text, given in rows),
            )
        )
    return tuple(found)
