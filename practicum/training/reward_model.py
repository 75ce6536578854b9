"""Reward model: a decoder learns to score texts from the order in which people put them.

All rankings of a prompt are in one batch and each response is read once, so K responses cost K forward
passes and not K (K - 1), and no response is repeated within an epoch, which is what makes a model that is fed
shuffled pairs over-fit (Ouyang et al. 2022, InstructGPT, 2203.02155, section 3.5). Every ranking weighs 1.
The model is written to RUN/model (`reward/model.py`), its accuracy on held-out prompts to
RUN/evaluation.json.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.guard.observer import StepResult
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device, described
from practicum.model.heads import RewardHead
from practicum.model.lora import LoraConfig
from practicum.model.policy import Policy, load_policy
from practicum.model.scorer import make_scorer
from practicum.preferences.aggregate import consensus
from practicum.preferences.controls import RankingControl, with_null_labels
from practicum.preferences.formats import load_rankings
from practicum.preferences.rankings import (
    Alike,
    Judged,
    Order,
    as_pairs,
    batch_of,
    by_prompt,
    contrasted,
    read_rankings,
    split_by_hash,
    told_apart,
)
from practicum.ranges import (
    Common,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Range,
    Ranged,
    Seed,
    ShareBelowOne,
    Threads,
)
from practicum.reward.accuracy import held_out_report, pair_accuracy
from practicum.reward.model import (
    OWN_READING,
    Calibration,
    Reading,
    RewardModel,
    centred,
    check_reward_policy,
    last_hidden,
    load_reward_model,
    save_reward_model,
    sequences_of,
    whole_sequences,
)
from practicum.run.folder import Run
from practicum.training.defaults import defaults_for
from practicum.training.loop import LoopConfig, Stage, Trainee, run_steps, set_threads
from practicum.training.objectives import bradley_terry_loss, plackett_luce_loss
from practicum.training.optimizer import Optimizer, OptimizerConfig, Together
from practicum.training.step import Report, gradients_of, total, trainable
from practicum.types import Ranking, RewardFormat


@dataclass(frozen=True, kw_only=True)
class RewardModelSettings(Ranged):
    """How a reward model is fitted, whoever decides on the model that it starts from and the rankings."""

    objective: Literal["bradley-terry", "plackett-luce"] = "bradley-terry"
    """bradley-terry uses all pairs of a ranking, plackett-luce its choices from the best down."""
    margin: NonNegativeFloat = 0.0
    """Score difference required per rank of difference, in logits (bradley-terry only)."""
    rater_weights: Literal["equal", "reliability"] = "equal"
    """reliability weights rankings by the rater's agreement with others; it needs an overlap of 2 or more."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=dict)
    """Additional weights of raters, by name; 0 drops a rater, and raters not listed keep weight 1.
    `practicum audit bias --weights` writes weights that reduce the influence of a majority."""
    batching: Literal["grouped", "pairs"] = "grouped"
    """grouped keeps all rankings of a prompt in one batch; pairs shuffles single pairs, for comparison."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters to train instead of all weights of the decoder; heads are always trained in full."""
    heads: Annotated[int, Range(at_least=1, at_most=1024)] = 1
    """Heads on one decoder, each trained on its own half of the rankings; their disagreement is a warning."""
    length_control: Literal["none", "regress"] = "none"
    """regress removes from rewards the slope of score on length, fitted within prompts."""
    held_out: Common[ShareBelowOne] = 0.1
    """Share of prompts, chosen by hash, used for evaluation and never for training."""
    contrast_steps: NonNegativeInt = 0
    """Updates before the rankings that put ranked answers above corrupted ones (another prompt's, mixed, cut,
    repeated). They teach a small model to relate an answer to its prompt."""
    epochs: Common[PositiveInt] = 2
    """Passes over the rankings."""
    batch_prompts: PositiveInt = 16
    """Prompts per update, each with all its rankings."""
    micro_batch_tokens: PositiveInt = 4096
    """Tokens per forward pass; affects memory and speed, not the result."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            algorithm="adamw", learning_rate=1e-3, warmup_steps=5, final_share=0.1
        )
    )
    """The optimizer."""
    checkpoint_every: PositiveInt = 100
    """Updates between checkpoints."""
    allow_dead: bool = False
    """Go on with a run whose first three updates have no gradient at all."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Dtype of matrix products; master weights are always float32."""
    head_seed: Seed | None = None
    """Seed of the heads alone; members to be averaged need the same. None: as seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.margin and self.objective != "bradley-terry":
            raise InputError(f"margin is {self.margin}; it counts only with bradley-terry")


@dataclass(frozen=True)
class RewardModelConfig(RewardModelSettings):
    """A reward model: learn from people's rankings what they like.

    practicum reward-model --model runs/jokes --preferences rankings.jsonl
    practicum reward-model --model smollm2 --preferences pairs.jsonl --lora.rank 8
    """

    model: Common[Path | None] = None
    """The language model to start from (a model folder, or a run's folder)."""
    preferences: Common[tuple[str, ...]] = ()
    """Rankings: files (JSONL, JSON, CSV, Parquet; rankings, chosen and rejected) and databases (an SQLite
    file, postgresql://...)."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own pairs or rankings; rows that prefer nothing are counted and left out."""
    average: Common[tuple[Path, ...]] = ()
    """Instead of training, average the weights of these reward models (WARM) and calibrate the average on the
    preferences. They must have started from one model with one head_seed."""
    reward_format: RewardFormat = "auto"
    """Format of models from other trainers among --average: chat (messages through the chat template), text
    (prompt and completion as one text), auto (chat if the tokenizer has a template)."""
    project: Common[str] = ""
    """Project to read from databases; empty reads all projects."""
    control: Common[RankingControl] = "none"
    """Train on null labels, as a control: shuffled-labels shuffles the ranks of each ranking, length-only
    ranks the longest first. Evaluation still uses people's rankings."""
    threads: Common[Threads] = 0
    """CPU threads for matrix products; 0 uses one per core."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Seed of the heads and the order of rankings; use different seeds for the members of an ensemble."""

    @property
    def examined_share(self) -> float:
        """Share of the prompts, chosen by hash, that are held out where no test split is named."""
        return self.data.test_share or self.held_out

    def by_model(self) -> tuple[str, dict[str, Any]]:
        """Defaults for a model of this size; averaging trains none."""
        return ("", {}) if self.model is None else defaults_for("reward-model", self.model, self.lora.rank)

    def without_effect(self) -> Mapping[str, str]:
        """What averaging, plain rankings or a test split leave without effect."""
        rows = ("answer", "completion", "label", "turns", "longest_prompt")
        idle = {f"data.{name}": "rankings are read by prompt, chosen and rejected: drop it" for name in rows}
        if self.data.test is not None or self.data.test_share:
            idle["held_out"] = "data.test and data.test_share name what is held out: drop one of them"
        if not self.average:
            return idle | {"reward_format": "only models to be averaged are of other trainers: drop it"}
        learning = (
            *("objective", "margin", "batching", "lora", "heads", "head_seed", "contrast_steps", "epochs"),
            *("batch_prompts", "micro_batch_tokens", "optimizer", "checkpoint_every", "allow_dead"),
        )
        return idle | dict.fromkeys(learning, "--average trains nothing: drop one of them")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.average and self.control != "none":
            raise InputError(f"control {self.control} is about learning: drop --average")
        if bool(self.average) == (self.model is not None):
            raise InputError("give either --model to learn from, or --average and reward models")
        if self.data.validation_share:
            raise InputError(
                "data.validation_share: a reward model is examined on one split: use --data.test_share"
            )
        if len(self.average) == 1:
            raise InputError("average: expected two reward models or more, got 1")


def train(config: RewardModelConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Learn, measure on the held-out prompts, and return the summary; the model is RUN/model."""
    if config.average:
        return average(config, run_path, resume=resume)
    assert config.model is not None
    device = chosen_device(config.device)
    policy, tokenizer = load_policy(config.model, device, config.lora, config.seed)
    check_reward_policy(policy)
    rankings, examined = rankings_of(config)
    everything = [*rankings, *examined]
    weights = _rater_weights(everything, config)
    read = partial(divided, policy=policy, tokenizer=tokenizer, config=config)
    learned, held_out, alike = read(by_prompt(rankings, weights), examined=by_prompt(examined, weights))
    labels = with_null_labels(rankings, config.control, config.seed)
    taught, _, _ = read(by_prompt(labels, weights), examined=by_prompt(examined, weights))
    tell(alike)
    tell_cut([*learned, *held_out], policy, tokenizer)
    items = as_pairs(taught) if config.batching == "pairs" else taught
    run = Run.open(run_path, config, "reward-model", resume=resume, device=described(device))
    set_threads(config.threads)
    dtype = compute_dtype(config.dtype, device)
    head_seed = config.seed if config.head_seed is None else config.head_seed
    head = RewardHead(policy.spec.hidden_size, config.heads, head_seed).to(policy.device)
    heads = nn.ModuleDict({"reward": head})
    epoch_steps = -(-len(items) // config.batch_prompts)
    steps = config.contrast_steps + config.epochs * epoch_steps
    if run.extended_from is not None:
        run = replace(run, extended_from=config.contrast_steps + run.extended_from * epoch_steps)
    loop = LoopConfig(steps, config.checkpoint_every, threads=config.threads, allow_dead=config.allow_dead)
    optimizer = Optimizer(Together(model=policy, heads=heads), config.optimizer, steps)
    trainee = Trainee(policy, tokenizer, heads, optimizer)

    def step(index: int) -> StepResult:
        if index < config.contrast_steps:
            random = Random(f"contrasts {config.seed} {index}")
            asked = batch_of(learned, config.batch_prompts, index, config.seed)
            batch = [contrasted(item, learned, random) for item in asked]
            metrics = learn(policy, tokenizer, head, batch, config, dtype)
            return StepResult(metrics | optimizer.step(index))
        index, place = index - config.contrast_steps, index
        batch = batch_of(items, config.batch_prompts, index, config.seed)
        metrics = learn(policy, tokenizer, head, batch, config, dtype)
        metrics |= optimizer.step(place)
        metrics["epoch"] = (index + 1) / epoch_steps
        if (index + 1) % epoch_steps == 0 and held_out:
            measured = pair_accuracy(_ready(trainee, dtype), held_out)
            metrics |= {"held_out_accuracy": measured[0], "held_out_loss": measured[1]}
        return StepResult(metrics)

    last = run_steps(Stage(run, loop, trainee, ("loss",), allow_dead="allow_dead"), step)
    last = {**last, "alike": alike.json()}
    return concluded(run, _ready(trainee, dtype), everything, learned, held_out, config, last)


def rankings_of(config: RewardModelConfig) -> tuple[list[Ranking], list[Ranking]]:
    """The rankings of --preferences and of --data, and those of a test split, where one is named.

    Raises InputError where there are none.
    """
    rankings = read_rankings(config.preferences, config.project) if config.preferences else []
    examined: list[Ranking] = []
    if config.data.file is not None:
        learned, examined = load_rankings(config.data)
        rankings += learned
    if examined and config.held_out != RewardModelSettings().held_out:
        raise InputError(
            f"held_out {config.held_out}: {config.data.test or config.data.file} has a test split: drop it"
        )
    return rankings or read_rankings(config.preferences), examined


def divided(
    judged: Sequence[Judged],
    policy: Policy,
    tokenizer: Tokenizer,
    config: RewardModelConfig,
    reading: Reading = OWN_READING,
    examined: Sequence[Judged] = (),
) -> tuple[list[Judged], list[Judged], Alike]:
    """(to learn from, held out) of what the model can tell apart, and what it cannot.

    `examined` is what is held out, where it is known; else a share is, by the hash of the prompt. Raises
    InputError when either side is empty or there is nothing to examine on.
    """

    def readable(items: Sequence[Judged]) -> tuple[list[Judged], Alike]:
        prompts = [item.prompt for item in items for _ in item.responses]
        texts = [response.text for item in items for response in item.responses]
        sequences, _ = sequences_of(policy, tokenizer, prompts, texts, reading)
        return told_apart(items, sequences, policy.spec.max_positions)

    left, alike = readable(judged)
    if not left:
        raise InputError(
            f"{', '.join(places_of(config))}: nothing to learn: {alike.sentence()}; give rankings of "
            "responses that differ, or a model with more positions"
        )
    if examined:
        learned, (held_out, unseen) = left, readable(examined)
        alike = alike.plus(unseen)
    else:
        learned, held_out = split_by_hash(left, config.examined_share)
    told = any(len(set(order.ranks)) > 1 for item in held_out for order in item.orders)
    if not told and (held_out or examined):
        raise InputError(
            "the held-out rankings hold only ties or what the model reads alike: nothing can be examined; "
            "hold more out"
        )
    return learned, held_out, alike


def places_of(config: RewardModelConfig) -> list[str]:
    """Where the rankings come from."""
    return [*config.preferences, *([str(config.data.file)] if config.data.file else [])]


def tell(alike: Alike) -> None:
    """Say on stderr which pairs are left out, if any."""
    if alike.total:
        print(f"practicum: {alike.sentence()}: left out", file=sys.stderr)


def tell_cut(
    items: Sequence[Judged], policy: Policy, tokenizer: Tokenizer, reading: Reading = OWN_READING
) -> None:
    """Say on stderr how many answers are judged without their ends, which the model has no positions for."""
    prompts = [item.prompt for item in items for _ in item.responses]
    texts = [response.text for item in items for response in item.responses]
    whole, _ = whole_sequences(policy, tokenizer, prompts, texts, reading)
    limit = policy.spec.max_positions
    cut = [place for place, ids in enumerate(whole) if len(ids) > limit]
    if cut:
        first = prompts[cut[0]]
        print(
            f"practicum: {len(cut)} of {len(texts)} answers are, with their prompts, longer than the {limit} "
            f"tokens that the model takes (the first is that of {first.origin or repr(first.text[:40])}: "
            f"{len(whole[cut[0]])} tokens): they are learned without their ends",
            file=sys.stderr,
        )


def average(config: RewardModelConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Write RUN/model, whose weights are the mean of those of `config.average`, and return the summary.

    WARM (Rame et al. 2024, 2401.12187, eq. 1): weights of models that were fine-tuned from one model, heads
    included, are averaged, since between them the loss is no higher than at them. Raises InputError when
    shapes or tokenizers differ.
    """
    device = chosen_device(config.device)
    dtype = compute_dtype(config.dtype, device)
    models = [load_reward_model(folder, dtype, config.reward_format, device) for folder in config.average]
    rankings, examined = rankings_of(config)
    everything = [*rankings, *examined]
    first = models[0]
    for folder, other in zip(config.average, models, strict=True):
        _check_alike(config.average[0], first, folder, other)
    weights = _rater_weights(everything, config)
    judged, test = by_prompt(rankings, weights), by_prompt(examined, weights)
    learned, held_out, alike = divided(judged, first.decoder, first.tokenizer, config, first.reading, test)
    tell(alike)
    tell_cut([*learned, *held_out], first.decoder, first.tokenizer, first.reading)
    run = Run.open(run_path, config, "reward-model", resume=resume, device=described(device))
    set_threads(config.threads)
    with torch.no_grad():
        for name in ("decoder", "head"):
            parts = [dict(getattr(model, name).named_parameters()) for model in models]
            for key, own in parts[0].items():
                own.copy_(torch.stack([part[key].cpu().double() for part in parts]).mean(0).float())
    merged = replace(first, scorer=make_scorer(first.decoder, dtype))
    last = {"averaged": len(models), "alike": alike.json()}
    return concluded(run, merged, everything, learned, held_out, config, last)


def _check_alike(first_folder: Path, first: RewardModel, folder: Path, other: RewardModel) -> None:
    shapes, other_shapes = (
        {
            f"{part}.{key}": tuple(tensor.shape)
            for part in ("decoder", "head")
            for key, tensor in getattr(model, part).named_parameters()
        }
        for model in (first, other)
    )
    for name in [*shapes, *other_shapes]:
        if shapes.get(name) != other_shapes.get(name):
            raise InputError(
                f"{folder}: {name} is {other_shapes.get(name)}, that of {first_folder} {shapes.get(name)}: "
                "only reward models that began as the same model can be averaged"
            )
    if first.tokenizer.to_str() != other.tokenizer.to_str():
        raise InputError(f"{folder}: its tokenizer is not that of {first_folder}, so they cannot be averaged")
    if first.reading != other.reading:
        raise InputError(
            f"{folder}: it reads {other.reading.format}, {first_folder} reads {first.reading.format}: only "
            "reward models that read alike can be averaged"
        )


def concluded(
    run: Run,
    model: RewardModel,
    rankings: Sequence[Ranking],
    learned: Sequence[Judged],
    held_out: Sequence[Judged],
    config: RewardModelConfig,
    last: Mapping[str, Any],
) -> dict[str, Any]:
    """Calibrate, save and measure the finished model, and write and return the run's summary."""
    model = calibrated(model, learned, config.length_control)
    save_reward_model(
        model.decoder, model.tokenizer, model.head, model.calibration, run.path / "model", model.reading
    )
    report = held_out_report(model, held_out, rankings) if held_out else {}
    atomic_write(run.path / "evaluation.json", to_json(report, indent=2) + "\n")
    summary = {
        "stage": "reward-model",
        "control": config.control,
        "rankings": sum(len(item.orders) for item in learned),
        "prompts": len(learned),
        **last,
        **_headline(report),
        "reward_deviation": model.calibration.deviation,
    }
    run.finish(summary)
    return summary


def _headline(report: dict[str, Any]) -> dict[str, Any]:
    return {
        name: report[name]
        for name in ("accuracy", "ci95", "ceiling", "share_of_ceiling", "note", "ece", "ece_floor")
        if name in report
    }


def _rater_weights(rankings: Sequence[Ranking], config: RewardModelConfig) -> Mapping[str, float] | None:
    """Each rater's weight, that of the config times their reliability relative to the mean one where that
    is asked for: none below 0 and none for spammers. None where all weigh 1. Raises InputError for a rater
    who ranked nothing."""
    known = {ranking.rater for ranking in rankings}
    for rater in config.weights:
        if rater not in known:
            raise InputError(f"weights.{rater}: no rater of that name among the {len(known)} who ranked")
    if config.rater_weights == "equal":
        return config.weights or None
    found = consensus(rankings)
    spammers = set(found.spammers())
    return {
        rater.rater: config.weights.get(rater.rater, 1.0)
        * (0.0 if rater.rater in spammers else max(0.0, rater.reliability))
        for rater in found.raters
    }


def learn(
    policy: Policy,
    tokenizer: Tokenizer,
    head: RewardHead,
    batch: Sequence[Judged],
    config: RewardModelConfig,
    dtype: torch.dtype,
) -> dict[str, float]:
    """Add the gradient of the mean loss over the batch's rankings, and return metrics.

    The mean is over the whole batch, so how it is cut into micro-batches changes nothing but rounding.
    """
    prompts = [item.prompt for item in batch for _ in item.responses]
    texts = [response.text for item in batch for response in item.responses]
    sequences, _ = sequences_of(policy, tokenizer, prompts, texts)
    starts = [0]
    for item in batch:
        starts.append(starts[-1] + len(item.responses))
    lengths = [len(sequence) for sequence in sequences]
    tokens_of_item = [sum(lengths[start:end]) for start, end in pairwise(starts)]
    weight = sum(order.weight for item in batch for order in item.orders)
    scorer = make_scorer(policy, dtype)

    def loss(chosen: Sequence[int]) -> tuple[Tensor, Report]:
        rows = [row for place in chosen for row in range(starts[place], starts[place + 1])]
        scores_NH = head(last_hidden(scorer, [sequences[row] for row in rows])).cpu()
        value, right, pairs = ranking_loss(scores_NH, [batch[place] for place in chosen], config)
        value = value / weight
        return value, {"loss": value.item(), "right": right, "pairs": pairs}

    cuts = scorer.cut(tokens_of_item, config.micro_batch_tokens)
    reports = gradients_of(trainable(policy, head), cuts, loss)
    pairs = total(reports, "pairs")
    return {
        "loss": total(reports, "loss"),
        "accuracy": total(reports, "right") / pairs if pairs else float("nan"),
        "tokens": sum(lengths),
    }


def ranking_loss(
    scores_NH: Tensor, items: Sequence[Judged], config: RewardModelConfig
) -> tuple[Tensor, float, int]:
    """The weighted sum of the rankings' losses, mean over heads; pairs ordered right, and pairs.

    Pairs of equal scores are half right.
    scores_NH: of the items' responses one after another, by each head. With several heads each learns from a
    random half of the prompts at double weight (double-or-nothing bootstrap, Owen & Eckles 2012, 1106.2125),
    so that they differ where the rankings leave room for it.
    """
    member_KR, ranks_KR, mask_KR, weight_K = padded(items)
    sizes = [len(item.orders) for item in items]
    losses = []
    for number in range(scores_NH.shape[1]):
        scores_KR = scores_NH[:, number][member_KR]
        if config.objective == "plackett-luce":
            loss_K = plackett_luce_loss(scores_KR, ranks_KR, mask_KR)
        else:
            loss_K = bradley_terry_loss(scores_KR, ranks_KR, mask_KR, config.margin)
        shares = [
            share
            for item, size in zip(items, sizes, strict=True)
            for share in [_share(item, number, config)] * size
        ]
        losses.append((loss_K * weight_K * torch.tensor(shares)).sum())
    with torch.no_grad():
        mean_KR = scores_NH.mean(1)[member_KR]
        gap_KRR = (ranks_KR[:, None, :] - ranks_KR[:, :, None]).sign()
        ahead_KRR = (mean_KR[:, :, None] - mean_KR[:, None, :]).sign()
        counted_KRR = (mask_KR[:, :, None] & mask_KR[:, None, :] & (gap_KRR != 0)).triu(1)
        right = float((0.5 + 0.5 * gap_KRR * ahead_KRR)[counted_KRR].sum())
    return torch.stack(losses).mean(), right, int(counted_KRR.sum())


def _share(item: Judged, head: int, config: RewardModelConfig) -> float:
    """How much a head learns from a prompt: 1 when it is alone, else 0 or 2, the same in every epoch."""
    if config.heads == 1:
        return 1.0
    return 2.0 * Random(f"bootstrap {config.seed} {head} {item.prompt.text}").randrange(2)


def calibrated(
    model: RewardModel, reference: Sequence[Judged], length_control: Literal["none", "regress"]
) -> RewardModel:
    """The model with its rewards centred on the responses of the reference set, length taken out if asked.

    The slope of score on length is fitted within prompts (each prompt's means taken out), so that topics
    which call for long answers and are liked do not count.
    """
    prompts = [item.prompt for item in reference for _ in item.responses]
    texts = [response.text for item in reference for response in item.responses]
    scores_BK, lengths_B = model.scores(prompts, texts)
    slope = 0.0
    if length_control == "regress":
        group_B = torch.arange(len(reference)).repeat_interleave(
            torch.tensor([len(item.responses) for item in reference])
        )
        score_B, length_B = (_centred_within(values, group_B) for values in (scores_BK.mean(1), lengths_B))
        slope = float((score_B * length_B).sum() / (length_B**2).sum().clamp_min(1e-12))
    off_centre = Calibration((0.0,) * scores_BK.shape[1], 1.0, slope, float(lengths_B.mean()))
    rewards_BK = centred(scores_BK, lengths_B, off_centre)
    calibration = replace(
        off_centre,
        mean=tuple(float(value) for value in rewards_BK.mean(0)),
        deviation=float(rewards_BK.mean(1).std(unbiased=False).clamp_min(1e-6)),
    )
    return replace(model, calibration=calibration)


def _centred_within(values_B: Tensor, group_B: Tensor) -> Tensor:
    groups = int(group_B.max()) + 1
    count = torch.bincount(group_B, minlength=groups).clamp_min(1)
    return values_B - (torch.zeros(groups).index_add_(0, group_B, values_B) / count)[group_B]


def _ready(trainee: Trainee, dtype: torch.dtype) -> RewardModel:
    """The model as it is now, uncentred."""
    head = trainee.heads["reward"]
    assert isinstance(head, RewardHead)
    calibration = Calibration((0.0,) * len(head.weight))
    return RewardModel(
        trainee.decoder, trainee.tokenizer, head, calibration, make_scorer(trainee.decoder, dtype)
    )


def padded(items: Sequence[Judged]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(member_KR, ranks_KR, mask_KR, weight_K) of all rankings of some items, K of them, R the longest.

    `member_KR`, int64, counts through the responses of the items one after another; 0 where masked.
    """
    orders: list[tuple[int, Order]] = []
    before = 0
    for item in items:
        orders += [(before, order) for order in item.orders]
        before += len(item.responses)
    longest = max(len(order.members) for _, order in orders)
    member_KR, ranks_KR = (torch.zeros((len(orders), longest), dtype=torch.int64) for _ in range(2))
    mask_KR = torch.zeros((len(orders), longest), dtype=torch.bool)
    for row, (offset, order) in enumerate(orders):
        size = len(order.members)
        member_KR[row, :size] = offset + torch.tensor(order.members)
        ranks_KR[row, :size] = torch.tensor(order.ranks)
        mask_KR[row, :size] = True
    return member_KR, ranks_KR, mask_KR, torch.tensor([order.weight for _, order in orders])
