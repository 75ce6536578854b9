"""A crowd whose truth is known: raters who draw rankings from Plackett-Luce with their own faults."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from practicum.types import Prompt, Ranking, Response


def crowd(
    sharpness: Sequence[float],
    *,
    pull: Sequence[float] | None = None,
    prompts: int = 100,
    responses: int = 4,
    overlap: int = 3,
    seed: int = 0,
) -> tuple[list[Ranking], dict[tuple[str, str], float]]:
    """Rankings by raters 0, 1, ... and the true utility of each (prompt, response).

    Rater r ranks by sharpness[r] * utility + pull[r] * earliness + Gumbel noise: 0 sharpness is a spammer,
    negative a contrarian; pull favours what was shown first (earliness from 1/2 to -1/2).
    """
    generator = np.random.default_rng(seed)
    utilities = generator.normal(size=(prompts, responses))
    rankings = []
    for prompt in range(prompts):
        for rater in generator.choice(len(sharpness), size=overlap, replace=False):
            shown = generator.permutation(responses)
            earliness = np.linspace(0.5, -0.5, responses)
            heard = sharpness[rater] * utilities[prompt, shown] + generator.gumbel(size=responses)
            heard += (pull[rater] if pull is not None else 0.0) * earliness
            rankings.append(
                Ranking(
                    Prompt(f"prompt {prompt}"),
                    tuple(Response(f"answer {index}", id=str(index)) for index in shown),
                    tuple(int(rank) for rank in (-heard).argsort().argsort() + 1),
                    rater=f"rater {rater}",
                    prompt_id=f"p{prompt}",
                )
            )
    truth = {
        (f"p{prompt}", str(index)): float(utilities[prompt, index])
        for prompt in range(prompts)
        for index in range(responses)
    }
    return rankings, truth
