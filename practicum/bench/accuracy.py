"""Time to accuracy: the same practice from the same model, ours and TRL's, until a share of answers is right.

Both sides read the same training prompts in the same order and are paid by the same verifier. Every few
updates the clock stops and our sampler answers the same held-out problems greedily with the side's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from tokenizers import Tokenizer

from practicum.bench import models
from practicum.bench.measure import Row, cost_row, count_row
from practicum.bench.race import Examine, Reached, Stopwatch
from practicum.bench.settings import Race, installed
from practicum.config import load
from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder, save_model
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.tasks.equations.task import EquationsTask
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task
from practicum.training.iteration import practise
from practicum.training.loop import sampling_seed
from practicum.training.rl import RlConfig, build, trainee_of
from practicum.training.sft import SftConfig

RUNS = Path("runs")
EXAMINATION_SEED = 1
RIVAL = "TRL GRPOTrainer, bfloat16 over float32 weights, beta 0, learning rate 3e-4"
"""What `trl_accuracy.SETTINGS` amounts to."""


def rows(bench: Race, folder: Path) -> list[Row]:
    """Seconds to the target, updates to it, right answers at the end and at the start.

    A pair is a seed: it fixes prompts and sampling of both sides. The rival gets `limit_multiple` times our
    seconds of the same pair. Where ours does not come to the target, the pair's ratio is 0.
    """
    place = start(bench, folder)
    task = load_task(TaskConfig())
    config = practice(bench, place)
    decoder, tokenizer = load_model(place)
    examine = examination(bench, task, tokenizer, config.sampling)
    before = examine(decoder)

    def pair(settings: Race, seed: int) -> tuple[Reached, Reached | None]:
        seeded = replace(config, seed=seed)
        ours = practise_to(settings, seeded, task, examine)
        if not installed("trl"):
            return ours, None
        from practicum.bench.rivals import trl_accuracy

        limit = ours.seconds * settings.limit_multiple
        return ours, trl_accuracy.practise_to(settings, seeded, task, examine, limit)

    # One update of each side to warm it up: kernels are built on first use.
    pair(replace(bench, examine_every=1, target=0.0), 0)
    pairs = [pair(bench, seed) for seed in range(bench.pairs)]
    rival = [theirs for _, theirs in pairs if theirs is not None]
    return table(bench, [ours for ours, _ in pairs], rival, before)


def table(bench: Race, ours: Sequence[Reached], rival: Sequence[Reached], before: float) -> list[Row]:
    """The rows, from what each side reached in each pair."""
    name = rival_name(rival) if rival else None
    row = cost_row(seconds_text(bench.target), "s", [one.seconds for one in ours], [], None)
    if rival:
        ratios = [
            their.seconds / our.seconds if our.enough else 0.0 for our, their in zip(ours, rival, strict=True)
        ]
        row = replace(
            row,
            rival=median(one.seconds for one in rival),
            rival_name=name,
            ratio=median(ratios),
            ratio_min=min(ratios),
            ratio_max=max(ratios),
            at_least=not all(one.enough for one in rival),
        )

    def compared(case: str, unit: str, figure: Callable[[Reached], float]) -> Row:
        theirs = median(map(figure, rival)) if rival else None
        return count_row(case, unit, median(map(figure, ours)), theirs, name)

    return [
        row,
        compared("updates made", "updates", lambda one: one.updates),
        compared("right when stopped", "%", lambda one: 100 * one.accuracy),
        compared("came to the target", "% of runs", lambda one: 100 * one.enough),
        count_row("right before practice", "%", 100 * before, 100 * before if rival else None, name),
    ]


def seconds_text(target: float) -> str:
    """The case of the first row."""
    return f"seconds to {target:.0%} right"


def rival_name(rival: Sequence[Reached]) -> str:
    """The rival's settings, and how often it was stopped."""
    stopped = sum(not one.enough for one in rival)
    return RIVAL + (f"; stopped short of the target in {stopped} of {len(rival)} runs" if stopped else "")


def practise_to(bench: Race, config: RlConfig, task: Task, examine: Examine) -> Reached:
    """Iterations of `practicum rl` until the target, or to the end of its schedule."""
    parts = build(config, task=task)
    trainee = trainee_of(parts, config)
    watch = Stopwatch()
    accuracy, index = 0.0, 0
    for index in range(config.loop.steps):
        practise(parts, trainee, config, index)
        if (index + 1) % bench.examine_every == 0 or index + 1 == config.loop.steps:
            watch.pause()
            accuracy = examine(parts.policy)
            if accuracy >= bench.target:
                break
            watch.resume()
    return Reached(watch.seconds, index + 1, accuracy, accuracy >= bench.target)


def examination(bench: Race, task: Task, tokenizer: Tokenizer, sampling: SamplingConfig) -> Examine:
    """Greedy answers to the same validation problems every time."""
    prompts = task.prompts("validation", bench.problems, EXAMINATION_SEED)

    def examine(policy: Policy) -> float:
        sampler = make_sampler(policy, replace(sampling, temperature=0.0))
        batch = collect(sampler, tokenizer, task, prompts, 1, sampling_seed(0, "examination"))
        return sum(bool(score.solved) for score in batch.scores) / len(prompts)

    return examine


# ------------------------------------------------------------------------------------------ the beginning


def practice(bench: Race, place: Path) -> RlConfig:
    """The defaults of `practicum rl`; when quick, two small updates."""
    config = RlConfig(model=place)
    if not bench.quick:
        return config
    loop = replace(config.loop, steps=2)
    sampling = replace(config.sampling, max_new_tokens=8)
    return replace(config, prompts_per_step=2, group_size=2, sampling=sampling, loop=loop)


def start(bench: Race, folder: Path) -> Path:
    """The model folder where both sides start; when quick, a random model in `folder`."""
    if bench.model is not None:
        return model_folder(bench.model)
    if bench.quick:
        return random_start(folder / "start")
    found = worked_models(RUNS)
    if not found:
        raise InputError(
            "model is not set and runs/ has no model of worked problems; `practicum demo` makes one in "
            "minutes, or set --model FOLDER"
        )
    return model_folder(found[-1])


def worked_models(runs: Path) -> list[Path]:
    """Finished sft runs of demos on the default task below `runs`, the newest last."""
    found = []
    for summary in [*runs.glob("*/sft/summary.json"), *runs.glob("*/*/sft/summary.json")]:
        try:
            config = load(SftConfig, summary.parent / "config.toml")
        except InputError:
            # Written by another version, whose settings are unknown here.
            continue
        if config.task == TaskConfig():
            found.append(summary)
    return [summary.parent for summary in sorted(found, key=lambda path: path.stat().st_mtime)]


def random_start(folder: Path) -> Path:
    """A tiny random model that can read equations."""
    tokenizer = train_tokenizer(EquationsTask().exposition(50, seed=0), 128)
    shape = replace(models.SHAPES["tiny"], vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=256)
    save_model(models.random_decoder(shape), tokenizer, folder)
    return folder
