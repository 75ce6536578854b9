"""The pelican table: each response with the rank people gave it and the rank a model gives it.

A model that learned people's taste agrees with them at both ends. Where its favourite is what people put
last or call nonsense, it has learned something else; that row gets a flag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from practicum.errors import InputError
from practicum.preferences.comparisons import names
from practicum.types import Ranking

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One response. Ranks run from 1 (best), ties share the better rank; `human_mean` is the mean rank.

    `flag` is empty or says why: `people rank it last`, `people call it nonsense`, or both.
    """

    prompt: str
    response: str
    text: str
    human_rank: int
    human_mean: float
    raters: int
    model_score: float
    model_rank: int
    flag: str


def rank_table(rankings: Iterable[Ranking], scores: Mapping[tuple[str, str], float]) -> list[Row]:
    """Rows for every response of every ranked prompt, prompt by prompt, the model's favourite first.

    `scores` maps (prompt, response), each by `names`, to the model's score, higher is better. Several
    raters' ranks are averaged, ties at their middle. A row is flagged when the model ranks it first among
    its prompt's responses and people rank it last (of those not all tied), or at least half of its raters
    marked it as nonsense. Raises InputError naming a response without a score, or prompts whose raters
    ranked different responses.
    """
    by_prompt: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        by_prompt[names(ranking)[0]].append(ranking)
    return [row for prompt, group in by_prompt.items() for row in _prompt_rows(prompt, group, scores)]


def _prompt_rows(
    prompt: str, rankings: Sequence[Ranking], scores: Mapping[tuple[str, str], float]
) -> list[Row]:
    _, responses = names(rankings[0])
    texts = dict(zip(responses, (item.text for item in rankings[0].responses), strict=True))
    ranks: dict[str, list[float]] = defaultdict(list)
    nonsense: dict[str, int] = defaultdict(int)
    for ranking in rankings:
        named = names(ranking)[1]
        if set(named) != set(responses):
            raise InputError(f"prompt {prompt!r}: its raters ranked different responses")
        for name, rank in zip(named, rankdata(ranking.ranks), strict=True):
            ranks[name].append(float(rank))
        for name, kinds in zip(named, ranking.flags, strict=False):
            nonsense[name] += "nonsense" in kinds
    missing = [name for name in responses if (prompt, name) not in scores]
    if missing:
        raise InputError(f"prompt {prompt!r}: the model has no score for response {missing[0]!r}")
    means = np.array([np.mean(ranks[name]) for name in responses])
    model = np.array([scores[prompt, name] for name in responses])
    human_ranks = rankdata(means, method="min").astype(int)
    model_ranks = rankdata(-model, method="min").astype(int)
    last = (means == means.max()) & (means.max() > means.min())
    rows = []
    for place in np.argsort(-model, kind="stable"):
        name = responses[place]
        reasons = []
        if model_ranks[place] == 1 and last[place]:
            reasons.append("people rank it last")
        if model_ranks[place] == 1 and 2 * nonsense[name] >= len(rankings):
            reasons.append("people call it nonsense")
        rows.append(
            Row(
                prompt=prompt,
                response=name,
                text=texts[name],
                human_rank=int(human_ranks[place]),
                human_mean=float(means[place]),
                raters=len(rankings),
                model_score=float(model[place]),
                model_rank=int(model_ranks[place]),
                flag="; ".join(reasons),
            )
        )
    return rows


def render(rows: Sequence[Row], title: str = "What people and the model prefer") -> Table:
    """The table for a terminal; flagged rows in red. Text is shown literally, never as markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, show_lines=False)
    for heading, side in (
        ("response", "left"),
        ("human rank", "right"),
        ("model score", "right"),
        ("model rank", "right"),
        ("flag", "left"),
    ):
        table.add_column(heading, justify=side, overflow="fold")  # type: ignore[arg-type]
    before = None
    for row in rows:
        if before is not None and row.prompt != before:
            table.add_section()
        before = row.prompt
        table.add_row(
            Text(row.text),
            f"{row.human_rank}",
            f"{row.model_score:.2f}",
            f"{row.model_rank}",
            Text(row.flag),
            style="red" if row.flag else None,
        )
    return table
