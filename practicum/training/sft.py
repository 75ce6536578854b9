"""Worked problems: the model imitates solutions, the loss counting the solution's tokens only.

A few textbook passages are read along with every update: what exposition taught would fade otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.guard.observer import StepResult
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device, described
from practicum.model.lora import LoraConfig
from practicum.model.policy import ModelSpec, Policy, load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import make_rows, make_scorer, padding_share
from practicum.model.tokenizer import encode_batch, encode_prompts, encode_reply, encode_texts
from practicum.ranges import Common, Count, CountOrNone, PositiveInt, Ranged, Seed
from practicum.rollout.fitting import fitted
from practicum.run.folder import Run
from practicum.tasks.registry import TaskConfig, load_task_on, stamped, without_effect
from practicum.tasks.table import TableTask
from practicum.tasks.task import Teaches, check_able
from practicum.training.defaults import defaults_for
from practicum.training.loop import (
    LoopConfig,
    Stage,
    Trainee,
    run_steps,
    set_threads,
    step_seed,
)
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.step import Report, gradients_of, total, trainable
from practicum.types import Demonstration


@dataclass(frozen=True)
class SftConfig(Ranged):
    """Worked problems: supervised fine-tuning on a task's demonstrations.

    practicum sft --model runs/pretrain --run runs/sft
    practicum sft --model smollm2 --lora.rank 16 --optimizer.algorithm adamw
    """

    before: ClassVar[Mapping[str, Any]] = {"textbook_passages": 0}

    model: Path
    """Folder of the model to start from (a model folder, or a run's folder)."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task whose worked problems are imitated."""
    data: DataConfig = field(default_factory=DataConfig)
    """Your own rows in place of the task's worked problems."""
    batch_demonstrations: Common[Count] = 64
    """Worked problems per update. The default is 16 for a model of 20M weights or more."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters to train instead of all weights; use AdamW with them, not Muon."""
    textbook_passages: Common[CountOrNone] = 12
    """Textbook passages read along with every update, so that imitation forgets no arithmetic; 0 for none.

    A pretraining mix as in Ouyang et al. 2022 (2203.02155, section 3.4), one stage earlier.
    """
    micro_batch_tokens: PositiveInt = 2048
    """Tokens per forward pass, including padding; affects memory and speed, not the result."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=5e-3, final_share=0.05)
    )
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=850, checkpoint_every=200))
    """Steps and checkpoints."""
    dtype: Common[Literal["auto", "float32", "bfloat16"]] = "auto"
    """Dtype of matrix products; master weights are always float32."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Seed of the demonstrations drawn."""

    def by_model(self) -> tuple[str, dict[str, Any]]:
        """Defaults for a model of this size."""
        return defaults_for("sft", self.model, self.lora.rank)

    def without_effect(self) -> Mapping[str, str]:
        """What the task or the rows of a file leave without effect."""
        idle = without_effect(self.task, self.data, "imitation")
        if self.data.file is not None and self.textbook_passages:
            idle["textbook_passages"] = f"--data {self.data.file} holds no textbook: drop it"
        return idle


def train(
    config: SftConfig, run_path: Path, *, resume: bool = False, task: Teaches | None = None
) -> dict[str, Any]:
    """Fine-tune and return the summary; the model is the run's newest checkpoint.

    `task` imitates the demonstrations of a task of your own in place of the one that the config names.
    Raises InputError when no demonstration of an update fits in the model's positions. Where only some do not
    fit they are skipped and counted in the metrics, and the first of them is named on stderr.
    """
    config = replace(config, task=stamped(config.task))
    device = chosen_device(config.device)
    policy, tokenizer = load_policy(config.model, device, config.lora, config.seed)
    task = task or teacher(config, policy, tokenizer)

    def demonstrations_of(index: int) -> list[Demonstration]:
        count = config.batch_demonstrations
        if isinstance(task, TableTask):
            return task.demonstrations_from(index * count, count, config.seed)
        return task.demonstrations(count, step_seed(config.seed, "demonstrations", index))

    # That the model is too short for the task is told before there is a folder.
    lesson_of(policy.spec, tokenizer, demonstrations_of(0))
    keep = config.loop.keep_checkpoints
    run = Run.open(run_path, config, "sft", resume=resume, keep=keep, device=described(device))
    set_threads(config.loop.threads)
    optimizer = Optimizer(policy, config.optimizer, config.loop.steps)
    trainee = Trainee(policy, tokenizer, nn.ModuleDict(), optimizer)
    dtype = compute_dtype(config.dtype, device)
    told: set[str] = set()

    def step(index: int) -> StepResult:
        demonstrations = demonstrations_of(index)
        passages = task.exposition(config.textbook_passages, step_seed(config.seed, "textbook", index))
        lesson = lesson_of(policy.spec, tokenizer, demonstrations, passages)
        for kind, complaint in lesson.complaints.items():
            if kind not in told:
                told.add(kind)
                print(f"practicum: update {index + 1}: {complaint}", file=sys.stderr)
        metrics = teach(policy, lesson, config.micro_batch_tokens, dtype)
        samples = [
            {"step": index + 1, "prompt": demonstration.prompt.text, "completion": demonstration.completion}
            for demonstration in demonstrations[:2]
        ]
        shown = [demonstration.prompt for demonstration in demonstrations[:2]]
        return StepResult(metrics | optimizer.step(index), samples, shown)

    last = run_steps(Stage(run, config.loop, trainee, ("loss",)), step)
    summary = {"stage": "sft", **last}
    run.finish(summary)
    return summary


def teacher(config: SftConfig, policy: Policy, tokenizer: Tokenizer) -> Teaches:
    """The task, or the user's rows whose prompts fit in the model."""
    task = load_task_on(config.task, config.data, "imitation")
    if isinstance(task, TableTask):
        return fitted(task, tokenizer, policy.spec.max_positions, config.data.longest_prompt)
    check_able(task, "sft", Teaches)
    return cast(Teaches, task)


@dataclass(frozen=True)
class Lesson:
    """The rows of one update that hold a token to learn, and what was lost of the others.

    sequences: token ids, each row at most as long as the model's positions. prompt_lengths: tokens of each
    that are given. skipped: rows without a token to learn, which are left out. cut: rows that lost their end.
    complaints: a sentence about the first row of either kind.
    """

    sequences: list[list[int]]
    prompt_lengths: list[int]
    skipped: int
    cut: int
    complaints: dict[str, str]


def lesson_of(
    spec: ModelSpec,
    tokenizer: Tokenizer,
    demonstrations: Sequence[Demonstration],
    passages: Sequence[str] = (),
) -> Lesson:
    """Demonstrations, then passages, each with its end of sequence and cut at the model's positions.

    A demonstration has tokens to learn only after its prompt, a passage all but its first, which nothing
    predicts. Raises InputError when no demonstration is left to learn from, or nothing at all.
    """
    asked = [demonstration.prompt for demonstration in demonstrations]
    written = encode_completions(tokenizer, demonstrations, spec.eos_id)
    prompts = [*encode_prompts(tokenizer, asked), *([] for _ in passages)]
    end = spec.eos_id
    # A tokenizer may end a whole text by itself; one end of sequence is enough.
    read = [ids[:-1] if ids[-1:] == [end] else ids for ids in encode_texts(tokenizer, passages)]
    answers = [[*ids, end] for ids in [*written, *read]]
    limit = spec.max_positions
    rows = list(zip(prompts, answers, strict=True))
    room = [min(limit, len(prompt) + len(answer)) - max(1, len(prompt)) for prompt, answer in rows]
    kept = [row for row, targets in enumerate(room) if targets > 0]
    skipped = [row for row, targets in enumerate(room) if targets <= 0]
    cut = [row for row in kept if sum(map(len, rows[row])) > limit]
    if not kept or (demonstrations and kept[0] >= len(demonstrations)):
        shortest = (
            f", the shortest prompt has {min(map(len, prompts[: len(asked)]))} tokens"
            if demonstrations
            else ""
        )
        raise InputError(
            f"none of {len(demonstrations)} demonstrations has a token to learn: the model takes {limit} "
            f"tokens (max_position_embeddings){shortest}; give a model with more positions"
        )

    def complaint(row: int, fate: str) -> str:
        number, of = row + 1, len(demonstrations)
        name = f"demonstration {number} of {of}" if row < of else f"textbook passage {number - of}"
        name = (asked[row].origin if row < of else "") or name
        prompt, answer = rows[row]
        return (
            f"{name}: {len(prompt)} tokens of prompt, {len(answer)} to learn, the model takes {limit}: {fate}"
        )

    complaints = {}
    if skipped:
        complaints["skipped"] = complaint(skipped[0], "nothing of it can be learned, so it is skipped")
    if cut:
        complaints["cut"] = complaint(cut[0], "its end is cut off")
    sequences = [[*rows[row][0], *rows[row][1]][:limit] for row in kept]
    return Lesson(sequences, [len(prompts[row]) for row in kept], len(skipped), len(cut), complaints)


def encode_completions(
    tokenizer: Tokenizer, demonstrations: Sequence[Demonstration], eos_id: int
) -> list[list[int]]:
    """Token ids of what each demonstration writes, without its end of sequence."""
    plain = encode_batch(tokenizer, [one.completion for one in demonstrations])
    return [
        encode_reply(tokenizer, one.prompt, one.message, (eos_id,)) if one.message else ids
        for one, ids in zip(demonstrations, plain, strict=True)
    ]


def imitate(
    policy: Policy,
    tokenizer: Tokenizer,
    demonstrations: Sequence[Demonstration],
    micro_batch_tokens: int,
    dtype: torch.dtype,
    passages: Sequence[str] = (),
) -> dict[str, float]:
    """`teach` the demonstrations and passages; raises InputError where `lesson_of` does."""
    lesson = lesson_of(policy.spec, tokenizer, demonstrations, passages)
    return teach(policy, lesson, micro_batch_tokens, dtype)


def teach(policy: Policy, lesson: Lesson, micro_batch_tokens: int, dtype: torch.dtype) -> dict[str, float]:
    """Add the gradient of the mean next-token loss over all tokens to learn, and return metrics.

    The mean is over the whole batch, so how it is cut into micro-batches changes nothing but rounding.
    """
    whole = make_rows(lesson.sequences, lesson.prompt_lengths)
    targets = int(whole.target_N.sum())
    lengths = [len(sequence) for sequence in lesson.sequences]
    scorer = make_scorer(policy, dtype)
    batches = scorer.cut(lengths, micro_batch_tokens)

    def loss(batch: Sequence[int]) -> tuple[Tensor, Report]:
        rows = make_rows(
            [lesson.sequences[row] for row in batch], [lesson.prompt_lengths[row] for row in batch]
        )
        logprobs, _ = scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig())
        value = -logprobs.sum() / targets
        return value, {"loss": value.item()}

    return {
        "loss": total(gradients_of(trainable(policy), batches, loss), "loss"),
        "tokens": sum(lengths),
        "padding_share": padding_share(lengths, batches, packed=scorer.packed),
        "rows_skipped": lesson.skipped,
        "rows_cut": lesson.cut,
    }
