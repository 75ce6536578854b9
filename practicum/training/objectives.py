"""The mathematics of training, written once: pure functions on tensors, each with its source.

They serve token policies and environment policies alike. Suffixes: B rows, T positions; masks are bool,
True where a position counts. Nothing here looks at tokens, tasks or models.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from practicum.guard.controllers import KLEstimator

AdvantageKind = Literal["group_mean", "group_standardised", "leave_one_out"]
Aggregation = Literal["token_mean", "sequence_mean", "constant", "sequence_sum"]
SAPO_TEMPERATURES = (1.0, 1.05)
"""Of SAPO's gate, for advantages above 0 and for the others (Gao et al. 2025, 2511.20347, section 5)."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is True; 0 when it is True nowhere. Same shapes."""
    return (values * mask).sum() / mask.sum().clamp_min(1)


def whiten(values: Tensor, mask: Tensor, *, shift_mean: bool = True) -> Tensor:
    """Scale to unit variance and, unless told otherwise, zero mean over the masked positions.

    Computed in float64, returned in the dtype of `values`, 0 off the mask; equal values have no deviation
    at all, whatever they are. Source: "The N+ Implementation Details of RLHF with PPO" (Huang et al. 2024,
    2403.17031), detail on whitening, which keeps the mean of rewards and drops that of advantages.
    """
    exact = values.double()
    least = exact.masked_fill(~mask, torch.inf).min() if bool(mask.any()) else exact.new_zeros(())
    above = torch.where(mask, exact - least, exact.new_zeros(()))
    mean = masked_mean(above, mask)
    variance = masked_mean((above - mean) ** 2, mask)
    whitened = (above - mean) * torch.rsqrt(variance + 1e-8)
    return ((whitened if shift_mean else whitened + mean + least) * mask).to(values.dtype)


def group_advantages(rewards_B: Tensor, group_B: Tensor, kind: AdvantageKind) -> Tensor:
    """Each row's reward against the rest of its group, float32 [B]; the rewards may be float32 or float64.

    `group_mean`: r - mean (Dr. GRPO, Liu et al. 2025, 2503.20783). `group_standardised`: that divided by the
    group's standard deviation + 1e-4 (GRPO, Shao et al. 2024, 2402.03300, section 4.1.2).
    `leave_one_out`: r - mean of the others (RLOO, Ahmadian et al. 2024, 2402.14740).
    `group_B` holds int64 group numbers from 0; a group of one row, or of equal rewards, has advantage 0.
    """
    groups = int(group_B.max()) + 1
    # Counted from the group's least reward, and in float64: the rounding of a mean would make an advantage of
    # equal rewards, and a constant added to all of them would change the result.
    exact_B = rewards_B.double()
    least = exact_B.new_full((groups,), torch.inf).scatter_reduce_(0, group_B, exact_B, "amin")
    above_B = exact_B - least[group_B]
    count = torch.bincount(group_B, minlength=groups).double()
    mean = above_B.new_zeros(groups).index_add_(0, group_B, above_B) / count.clamp_min(1)
    centred_B = above_B - mean[group_B]
    if kind == "leave_one_out":
        size_B = count[group_B]
        centred_B = centred_B * size_B / (size_B - 1).clamp_min(1)
    elif kind == "group_standardised":
        square = above_B.new_zeros(groups).index_add_(0, group_B, centred_B**2)
        deviation = (square / (count - 1).clamp_min(1)).sqrt()
        centred_B = centred_B / (deviation[group_B] + 1e-4)
    return centred_B.float()


def untied(rewards_B: Tensor, group_B: Tensor) -> Tensor:
    """Whether a row's group holds different rewards, bool [B]."""
    groups = int(group_B.max()) + 1
    least = rewards_B.new_full((groups,), torch.inf).scatter_reduce_(0, group_B, rewards_B, "amin")
    most = rewards_B.new_full((groups,), -torch.inf).scatter_reduce_(0, group_B, rewards_B, "amax")
    return (most > least)[group_B]


def best_of_groups(values_B: Tensor, group_B: Tensor, count: int) -> Tensor:
    """The `count` rows of the largest value in each group, bool [B]; of equal ones the first."""
    keep_B = torch.zeros(len(group_B), dtype=torch.bool)
    for group in range(int(group_B.max()) + 1):
        rows = (group_B == group).nonzero().squeeze(1)
        order = values_B[rows].argsort(descending=True, stable=True)
        keep_B[rows[order[:count]]] = True
    return keep_B


def max_rl_advantages(rewards_B: Tensor, group_B: Tensor) -> Tensor:
    """(r - mean) / mean of each row's group, float32 [B]; 0 where the mean is 0 or all are equal.

    Rewards are at least 0. Source: Tajwar et al. 2026 (MaxRL, 2602.02710): with K right answers of G, a right
    one has the weight 1 / K less the control variate 1 / G, here times G.
    """
    groups = int(group_B.max()) + 1
    total = rewards_B.new_zeros(groups, dtype=torch.float64).index_add_(0, group_B, rewards_B.double())
    mean_B = (total / torch.bincount(group_B, minlength=groups).clamp_min(1))[group_B]
    centred_B = group_advantages(rewards_B, group_B, "group_mean").double()
    return torch.where(mean_B > 0, centred_B / mean_B.clamp_min(1e-30), torch.zeros_like(mean_B)).float()


def soft_overlong_penalty(lengths_B: Tensor, longest: int, buffer: int) -> Tensor:
    """What DAPO takes off for length, float64 [B] in [-1, 0]: 0 up to longest - buffer, then linearly to -1.

    Lengths are int64 [B], at most `longest`, in tokens. Source: Yu et al. 2025 (DAPO, 2503.14476, eq. 13).
    """
    return -((lengths_B.double() - (longest - buffer)) / buffer).clamp(0, 1)


def generalised_advantages(
    rewards_BT: Tensor,
    values_BT: Tensor,
    mask_BT: Tensor,
    discount: float,
    gae_lambda: float,
    ends: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, float32 [B, T], of rows whose last masked position is terminal.

    delta_t = r_t + discount * V_{t+1} - V_t;  A_t = delta_t + discount * lambda * A_{t+1};  return = A + V.
    The value after a row's last masked position is 0. Source: Schulman et al. 2016 (GAE, 1506.02438, eq. 16).
    `ends` is for rows of several episodes: where one ends (bool [B, T]), and the value of what would have
    followed (float32 [B, T]): 0 after a terminal state, V of the next state where the episode was only cut
    off (Pardo et al. 2018, "Time Limits in Reinforcement Learning", 1712.00378).
    """
    advantages = torch.zeros_like(rewards_BT)
    following_value = torch.zeros_like(rewards_BT[:, 0])
    following_advantage = torch.zeros_like(following_value)
    mask = mask_BT.to(rewards_BT.dtype)
    for step in range(rewards_BT.shape[1] - 1, -1, -1):
        if ends is not None:
            ended, beyond = ends[0][:, step], ends[1][:, step].to(mask.dtype)
            following_value = torch.where(ended, beyond, following_value)
            following_advantage = following_advantage.masked_fill(ended, 0)
        delta = rewards_BT[:, step] + discount * following_value - values_BT[:, step]
        # Past tokens that the policy did not choose, what follows is what follows them.
        chosen = mask_BT[:, step]
        reached = delta + discount * gae_lambda * following_advantage
        following_advantage = torch.where(chosen, reached, following_advantage)
        following_value = torch.where(chosen, values_BT[:, step].to(mask.dtype), following_value)
        advantages[:, step] = following_advantage * mask[:, step]
    return advantages, (advantages + values_BT) * mask


def clipped_policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """PPO's clipped surrogate per position (to minimise) and where the clip binds, same shapes.

    -min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A). Sources: Schulman et al. 2017 (PPO,
    1707.06347, eq. 7); unequal bounds: Yu et al. 2025 (DAPO, 2503.14476, eq. 8).
    """
    ratio = (logprobs - old_logprobs).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    loss = -torch.minimum(ratio * advantages, clipped * advantages)
    return loss, (clipped * advantages < ratio * advantages).float()


def reinforce_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-A log p per position, with no ratio and nothing clipped. Source: Williams 1992.

    It is the policy gradient where the weights are those that sampled, so for one update a batch.
    """
    return -advantages * logprobs, torch.zeros_like(logprobs)


def importance_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-ratio * A per position, nothing clipped. Source: Schulman et al. 2017 (PPO, 1707.06347, eq. 6)."""
    return -(logprobs - old_logprobs).exp() * advantages, torch.zeros_like(logprobs)


def cispo_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-min(ratio, 1 + clip_high) * A * log p, without a gradient through the ratio; where the bound binds.

    There is no lower bound. Source: MiniMax 2025 (CISPO, 2506.13585, eq. 4 and 5).
    """
    ratio = (logprobs - old_logprobs).exp().detach()
    weight = ratio.clamp_max(1 + clip_high)
    return -weight * advantages * logprobs, (weight < ratio).float()


def sapo_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-(4 / tau) sigmoid(tau (ratio - 1)) * A per position; nothing is clipped, tau by the sign of A.

    At a ratio of 1 it has the gradient of the plain ratio. Source: Gao et al. 2025 (SAPO, 2511.20347, eq. 6).
    """
    above, below = SAPO_TEMPERATURES
    tau = torch.where(advantages > 0, above, below)
    gate = torch.sigmoid(tau * ((logprobs - old_logprobs).exp() - 1)) * 4 / tau
    return -gate * advantages, torch.zeros_like(logprobs)


def mean_over_rows(values: Tensor, row: Tensor) -> Tensor:
    """Each position's mean of `values` over the positions of its row, [M]; `row` is int64 [M], from 0."""
    rows = int(row.max()) + 1 if len(row) else 0
    total = values.new_zeros(rows).index_add(0, row, values)
    return (total / torch.bincount(row, minlength=rows).clamp_min(1))[row]


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Half the larger squared error of the value and of the value kept within `clip` of the old one.

    With an infinite `clip`, half the squared error. Source: Huang et al. 2022, "The 37 Implementation Details
    of PPO", detail 9; per position, same shapes.
    """
    if math.isinf(clip):
        return 0.5 * (values - returns) ** 2
    kept = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (kept - returns) ** 2)


def kl_estimate(logprobs: Tensor, reference_logprobs: Tensor, estimator: KLEstimator) -> Tensor:
    """Estimate KL(policy || reference) at sampled positions (Schulman 2020, "Approximating KL divergence").

    With r = reference / policy: k1 = -log r, k2 = (log r)^2 / 2, k3 = r - 1 - log r. As a *value*, k1 and k3
    are unbiased and k2 is not. As a *loss* differentiated through `logprobs` on samples held fixed, only k2
    has the gradient of the KL in expectation; k1's gradient is zero in expectation, and k3's is that of the
    reverse KL(reference || policy). In the *reward*, only k1 gives the right gradient (Comedy of Estimators,
    2512.21852). Over a sequence, k2 in the loss takes each prefix as given, while k1 in a reward that is
    summed over the tokens to come also answers for the prefixes chosen. A test computes all of this exactly.
    """
    log_ratio = reference_logprobs - logprobs
    if estimator == "k1":
        return -log_ratio
    if estimator == "k2":
        return 0.5 * log_ratio**2
    return log_ratio.exp() - 1 - log_ratio


def token_weights(mask_BT: Tensor, group_B: Tensor, aggregation: Aggregation, length: int) -> Tensor:
    """Weight of each position in the loss of a whole batch, float32 [B, T]; the loss is a plain weighted sum.

    Since the weights are fixed for the whole batch before it is cut up, micro-batches and gradient
    accumulation change nothing. `token_mean`: every token counts the same (DAPO, 2503.14476).
    `sequence_mean`: every row counts the same, its tokens share it (GRPO, 2402.03300, eq. 3). `constant`:
    1 / (rows * length) each (Dr. GRPO, 2503.20783), no bias towards short wrong or long right answers.
    `sequence_sum`: 1 / rows each, so that a row counts with the log-probability of all of it (REINFORCE).
    `group_B` is int64 [B]; rows only, the groups' sizes do not enter.
    """
    mask = mask_BT.float()
    rows = group_B.shape[0]
    if aggregation == "token_mean":
        return mask / mask.sum().clamp_min(1)
    if aggregation == "sequence_mean":
        return mask / mask.sum(1, keepdim=True).clamp_min(1) / max(1, rows)
    if aggregation == "sequence_sum":
        return mask / max(1, rows)
    return mask / max(1, rows * length)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns) over masked positions: 1 perfect, 0 a constant, below 0 worse.

    Same shapes; 0 where the returns do not vary. Source: Huang et al. 2022, "The 37 Implementation Details of
    PPO", debug variables.
    """
    error, wanted = returns - values, returns
    left = masked_mean((error - masked_mean(error, mask)) ** 2, mask)
    whole = masked_mean((wanted - masked_mean(wanted, mask)) ** 2, mask)
    return torch.where(whole > 0, 1 - left / whole.clamp_min(1e-12), torch.zeros_like(whole))


def bradley_terry_loss(scores_KR: Tensor, ranks_KR: Tensor, mask_KR: Tensor, margin: float = 0.0) -> Tensor:
    """Mean over all pairs of each ranking of -log P(the pair as ranked), float32 [K].

    P(i over j) = sigmoid(s_i - s_j - margin * (difference in rank)); a tie counts half each way and has no
    margin. K rankings of up to R responses, ranks int64 with 1 best, mask True where there is a response.
    The mean over pairs makes a ranking weigh 1 however many pairs it has. Sources: Bradley & Terry 1952;
    Ouyang et al. 2022 (InstructGPT, 2203.02155, eq. 1); margin: Touvron et al. 2023 (Llama 2, 2307.09288,
    eq. 2).
    """
    present_KRR = (mask_KR[:, :, None] & mask_KR[:, None, :]).triu(1)
    difference_KRR = scores_KR[:, :, None] - scores_KR[:, None, :]
    gap_KRR = (ranks_KR[:, None, :] - ranks_KR[:, :, None]).to(scores_KR.dtype)
    ordered_KRR = functional.softplus(margin * gap_KRR.abs() - gap_KRR.sign() * difference_KRR)
    tied_KRR = 0.5 * (functional.softplus(difference_KRR) + functional.softplus(-difference_KRR))
    loss_KRR = torch.where(gap_KRR == 0, tied_KRR, ordered_KRR) * present_KRR
    return loss_KRR.sum((1, 2)) / present_KRR.sum((1, 2)).clamp_min(1)


def plackett_luce_loss(scores_KR: Tensor, ranks_KR: Tensor, mask_KR: Tensor) -> Tensor:
    """-log P(the order of each ranking) per choice made in it, float32 [K].

    The best is chosen from all with probability softmax(scores), the next from the rest, and so on: a ranking
    of r responses is r - 1 choices. Tied responses are each chosen from all that are not better (Breslow's
    treatment of ties), so that a tie of all is best explained by equal scores. Shapes as
    `bradley_terry_loss`, which this equals for two responses without a tie. Sources: Plackett 1975; Luce
    1959; Breslow 1974.
    """
    not_better_KRR = (ranks_KR[:, None, :] >= ranks_KR[:, :, None]) & mask_KR[:, None, :]
    pool_KRR = scores_KR[:, None, :].masked_fill(~not_better_KRR, -torch.inf)
    # A padded row may choose from anything: it is masked, and must not bring a NaN into the gradient.
    pool_KRR = torch.where(mask_KR[:, :, None], pool_KRR, torch.zeros_like(pool_KRR))
    loss_KR = (pool_KRR.logsumexp(-1) - scores_KR) * mask_KR
    return loss_KR.sum(1) / (mask_KR.sum(1) - 1).clamp_min(1)


def warmup_cosine(step: int, steps: int, warmup_steps: int, final_share: float) -> float:
    """Learning-rate factor in (0, 1]: linear warm-up, then half a cosine down to `final_share`.

    Source: Loshchilov & Hutter 2017 (SGDR, 1608.03983, eq. 5), without restarts.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return final_share + (1 - final_share) * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * progress))))
