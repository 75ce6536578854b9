"""Preferences without a reward model: the policy learns from pairs or labels directly (DPO and its family).

The log-probabilities of the reference are computed once, before the first update, so no second model stays in
memory. A ranking of several answers is all of its pairs, which together weigh 1 (Ouyang et al. 2022,
2203.02155, section 3.5). The losses are in `preference_losses.py`. Suffix: N answers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.data.config import DataConfig
from practicum.data.preferences import Labelled
from practicum.errors import InputError
from practicum.guard.observer import StepResult
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device, described
from practicum.model.lora import LoraConfig
from practicum.model.policy import ModelSpec, Policy, load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import Scorer, make_rows, make_scorer
from practicum.model.tokenizer import encode_prompts
from practicum.preferences.controls import RankingControl, with_null_labels
from practicum.preferences.formats import holds_labels, load_labels, load_rankings
from practicum.preferences.rankings import batch_of, lot, read_rankings
from practicum.ranges import (
    Common,
    Count,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Ranged,
    Seed,
    ShareBelowOne,
)
from practicum.run.folder import Run
from practicum.training.defaults import defaults_for
from practicum.training.loop import LoopConfig, Stage, Trainee, run_steps, set_threads
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.preference_losses import LOSSES, Answers, Weights, kto_baseline, kto_loss
from practicum.training.sft import encode_completions
from practicum.training.step import Report, gradients_of, total, trainable
from practicum.types import Demonstration, Ranking

One = TypeVar("One", Ranking, Labelled)
LossName: TypeAlias = Literal["dpo", "ipo", "kto", "simpo", "orpo"]


@dataclass(frozen=True)
class DpoConfig(Ranged):
    """Preferences without a reward model: learn from pairs, rankings or labels directly.

    practicum dpo --model runs/sft --preferences rankings.jsonl
    practicum dpo --model smollm2 --data pairs.jsonl --loss simpo --lora.rank 8
    """

    model: Path
    """Folder of the model to start from (a model folder, or a run's folder)."""
    loss: Common[LossName] = "dpo"
    """What is learned from a pair or label; `practicum algorithms` says what each changes and needs."""
    preferences: Common[tuple[str, ...]] = ()
    """Rankings: files (JSONL, JSON, CSV, Parquet; rankings, chosen and rejected) and databases (an SQLite
    file, postgresql://...)."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own pairs, rankings or, for kto, labels; rows that prefer nothing are counted and left out."""
    project: Common[str] = ""
    """Project to read from databases; empty reads all projects."""
    control: Common[RankingControl] = "none"
    """Learn from null labels, as a control: shuffled-labels shuffles the ranks of each ranking, length-only
    ranks the longest first. What is held out keeps people's labels."""
    reference: Path | None = None
    """The model that log-ratios are to; none means the one that training starts from."""
    beta: PositiveFloat | None = None
    """Weight of the log-ratio to the reference (ipo: the paper's tau; orpo: its lambda). none: what the paper
    begins with, 0.1, or 2 for simpo."""
    margin: NonNegativeFloat = 1.0
    """simpo: by how much the chosen answer should be ahead (the paper's gamma)."""
    per_token: bool = False
    """ipo: divide the log-ratio of an answer by its length, as TRL does."""
    desirable: NonNegativeFloat = 1.0
    """kto: weight of answers that are good."""
    undesirable: NonNegativeFloat = 1.0
    """kto: weight of answers that are bad."""
    batch_pairs: Common[Count] = 32
    """Pairs, or labels, per update."""
    held_out: Common[ShareBelowOne] = 0.1
    """Share of prompts, chosen by hash, used for evaluation and never for training."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters to train instead of all weights; use AdamW with them, not Muon."""
    micro_batch_tokens: PositiveInt = 4096
    """Tokens per forward pass; affects memory and speed, not the result."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            algorithm="adamw", learning_rate=1e-4, warmup_steps=5, final_share=0.1, weight_decay=0.0
        )
    )
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=100, checkpoint_every=50))
    """Steps and checkpoints; pass after pass over the preferences, each in a new order."""
    dtype: Common[Literal["auto", "float32", "bfloat16"]] = "auto"
    """Dtype of matrix products; master weights are always float32."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Seed of the order of preferences."""

    @property
    def weights(self) -> Weights:
        """The settings of the loss."""
        beta = LOSSES[self.loss].beta if self.beta is None else self.beta
        return Weights(beta, self.margin, self.per_token, self.desirable, self.undesirable)

    def by_model(self) -> tuple[str, dict[str, Any]]:
        """Defaults for a model of this size."""
        return defaults_for("dpo", self.model, self.lora.rank)

    def without_effect(self) -> Mapping[str, str]:
        """What the loss or the data leave without effect."""
        rows = ("answer", "turns", "longest_prompt")
        idle = {
            f"data.{name}": "preferences are read by prompt, chosen and rejected: drop it" for name in rows
        }
        own = {"margin": "simpo", "per_token": "ipo", "desirable": "kto", "undesirable": "kto"}
        own |= {"data.label": "kto", "data.completion": "kto"}
        for name, loss in own.items():
            if loss != self.loss:
                idle[name] = f"the loss is {self.loss}: drop it, or choose --loss {loss}"
        if not LOSSES[self.loss].reference:
            idle["reference"] = f"{self.loss} compares with no reference: drop it"
        if self.data.test is not None or self.data.test_share:
            idle["held_out"] = "data.test and data.test_share name what is held out: drop one of them"
        if not self.preferences:
            idle["project"] = "projects are those of databases: give one with --preferences"
        return idle

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss == "kto" and not (self.desirable or self.undesirable):
            raise InputError("desirable and undesirable are both 0, so nothing is learned: raise one of them")
        if self.data.validation_share:
            raise InputError("data.validation_share: dpo is examined on one split: use --data.test_share")


class Pair(NamedTuple):
    """Two answers to a prompt, as indices of `Preferences.sequences`."""

    chosen: int
    rejected: int
    weight: float


class Label(NamedTuple):
    """An answer, whether it is good, and an answer of another prompt after this one's prompt."""

    answer: int
    good: bool
    mismatched: int
    weight: float


@dataclass(frozen=True)
class Preferences:
    """All answers as token ids, each after its prompt, and what was said of them.

    reference_N: float32, log-probability of each answer by the reference; 0 where there is none.
    """

    sequences: list[list[int]]
    prompt_lengths: list[int]
    pairs: list[Pair]
    labels: list[Label]
    reference_N: Tensor

    @property
    def items(self) -> Sequence[Pair | Label]:
        """What an update draws from."""
        return self.labels or self.pairs

    def prompt_of(self, row: int) -> tuple[int, ...]:
        """Token ids of the prompt of an answer."""
        return tuple(self.sequences[row][: self.prompt_lengths[row]])

    def tokens_of(self, item: Pair | Label) -> int:
        """Tokens that an update reads of an item."""
        rows = (item.chosen, item.rejected) if isinstance(item, Pair) else (item.answer,)
        return sum(len(self.sequences[row]) for row in rows)


@dataclass(frozen=True)
class Reading:
    """What a run reads before it begins; no reference where the loss compares with none."""

    policy: Policy
    tokenizer: Tokenizer
    reference: Policy | None
    said: Said
    data: Preferences
    held_out: Preferences


def read(config: DpoConfig) -> Reading:
    """Read models and preferences. Raises InputError where they do not fit, or nothing is left to learn."""
    learned, examined = said_in(config)
    policy, tokenizer = load_policy(config.model, chosen_device(config.device), config.lora, config.seed)
    reference = reference_of(config, policy) if LOSSES[config.loss].reference else None
    data, held_out = (encoded(policy.spec, tokenizer, some, config) for some in (learned, examined))
    if not data.items:
        raise InputError(f"{', '.join(places_of(config))}: nothing to learn: no preference is left")
    return Reading(policy, tokenizer, reference, learned, data, held_out)


def train(config: DpoConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Learn from preferences and return the summary; the model is the run's newest checkpoint."""
    found = read(config)
    policy, tokenizer, data, held_out = found.policy, found.tokenizer, found.data, found.held_out
    if data.labels and len({data.prompt_of(label.answer) for label in data.labels}) == 1:
        print(
            "practicum: all labels are of one prompt, so kto's estimate of the KL rests on answers to that "
            "prompt and not on answers to others",
            file=sys.stderr,
        )
    keep, dtype = config.loop.keep_checkpoints, compute_dtype(config.dtype, policy.device)
    run = Run.open(run_path, config, "dpo", resume=resume, keep=keep, device=described(policy.device))
    set_threads(config.loop.threads)
    if found.reference is not None:
        data, held_out = (with_reference(some, found.reference, config, dtype) for some in (data, held_out))
    optimizer = Optimizer(policy, config.optimizer, config.loop.steps)
    trainee = Trainee(policy, tokenizer, nn.ModuleDict(), optimizer)

    def step(index: int) -> StepResult:
        batch = batch_of(data.items, config.batch_pairs, index, config.seed)
        metrics = learn(policy, data, batch, config, dtype) | optimizer.step(index)
        last = index + 1 == config.loop.steps
        if held_out.items and (last or (index + 1) % config.loop.checkpoint_every == 0):
            metrics |= measured(policy, held_out, config, dtype)
        return StepResult(metrics)

    last = run_steps(Stage(run, config.loop, trainee, ("loss", "rewards/accuracies")), step)
    summary = {
        "stage": "dpo",
        "loss_name": config.loss,
        "control": config.control,
        "learned_from": len(data.items),
        "held_out": len(held_out.items),
        **last,
    }
    run.finish(summary)
    return summary


# ----------------------------------------------------------------------------------------------- the data


@dataclass(frozen=True)
class Said:
    """Rankings, or labels of single answers."""

    rankings: Sequence[Ranking] = ()
    labels: Sequence[Labelled] = ()


def places_of(config: DpoConfig) -> list[str]:
    """Where the preferences come from."""
    return [*config.preferences, *([str(config.data.file)] if config.data.file else [])]


def said_in(config: DpoConfig) -> tuple[Said, Said]:
    """(to learn from, held out). Raises InputError where there is nothing, or labels for another loss."""
    if config.data.file is not None and holds_labels(config.data):
        if config.loss != "kto":
            raise InputError(
                f"{config.data.file}: labels of single completions compare none: use --loss kto, or give "
                "chosen and rejected"
            )
        if config.preferences or config.control != "none":
            raise InputError(f"{config.data.file} holds labels: drop --preferences and --control")
        learned, examined = split(*load_labels(config.data), config)
        return Said(labels=learned), Said(labels=examined)
    if config.data.completion:
        where = config.data.file or "--preferences"
        raise InputError(f"data.completion: {where} holds no labels, which alone have one: drop it")
    rankings = read_rankings(config.preferences, config.project) if config.preferences else []
    test: list[Ranking] = []
    if config.data.file is not None:
        own, test = load_rankings(config.data, messages=True)
        rankings = [*rankings, *own]
    if not rankings:
        raise InputError("nothing to learn from: give --preferences FILE or --data FILE")
    taught, held = split(rankings, test, config)
    return Said(with_null_labels(taught, config.control, config.seed)), Said(held)


def split(said: Sequence[One], test: Sequence[One], config: DpoConfig) -> tuple[Sequence[One], Sequence[One]]:
    """(to learn from, held out): the test split where the data has one, else a share of the prompts.

    Raises InputError where both are named, and where no prompt is left to learn from.
    """
    if test:
        if config.held_out != DpoConfig(config.model).held_out:
            where = config.data.test or config.data.file
            raise InputError(f"held_out {config.held_out}: {where} has a test split: drop it")
        return said, test
    share = config.data.test_share or config.held_out
    held = [one for one in said if lot(one.prompt) < share]
    learned = [one for one in said if lot(one.prompt) >= share]
    if not learned:
        name = "data.test_share" if config.data.test_share else "held_out"
        raise InputError(
            f"{', '.join(places_of(config))}: nothing to learn: {name} {share:g} leaves out every prompt: "
            f"give more rows, or --{name} 0"
        )
    return learned, held


def encoded(spec: ModelSpec, tokenizer: Tokenizer, said: Said, config: DpoConfig) -> Preferences:
    """Token ids of all that was said; what does not fit, or reads alike, is counted, told and left out."""
    found = [Demonstration(one.prompt, one.completion, one.message) for one in said.labels]
    found += [
        Demonstration(ranking.prompt, response.text, response.message)
        for ranking in said.rankings
        for response in ranking.responses
    ]
    sequences, lengths = answers_of(spec, tokenizer, found)
    fits = [len(ids) <= spec.max_positions for ids in sequences]
    pairs: list[Pair] = []
    start = left_out = 0
    for ranking in said.rankings:
        ordered = [(start + better, start + worse) for better, worse in ranking.pairs()]
        start += len(ranking.responses)
        told = [
            (better, worse)
            for better, worse in ordered
            if fits[better] and fits[worse] and sequences[better] != sequences[worse]
        ]
        left_out += len(ordered) - len(told)
        pairs += [Pair(better, worse, 1 / len(ordered)) for better, worse in told]
    judged = [(row, one.desirable, 1.0) for row, one in enumerate(said.labels) if fits[row]]
    left_out += len(said.labels) - len(judged)
    if config.loss == "kto":
        judged += [
            (row, row == pair.chosen, pair.weight) for pair in pairs for row in (pair.chosen, pair.rejected)
        ]
    if left_out:
        print(
            f"practicum: {left_out} preferences are longer than the {spec.max_positions} tokens that the "
            "model takes, or read alike: left out",
            file=sys.stderr,
        )
    labels, more = mismatched(sequences, lengths, judged, spec.max_positions, config.seed)
    sequences, lengths = sequences + [ids for ids, _ in more], lengths + [length for _, length in more]
    return Preferences(sequences, lengths, pairs, labels, torch.zeros(len(sequences)))


def answers_of(
    spec: ModelSpec, tokenizer: Tokenizer, found: Sequence[Demonstration]
) -> tuple[list[list[int]], list[int]]:
    """Token ids of each prompt with its answer and end of sequence, and the lengths of the prompts."""
    if not found:
        return [], []
    prompts = encode_prompts(tokenizer, [one.prompt for one in found])
    written = encode_completions(tokenizer, found, spec.eos_id)
    rows = zip(prompts, written, strict=True)
    return [[*prompt, *ids, spec.eos_id] for prompt, ids in rows], [len(prompt) for prompt in prompts]


def mismatched(
    sequences: Sequence[Sequence[int]],
    lengths: Sequence[int],
    judged: Sequence[tuple[int, bool, float]],
    limit: int,
    seed: int,
) -> tuple[list[Label], list[tuple[list[int], int]]]:
    """Labels, and the new sequences that they name: each prompt before another's answer, cut at `limit`.

    Which answer goes with which prompt is drawn once, so that the reference reads each once. Drawn, since the
    next prompt's answer in the order of the data may always be its good one, and the KL is over good and bad.
    """
    labels, more = [], []
    prompts = [tuple(sequences[row][: lengths[row]]) for row, _, _ in judged]
    order = Random(seed).sample(range(len(judged)), len(judged))
    found = next_of_another([prompts[place] for place in order])
    others = {place: order[other] for place, other in zip(order, found, strict=True)}
    for place, (row, good, weight) in enumerate(judged):
        other = judged[others[place]][0]
        prompt = list(prompts[place])
        more.append(([*prompt, *sequences[other][lengths[other] :]][:limit], lengths[row]))
        labels.append(Label(row, good, len(sequences) + place, weight))
    return labels, more


def next_of_another(prompts: Sequence[tuple[int, ...]]) -> list[int]:
    """For each place the next one, round the end, that has another prompt; the next one where none has."""
    size = len(prompts)
    found = [(place + 1) % size for place in range(size)]
    ahead: int | None = None
    for place in range(2 * size - 1, -1, -1):
        here, following = place % size, (place + 1) % size
        if prompts[here] != prompts[following]:
            ahead = following
        if ahead is not None:
            found[here] = ahead
    return found


# ---------------------------------------------------------------------------------------------- the update


def reference_of(config: DpoConfig, policy: Policy) -> Policy:
    """The model of the settings, else the policy as it is before the first update."""
    if config.reference is None:
        return policy
    reference, _ = load_policy(config.reference, policy.device)
    if reference.spec.vocab_size != policy.spec.vocab_size:
        raise InputError(f"{config.reference}: its vocabulary is not the policy's: give one of its family")
    return reference


def with_reference(
    data: Preferences, reference: Policy, config: DpoConfig, dtype: torch.dtype
) -> Preferences:
    """The data with the reference's log-probabilities of all answers, each read once, in a fixed order."""
    reference_N = torch.zeros(len(data.sequences))
    if data.sequences:
        scorer = make_scorer(reference, dtype)
        numbers: dict[tuple[int, ...], int] = {}
        alike = [numbers.setdefault(data.prompt_of(row), row) for row in range(len(data.sequences))]
        with torch.no_grad():
            for cut in scorer.cut([len(ids) for ids in data.sequences], config.micro_batch_tokens, alike):
                reference_N[torch.tensor(cut)] = summed(scorer, data, cut)
    return replace(data, reference_N=reference_N)


def summed(scorer: Scorer, data: Preferences, rows: Sequence[int]) -> Tensor:
    """Log-probability of each of some answers, the sum over its tokens, float32 [N]."""
    batch = make_rows([data.sequences[row] for row in rows], [data.prompt_lengths[row] for row in rows])
    logprobs = scorer.logprobs(scorer.hidden(batch), batch, SamplingConfig()).logprobs
    row_N = torch.arange(len(rows)).repeat_interleave(batch.starts.diff())
    return torch.zeros(len(rows)).index_add(0, row_N[batch.target_N], logprobs)


def answers(scorer: Scorer, data: Preferences, rows: Sequence[int]) -> Answers:
    """Some answers by the policy as it is now, and by the reference."""
    lengths = [len(data.sequences[row]) - max(1, data.prompt_lengths[row]) for row in rows]
    chosen = torch.tensor(rows, dtype=torch.int64)
    return Answers(summed(scorer, data, rows), data.reference_N[chosen], torch.tensor(lengths))


def learn(
    policy: Policy,
    data: Preferences,
    batch: Sequence[Pair | Label],
    config: DpoConfig,
    dtype: torch.dtype,
) -> dict[str, float]:
    """Add the gradient of the mean loss over the batch, each item with its weight, and return metrics."""
    scorer = make_scorer(policy, dtype)
    baseline = baseline_of(scorer, data, batch, config)
    weight = sum(item.weight for item in batch)
    lengths = [data.tokens_of(item) for item in batch]

    def loss(cut: Sequence[int]) -> tuple[Tensor, Report]:
        chosen = [batch[place] for place in cut]
        losses, report = losses_of(scorer, data, chosen, config, baseline)
        value = (losses * torch.tensor([item.weight for item in chosen])).sum() / weight
        return value, report | {"loss": value.item()}

    cuts = scorer.cut(lengths, config.micro_batch_tokens)
    reports = gradients_of(trainable(policy), cuts, loss)
    read = sum(lengths) + sum(len(data.sequences[one.mismatched]) for one in batch if isinstance(one, Label))
    kl = {"kl": float(baseline)} if LOSSES[config.loss].unpaired else {}
    return means(reports) | {"loss": total(reports, "loss"), "tokens": read} | kl


def baseline_of(
    scorer: Scorer, data: Preferences, batch: Sequence[Pair | Label], config: DpoConfig
) -> Tensor:
    """kto's estimate of the KL, from the batch's mismatched answers; 0 for other losses."""
    labels = [item for item in batch if isinstance(item, Label)]
    if not labels:
        return torch.zeros(())
    rows = [label.mismatched for label in labels]
    parts = []
    with torch.no_grad():
        for cut in scorer.cut([len(data.sequences[row]) for row in rows], config.micro_batch_tokens):
            parts.append(answers(scorer, data, [rows[place] for place in cut]))
    every = Answers(*(torch.cat([getattr(one, name) for one in parts]) for name in ANSWER_FIELDS))
    return kto_baseline(every)


ANSWER_FIELDS = ("logprob", "reference", "length")


def losses_of(
    scorer: Scorer,
    data: Preferences,
    items: Sequence[Pair | Label],
    config: DpoConfig,
    baseline: Tensor,
) -> tuple[Tensor, Report]:
    """(losses [N], sums for the metrics) of some items, which are all pairs or all labels."""
    weights, loss = config.weights, LOSSES[config.loss]
    labels = [item for item in items if isinstance(item, Label)]
    if labels:
        read = answers(scorer, data, [label.answer for label in labels])
        good = torch.tensor([label.good for label in labels])
        losses = kto_loss(read, good, baseline, weights)
        rewards, above = (weights.beta * read.ahead).detach(), (read.ahead > baseline).detach()
        right = float((above == good).float().sum())
        sums = {"chosen": float(rewards[good].sum()), "rejected": float(rewards[~good].sum())}
        counts = {"chosen_count": int(good.sum()), "rejected_count": int((~good).sum())}
        return losses, {**sums, **counts, "right": right, "count": len(labels)}
    pairs = [item for item in items if isinstance(item, Pair)]
    both = answers(scorer, data, [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs])
    size = len(pairs)
    chosen, rejected = (
        Answers(*(getattr(both, name)[part] for name in ANSWER_FIELDS))
        for part in (slice(0, size), slice(size, None))
    )
    assert loss.pair is not None
    losses = loss.pair(chosen, rejected, weights)
    better, worse = (
        (weights.beta * (one.ahead if loss.reference else one.mean)).detach() for one in (chosen, rejected)
    )
    right = float((better > worse).float().sum() + 0.5 * (better == worse).float().sum())
    return losses, {
        "chosen": float(better.sum()),
        "rejected": float(worse.sum()),
        "chosen_count": size,
        "rejected_count": size,
        "right": right,
        "count": size,
        "logps_chosen": float(chosen.logprob.detach().sum()),
        "logps_rejected": float(rejected.logprob.detach().sum()),
    }


def means(reports: Sequence[Report]) -> dict[str, float]:
    """Metrics from micro-batches' sums; a mean over nothing is not a number."""

    def mean(name: str, count: str) -> float:
        number = total(reports, count)
        return total(reports, name) / number if number else float("nan")

    chosen, rejected = mean("chosen", "chosen_count"), mean("rejected", "rejected_count")
    found = {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": mean("right", "count"),
    }
    if reports and "logps_chosen" in reports[0]:
        found |= {f"logps/{name}": mean(f"logps_{name}", "count") for name in ("chosen", "rejected")}
    return found


@torch.no_grad()
def measured(policy: Policy, data: Preferences, config: DpoConfig, dtype: torch.dtype) -> dict[str, float]:
    """Loss and accuracy on preferences that nothing is learned from."""
    scorer = make_scorer(policy, dtype)
    items = data.items
    baseline = baseline_of(scorer, data, items, config)
    loss = 0.0
    reports = []
    for cut in scorer.cut([data.tokens_of(item) for item in items], config.micro_batch_tokens):
        chosen = [items[place] for place in cut]
        losses, report = losses_of(scorer, data, chosen, config, baseline)
        loss += float((losses * torch.tensor([item.weight for item in chosen])).sum())
        reports.append(report)
    accuracy = means(reports)["rewards/accuracies"]
    return {"held_out_loss": loss / sum(item.weight for item in items), "held_out_accuracy": accuracy}
