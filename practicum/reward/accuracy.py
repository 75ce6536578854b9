"""How well a reward model orders pairs it has not seen: accuracy, calibration, slices, human ceiling.

A pair is one rater's order of two responses; a rater's ties are left out, since no answer would be wrong.
Equal scores count as half right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from practicum.errors import InputError
from practicum.preferences.agreement import human_ceiling
from practicum.preferences.rankings import Judged
from practicum.reward.model import RewardModel
from practicum.stats import Floats, Integers, clustered_share
from practicum.types import Ranking, Response

SIMULATIONS = 500
BINS = 10
FEWEST = 20
"""A slice with fewer pairs is left out."""


@dataclass(frozen=True)
class Pair:
    """One rater's preference, and by how many logits the model agrees with it (below 0: it does not)."""

    prompt: int
    better: Response
    worse: Response
    rater: str
    advantage: float
    longer: int
    """1 when the better one has more tokens, -1 fewer, 0 as many."""


def pairs_of(model: RewardModel, judged: Sequence[Judged]) -> list[Pair]:
    """All pairs of the rankings with the model's opinion of each."""
    prompts = [item.prompt for item in judged for _ in item.responses]
    texts = [response.text for item in judged for response in item.responses]
    scores_BK, lengths_B = model.scores(prompts, texts)
    slope = model.calibration.length_slope
    rewards, lengths = (scores_BK.mean(1) - slope * lengths_B).tolist(), lengths_B.tolist()
    pairs = []
    before = 0
    for number, item in enumerate(judged):
        for order in item.orders:
            ordered = sorted(zip(order.ranks, order.members, strict=True))
            for index, (rank, place) in enumerate(ordered):
                for other_rank, other in ordered[index + 1 :]:
                    if rank == other_rank:
                        continue
                    first, second = before + place, before + other
                    pairs.append(
                        Pair(
                            prompt=number,
                            better=item.responses[place],
                            worse=item.responses[other],
                            rater=order.rater,
                            advantage=rewards[first] - rewards[second],
                            longer=int(np.sign(lengths[first] - lengths[second])),
                        )
                    )
        before += len(item.responses)
    return pairs


def pair_accuracy(model: RewardModel, judged: Sequence[Judged]) -> tuple[float, float]:
    """(share of pairs ordered as the rater did, mean -log probability of the rater's order)."""
    advantages = torch.tensor([pair.advantage for pair in pairs_of(model, judged)])
    if not len(advantages):
        return float("nan"), float("nan")
    return float(right_of(advantages.numpy()).mean()), float(functional.softplus(-advantages).mean())


def right_of(advantage: Floats) -> Floats:
    """1 where the model orders a pair as the rater did, 0 where not, 0.5 where it scores both alike."""
    return np.asarray(0.5 + 0.5 * np.sign(advantage), dtype=np.float64)


def ensemble_accuracy(models: Sequence[RewardModel], judged: Sequence[Judged]) -> dict[str, Any]:
    """`accuracy` and `ci95` as in `held_out_report`, of the mean over all heads of several models."""
    pairs = [pairs_of(model, judged) for model in models]
    heads = [model.head.weight.shape[0] for model in models]
    advantage = np.average([[pair.advantage for pair in of_one] for of_one in pairs], 0, heads)
    right = right_of(advantage)
    prompt = np.array([pair.prompt for pair in pairs[0]])
    return {"accuracy": float(right.mean()), "ci95": share_interval(right, prompt)}


def held_out_report(
    model: RewardModel, judged: Sequence[Judged], rankings: Sequence[Ranking]
) -> dict[str, Any]:
    """All that can be said about a model on held-out prompts, as plain values.

    `accuracy` with `ci95` (pairs clustered in prompts); `ceiling`, the accuracy no model can exceed against
    one rater, from all `rankings` (None where prompts have one rater each, its `accuracy` None where few
    raters leave it open, both with a `note`), and `share_of_ceiling` where it is known; `ece`, `ece_floor`
    and `reliability`, see `calibration`; `slices`: by which of the two is
    longer, by rater, and by each text attribute of the preferred response; `longer_preferred`: how often
    people and the model prefer the longer one; `head_disagreement`, mean over responses.
    """
    pairs = pairs_of(model, judged)
    if not pairs:
        raise InputError("the held-out rankings hold ties only: nothing can be examined; raise --held_out")
    prompt = np.array([pair.prompt for pair in pairs])
    advantage = np.array([pair.advantage for pair in pairs])
    right = right_of(advantage)
    result: dict[str, Any] = {
        "pairs": len(pairs),
        "prompts": len(judged),
        "accuracy": float(right.mean()),
        "ci95": share_interval(right, prompt),
        **_ceiling(rankings, float(right.mean())),
        **calibration(advantage),
        "longer_preferred": _longer(pairs),
        "slices": _slices(pairs),
    }
    if model.head.weight.shape[0] > 1:
        prompts = [item.prompt for item in judged for _ in item.responses]
        texts = [response.text for item in judged for response in item.responses]
        result["head_disagreement"] = float(model.rewards(prompts, texts).std(1).mean())
    return result


def share_interval(values: Floats, cluster: Integers) -> list[float]:
    """95% interval [low, high] of a share of pairs that come in clusters; one cluster alone says nothing."""
    if len(np.unique(cluster)) < 2:
        return [0.0, 1.0]
    found = clustered_share(values, cluster)
    return [found.low, found.high]


def calibration(advantage: Floats) -> dict[str, Any]:
    """Expected calibration error, its floor, and the reliability diagram, in equal bins from 0.5 to 1.

    Confidence is sigmoid(|difference of rewards|), the model's probability that its favourite is preferred;
    the error is the mean over pairs of |confidence - accuracy| of their bin (Guo et al. 2017, 1706.04599,
    eq. 3). It is above 0 by chance alone: `ece_floor` is the mean error that a perfectly calibrated model of
    these confidences shows on as many pairs, by simulation (Nixon et al. 2019, 1904.01685, discuss the bias).
    """
    confidence = 1 / (1 + np.exp(-np.abs(advantage)))
    right = right_of(advantage)
    number = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    rows = [
        {
            "confidence": float(confidence[number == index].mean()),
            "accuracy": float(right[number == index].mean()),
            "pairs": int((number == index).sum()),
        }
        for index in range(BINS)
        if (number == index).any()
    ]
    error = sum(row["pairs"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / len(advantage)
    floor = _ece_floor(confidence, number, advantage != 0)
    return {"ece": error, "ece_floor": floor, "reliability": rows}


def _ece_floor(confidence: Floats, number: Integers, ordered: Any) -> float:
    """Mean error over SIMULATIONS of pairs that are right with exactly their confidence; seed 0.

    Pairs that are not `ordered`, equal scores, count half whatever the rater says, so they never err.
    """
    generator, total = np.random.default_rng(0), np.zeros(SIMULATIONS)
    for index in range(BINS):
        sure = confidence[(number == index) & ordered]
        if len(sure):
            drawn = np.array([(generator.random(len(sure)) < sure).sum() for _ in range(SIMULATIONS)])
            total += np.abs(drawn - sure.sum())
    return float(total.mean() / len(confidence))


def _ceiling(rankings: Sequence[Ranking], accuracy: float) -> dict[str, Any]:
    try:
        ceiling = human_ceiling(rankings)
    except InputError as error:
        return {"ceiling": None, "note": str(error)}
    if ceiling.accuracy is None:
        return {"ceiling": asdict(ceiling), "note": ceiling.note}
    return {"ceiling": asdict(ceiling), "share_of_ceiling": accuracy / ceiling.accuracy}


def _longer(pairs: Sequence[Pair]) -> dict[str, float] | None:
    uneven = [pair for pair in pairs if pair.longer]
    if not uneven:
        return None
    return {
        "people": sum(pair.longer > 0 for pair in uneven) / len(uneven),
        "model": float(np.mean(right_of(np.array([pair.longer * pair.advantage for pair in uneven])))),
    }


def _slices(pairs: Sequence[Pair]) -> dict[str, dict[str, Any]]:
    """Accuracy with its interval of every slice that has pairs enough."""
    found: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[f"preferred is {('as long', 'longer', 'shorter')[pair.longer]}"].append(pair)
        if pair.rater:
            found[f"rater {pair.rater}"].append(pair)
        for name, value in pair.better.attributes.items():
            if isinstance(value, str):
                found[f"preferred has {name} {value}"].append(pair)
    return {
        name: {
            "pairs": len(some),
            "accuracy": float(right.mean()),
            "ci95": share_interval(right, np.array([pair.prompt for pair in some])),
        }
        for name, some in sorted(found.items())
        if len(some) >= FEWEST
        for right in (right_of(np.array([pair.advantage for pair in some])),)
    }
