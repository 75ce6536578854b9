"""People's rankings beside a verifier: people say how well an answer is told, not whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from practicum.errors import InputError
from practicum.types import Ranking, Reward


def verified(rankings: Sequence[Ranking], judge: Reward) -> list[Ranking]:
    """The rankings with what the judge finds wrong in the last place, all of it equal.

    Right responses keep people's order. So of every pair that is left the better response is right: it is
    preferred to a wrong one, or people prefer it to another right one. Rankings without such a pair (all
    wrong, or one tie) are left out, and none keeps its identity. Raises InputError where the judge does not
    say of a response whether it is right.
    """
    found = []
    for ranking in rankings:
        texts = [response.text for response in ranking.responses]
        scores = judge.score([ranking.prompt] * len(texts), texts)
        if any(score.solved is None for score in scores):
            raise InputError(
                f"{judge.name} does not say whether each response is right: {ranking.prompt.text!r:.60}"
            )
        last = max(ranking.ranks) + 1
        judged = [rank if score.solved else last for rank, score in zip(ranking.ranks, scores, strict=True)]
        if len(set(judged)) > 1:
            places = tuple(1 + sum(other < rank for other in judged) for rank in judged)
            found.append(replace(ranking, ranks=places, id=""))
    return found
