"""From experience to a weight update: the clipped policy loss, KL, entropy and value loss in micro-batches.

Algorithms differ in how they give credit and, some of them, in the loss (`algorithms/`); all hand an
`Experience` to `update_policy`. Suffixes: B rows, T completion positions, M target tokens of one micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from practicum.guard.controllers import KLConfig, KLPenalty
from practicum.model.heads import Critic
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.model.scorer import (
    Rows,
    Scorer,
    make_scorer,
    padding_share,
    rollout_lengths,
    rollout_rows,
)
from practicum.ranges import NonNegativeFloat, PositiveInt, Ranged, Share
from practicum.threads import side_by_side
from practicum.training.algorithms.algorithm import Algorithm, Experience
from practicum.training.algorithms.group import ALGORITHM as GROUP
from practicum.training.loop import Trainee
from practicum.training.objectives import (
    Aggregation,
    clipped_value_loss,
    kl_estimate,
    mean_over_rows,
    token_weights,
)
from practicum.training.step import Report, gradients_of
from practicum.types import Rollout

MEASURED = ("entropy", "clip_fraction", "approximate_kl")
"""Metrics of an update that are means over its tokens, whatever the settings."""


@dataclass(frozen=True)
class UpdateConfig(Ranged, section="update"):
    """How one batch of rollouts becomes weight updates."""

    epochs: PositiveInt = 1
    """Passes over the batch."""
    minibatches: PositiveInt = 1
    """Optimizer updates per pass."""
    clip_low: Share | None = None
    """The lower clip bound of the importance ratio is 1 - clip_low. none: the algorithm's own
    (`practicum algorithms`), 0.2 by default."""
    clip_high: NonNegativeFloat | None = None
    """The upper clip bound of the importance ratio is 1 + clip_high. none: the algorithm's own, by default
    0.28 (DAPO's 'clip higher')."""
    aggregation: Aggregation | None = None
    """How the losses of tokens are averaged. none: as the algorithm does, by default token_mean."""
    importance_cap: NonNegativeFloat = 0.0
    """Where the sampler's probabilities are not the learner's (other dtype, weights or program): weigh each
    token by their ratio, at most this (2 is usual), and log how far they differ; 0 to leave it."""
    entropy_weight: NonNegativeFloat = 0.0
    """Weight of the entropy bonus per token."""
    micro_batch_tokens: PositiveInt = 2048
    """Tokens per forward pass; affects memory and speed, not the result."""
    kl: KLConfig = field(default_factory=KLConfig)
    """KL penalty to the reference."""


@dataclass(frozen=True)
class ScoreSettings:
    """How tokens are scored: the distribution they were drawn from, tokens of a forward pass, dtype."""

    sampling: SamplingConfig
    micro_batch_tokens: int
    dtype: torch.dtype


@dataclass(frozen=True)
class Step:
    """What an update needs besides the trainee and the experience.

    `pull` has the KL weight that holds for this step; none is that of `config`.
    """

    config: UpdateConfig
    sampling: SamplingConfig
    dtype: torch.dtype
    pull: KLPenalty | None = None
    algorithm: Algorithm = GROUP
    value_weight: float = 0.0
    value_clip: float = 0.2

    @property
    def clip(self) -> tuple[float, float]:
        """clip_low and clip_high: of the settings, else the algorithm's; 0 where its loss reads none."""
        low, high = self.config.clip_low, self.config.clip_high
        own = self.algorithm
        return (
            (own.clip_low or 0.0) if low is None else low,
            (own.clip_high or 0.0) if high is None else high,
        )

    @property
    def aggregation(self) -> Aggregation:
        """How the losses of tokens are averaged: by the settings, else as the algorithm does."""
        return self.config.aggregation or self.algorithm.aggregation

    @property
    def kl(self) -> KLPenalty:
        """The pull to the reference in this step."""
        return self.pull or self.config.kl.over(self.algorithm.kl)


def score_tokens(
    policy: Policy, rollout: Rollout, settings: ScoreSettings, value_head: nn.Module | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and values (zeros without a head), float32 [B, T], of a rollout's tokens."""
    logprobs_BT, values_BT = torch.zeros_like(rollout.logprobs_BT), torch.zeros_like(rollout.logprobs_BT)
    scorer = make_scorer(policy, settings.dtype)
    batches = scorer.cut(rollout_lengths(rollout), settings.micro_batch_tokens, rollout.group_B.tolist())

    @torch.no_grad()
    def score(batch: Sequence[int]) -> None:
        rows = rollout_rows(rollout, batch)
        hidden_MD = scorer.hidden(rows)
        order = _row_major(rollout.mask_BT, batch)
        if value_head is None:
            logprobs_BT[order] = scorer.logprobs(hidden_MD, rows, settings.sampling).logprobs
        else:
            values_BT[order] = value_head(hidden_MD).cpu()

    side_by_side([partial(score, batch) for batch in batches], policy.device)
    return logprobs_BT, values_BT


def reference_logprobs(
    reference: Policy, policy: Policy, rollout: Rollout, settings: ScoreSettings
) -> Tensor:
    """What KL is measured against: log-probabilities of a rollout's tokens by the reference, float32 [B, T].

    Where top_p or top_k cut the policy's distribution, the reference is cut to the same tokens and
    renormalised: both are distributions on one set, so that KL(policy || reference) is never negative in
    expectation, and 0 where they are one model. Cut in its own places, with the sampled token let in, the
    reference would be no distribution. `policy` has the weights that sampled the rollout.
    """
    sampling, dtype = settings.sampling, settings.dtype
    if not sampling.truncates:
        return score_tokens(reference, rollout, settings)[0]
    logprobs_BT = torch.zeros_like(rollout.logprobs_BT)
    both = [(one, make_scorer(one, dtype)) for one in (policy, reference)]
    lengths, alike = rollout_lengths(rollout), rollout.group_B.tolist()
    batches = both[0][1].cut(lengths, settings.micro_batch_tokens, alike)

    @torch.no_grad()
    def score(batch: Sequence[int]) -> None:
        rows = rollout_rows(rollout, batch)
        own_MV, their_MV = (one.logits(scorer.hidden(rows), dtype).cpu() for one, scorer in both)
        kept_MV = filter_logits(own_MV, sampling, keep=rows.target_ids) > -torch.inf
        shared_MV = filter_logits(their_MV.masked_fill(~kept_MV, -torch.inf), sampling.whole())
        chosen = shared_MV.gather(1, rows.target_ids[:, None]).squeeze(1)
        logprobs_BT[_row_major(rollout.mask_BT, batch)] = chosen

    side_by_side([partial(score, batch) for batch in batches], policy.device)
    return logprobs_BT


def update_policy(
    trainee: Trainee, experience: Experience, step: Step, first_update: int, generator: torch.Generator
) -> dict[str, float]:
    """Make `epochs * minibatches` optimizer updates and return their mean metrics.

    A step whose rows were all skipped had no token to measure: its MEASURED metrics are not a number.
    `ratio_error` is the largest |importance ratio - 1| in the first pass before any update: how far scorer
    and sampler disagree about tokens the same weights have chosen.
    """
    step = replace(step, value_weight=step.value_weight / value_scale(experience))
    reported: dict[str, list[float]] = {}
    updates = 0
    ratio_error = 0.0
    for _ in range(step.config.epochs):
        for rows in split_groups(experience, step.config.minibatches, generator):
            metrics = _one_update(trainee, experience, rows, step)
            if updates == 0:
                ratio_error = metrics["ratio_error"]
            metrics |= trainee.optimizer.step(first_update + updates)
            updates += 1
            for name, value in metrics.items():
                reported.setdefault(name, []).append(value)
    means = {name: sum(values) / len(values) for name, values in reported.items()}
    unmeasured = {name: float("nan") for name in MEASURED if name not in means}
    return means | unmeasured | {"ratio_error": ratio_error}


def split_groups(experience: Experience, parts: int, generator: torch.Generator) -> list[list[int]]:
    """Rows in `parts` minibatches; the rows of one prompt stay together. One part keeps every row."""
    group_B = experience.rollout.group_B
    groups = int(group_B.max()) + 1
    if parts == 1:
        return [list(range(len(group_B)))]
    order = torch.randperm(groups, generator=generator)
    part_of_group = torch.empty(groups, dtype=torch.int64)
    part_of_group[order] = torch.arange(groups) * parts // groups
    return [(part_of_group[group_B] == part).nonzero().squeeze(1).tolist() for part in range(parts)]


def _one_update(
    trainee: Trainee, experience: Experience, rows: Sequence[int], step: Step
) -> dict[str, float]:
    """Accumulate the gradient of the loss over the chosen rows; weights were fixed before cutting them up."""
    rollout = experience.rollout
    chosen = torch.tensor(rows, dtype=torch.int64)
    weights_BT = torch.zeros_like(rollout.logprobs_BT)
    weights_BT[chosen] = token_weights(
        rollout.mask_BT[chosen],
        rollout.group_B[chosen],
        step.aggregation,
        step.sampling.max_new_tokens,
    )
    # The entropy bonus acts on every row, also where the reward pulls nowhere.
    kept = [row for row in rows if experience.row_matters_B[row] or step.config.entropy_weight]
    lengths = rollout_lengths(rollout)
    kept_lengths = [lengths[row] for row in kept]
    scorer = make_scorer(trainee.decoder, step.dtype)
    values = value_reader(trainee, step.dtype) if experience.values_BT is not None else None
    readers = Readers(scorer, values)
    alike = rollout.group_B[kept].tolist()
    cuts = scorer.cut(kept_lengths, step.config.micro_batch_tokens, alike) if kept else []

    def loss(cut: Sequence[int]) -> tuple[Tensor, Report]:
        return policy_loss(readers, experience, [kept[place] for place in cut], weights_BT, step)

    reports = gradients_of(list(trainee.optimizer.named.values()), cuts, loss)
    return _combined(reports) | {
        "update_tokens": float(sum(kept_lengths)),
        "padding_share": padding_share(kept_lengths, cuts, packed=scorer.packed) if kept else 0.0,
    }


def value_scale(experience: Experience) -> float:
    """Variance of the batch's returns, at least 1, by which the value loss is divided; 1 without values.

    The value's gradient reaches the policy's backbone. Where returns grow large, as with a heavy KL weight,
    it would drown the policy's, carry the policy off, and make returns larger still.
    """
    if experience.returns_BT is None:
        return 1.0
    returns = experience.returns_BT[experience.rollout.mask_BT]
    return max(1.0, float(returns.var(unbiased=False)))


def value_reader(trainee: Trainee, dtype: torch.dtype) -> Callable[[Rows, Tensor], Tensor]:
    """How values float32 [M] are read: from the policy's hidden states, or by a critic from the rows.

    They come to the CPU, as token scores do.
    """
    head = trainee.heads["value"]
    if not isinstance(head, Critic):
        return lambda rows, hidden_MD: head(hidden_MD).cpu()
    own = make_scorer(head.decoder, dtype)
    return lambda rows, hidden_MD: head.head(own.hidden(rows)).cpu()


@dataclass(frozen=True)
class Readers:
    """One version of the weights, ready to read rows: the policy's, and the values' where there are any."""

    scorer: Scorer
    values: Callable[[Rows, Tensor], Tensor] | None = None


def token_losses(
    logprobs: Tensor, experience: Experience, order: tuple[Tensor, Tensor], step: Step
) -> tuple[Tensor, Tensor]:
    """The algorithm's loss of each token, before any weighting, and whether it was clipped; float32 [M].

    `order` are the tokens' rows and positions, the tokens of a row one after another and all of them there.
    """
    old, compared = experience.rollout.logprobs_BT[order], logprobs
    if step.algorithm.ratio == "sequence":
        row = (order[0].diff(prepend=order[0][:1]) != 0).cumsum(0)
        compared = old + mean_over_rows(logprobs - old, row)
    losses, clipped = step.algorithm.loss(compared, old, experience.advantages_BT[order], *step.clip)
    if experience.sampler_gap_BT is not None and step.config.importance_cap:
        losses = losses * experience.sampler_gap_BT[order].exp().clamp_max(step.config.importance_cap)
    return losses, clipped


def policy_loss(
    readers: Readers, experience: Experience, batch: Sequence[int], weights_BT: Tensor, step: Step
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one micro-batch of rows, a weighted sum over its tokens, and sums for the metrics."""
    rollout, config, kl = experience.rollout, step.config, step.kl
    order = _row_major(rollout.mask_BT, batch)
    rows = rollout_rows(rollout, batch)
    hidden_MD = readers.scorer.hidden(rows)
    logprobs, entropy = readers.scorer.logprobs(
        hidden_MD, rows, step.sampling, entropy_gradient=config.entropy_weight != 0
    )
    old, weight = rollout.logprobs_BT[order], weights_BT[order]
    losses, clipped = token_losses(logprobs, experience, order, step)
    loss = (losses * weight).sum()
    report = {"policy_loss": loss.item()}
    if config.entropy_weight:
        loss = loss - config.entropy_weight * (entropy * weight).sum()
    if experience.reference_logprobs_BT is not None:
        reference = experience.reference_logprobs_BT[order]
        if kl.placement == "loss":
            penalty = (kl_estimate(logprobs, reference, kl.estimator) * weight).sum()
            loss = loss + kl.beta * penalty
        report["kl"] = float(kl_estimate(logprobs.detach(), reference, "k3").sum())
    if readers.values and experience.values_BT is not None and experience.returns_BT is not None:
        values = readers.values(rows, hidden_MD)
        value_losses = clipped_value_loss(
            values, experience.values_BT[order], experience.returns_BT[order], step.value_clip
        )
        value_loss = (value_losses * weight).sum()
        loss = loss + step.value_weight * value_loss
        report["value_loss"] = value_loss.item()
    with torch.no_grad():
        report["ratio_error"] = float(((logprobs - old).exp() - 1).abs().max())
        report["entropy"] = float(entropy.sum())
        report["clip_fraction"] = float(clipped.sum())
        report["approximate_kl"] = float(kl_estimate(old, logprobs, "k3").sum())
    report["tokens"] = len(logprobs)
    return loss, report


def _combined(reports: Sequence[dict[str, float]]) -> dict[str, float]:
    """Metrics of an update: losses add up, the ratio error is the largest, the rest are means per token.

    With every row skipped there is no token to measure, and a 0 would read as a collapse: the update has no
    means, and does not count in those of the step.
    """
    tokens = sum(report["tokens"] for report in reports)
    totals = {name: sum(report[name] for report in reports) for name in (reports[0] if reports else ())}
    means = {
        name: value if name.endswith("loss") else value / tokens
        for name, value in totals.items()
        if name not in ("ratio_error", "tokens")
    }
    largest = max((report["ratio_error"] for report in reports), default=0.0)
    return {"policy_loss": 0.0} | means | {"ratio_error": largest}


def _row_major(mask_BT: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Indices (row, position) of the masked positions of `rows`, in the order `Scorer.hidden` gives them."""
    row_index = torch.tensor(list(rows))
    local, position = mask_BT[row_index].nonzero(as_tuple=True)
    return row_index[local], position
