"""What people's rankings cost: a plan before anyone starts, and what asking for every sample would cost.

A rating is one response placed in a ranking: 1,000 prompts x 5 responses are 5,000 ratings, $500 at $0.10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from practicum.errors import InputError

# Reinforcement learning that asks people about each sample it draws, at a modest size: 2,000 updates of
# 5,000 samples. At $0.10 each that is the million dollars that a reward model saves.
NAIVE_UPDATES = 2_000
NAIVE_SAMPLES_PER_UPDATE = 5_000

SECONDS_PER_RATING = 10.0


@dataclass(frozen=True)
class Plan:
    """What a collection will take, and naive RL beside it.

    `ratings` = prompts x responses x overlap; `rankings` = prompts x overlap; `pairs` the comparisons that
    the rankings contain (without ties); `hours` of people's time at `seconds_per_rating`. `naive_*` is RL
    that has a person rate every one of its samples; `times_cheaper` its dollars over ours, None for 0.
    """

    prompts: int
    responses: int
    overlap: int
    price: float
    rankings: int
    ratings: int
    pairs: int
    dollars: float
    seconds_per_rating: float
    hours: float
    dollars_per_hour: float | None
    naive_ratings: int
    naive_dollars: float
    times_cheaper: float | None


def plan(
    prompts: int,
    responses: int,
    price: float,
    *,
    overlap: int = 1,
    seconds_per_rating: float = SECONDS_PER_RATING,
    naive_ratings: int = NAIVE_UPDATES * NAIVE_SAMPLES_PER_UPDATE,
) -> Plan:
    """Ratings, hours and dollars of a collection. `price` is dollars per rating.

    Raises InputError for fewer than 1 prompt or rater, 2 responses, or a negative price or time.
    """
    for name, value, least in (
        ("prompts", prompts, 1),
        ("responses", responses, 2),
        ("overlap", overlap, 1),
        ("price", price, 0),
        ("seconds_per_rating", seconds_per_rating, 0),
        ("naive_ratings", naive_ratings, 0),
    ):
        if not (math.isfinite(value) and value >= least):
            raise InputError(f"--{name}: expected {least} or more, got {value}")
    ratings = prompts * responses * overlap
    # Rounded to the millionth that the ledger keeps: 0.1 x 3 is 0.3 here.
    dollars, naive_dollars = round(ratings * price, 6), round(naive_ratings * price, 6)
    hours = ratings * seconds_per_rating / 3600
    return Plan(
        prompts=prompts,
        responses=responses,
        overlap=overlap,
        price=price,
        rankings=prompts * overlap,
        ratings=ratings,
        pairs=prompts * overlap * responses * (responses - 1) // 2,
        dollars=dollars,
        seconds_per_rating=seconds_per_rating,
        hours=hours,
        dollars_per_hour=dollars / hours if hours else None,
        naive_ratings=naive_ratings,
        naive_dollars=naive_dollars,
        times_cheaper=naive_dollars / dollars if dollars else None,
    )


def explain(planned: Plan) -> str:
    """A plan as lines for people, with the arithmetic."""
    each = "" if planned.overlap == 1 else f" x {planned.overlap} raters"
    lines = [
        f"{planned.prompts:,} prompts x {planned.responses} responses{each} = {planned.ratings:,} ratings "
        f"({planned.rankings:,} rankings, {planned.pairs:,} pairs)",
        f"{planned.ratings:,} ratings x ${planned.price:.2f} = ${planned.dollars:,.2f}",
        f"{planned.ratings:,} ratings x {planned.seconds_per_rating:g} s = {planned.hours:,.1f} hours of "
        "people's time"
        + (f" (${planned.dollars_per_hour:,.2f} an hour)" if planned.dollars_per_hour else ""),
        f"naive RL, a person rates every sample: {planned.naive_ratings:,} ratings x ${planned.price:.2f} = "
        f"${planned.naive_dollars:,.2f}"
        + (f", {planned.times_cheaper:,.0f} times as much" if planned.times_cheaper else ""),
    ]
    return "\n".join(lines)
