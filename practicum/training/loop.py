"""The one small loop under every stage: step, log, checkpoint, resume.

A stage gives a `step(index)` that makes one optimizer update and returns its metrics, and the observers that
watch it. All of a step's randomness comes from `step_seed(seed, index)`, so the loop needs to store no random
state: weights, optimizer moments, what observers keep and the step number are a checkpoint, and resuming
continues bit for bit on the same machine.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.guard.observer import GO_ON, Observer, StepResult, Verdict
from practicum.guard.watch import held_since
from practicum.loggers.observer import logged_run
from practicum.model.checkpoint import save_model
from practicum.model.decoder import compute_dtype
from practicum.model.device import described
from practicum.model.export import store_as
from practicum.model.native import load
from practicum.model.policy import Policy
from practicum.ranges import Common, PositiveInt, Ranged, Threads
from practicum.rollout.sampler import scattered
from practicum.run.folder import EARLIER, LOGS, Run
from practicum.run.progress import progress
from practicum.training.dead import FATAL, STEPS, DeadRunError, settles_life, signs_of_death
from practicum.training.objectives import warmup_cosine
from practicum.training.optimizer import Optimizer
from practicum.training.trial import Tried, running_trial


@dataclass(frozen=True)
class LoopConfig(Ranged, section="loop"):
    """How long a stage runs and what it writes."""

    steps: Common[PositiveInt] = 100
    """Optimizer updates; in practice, iterations of sample, score, update."""
    checkpoint_every: PositiveInt = 50
    """Updates between checkpoints. The last update always writes one."""
    keep_checkpoints: PositiveInt = 2
    """Number of checkpoints to keep; older ones are removed."""
    threads: Common[Threads] = 0
    """CPU threads for matrix products; 0 uses one per core."""
    allow_dead: bool = False
    """Go on with a run whose first three steps can teach nothing, as where every answer is paid the same."""
    checkpoint_dtype: Literal["float32", "bfloat16"] = "float32"
    """Dtype of a checkpoint's model.safetensors. With bfloat16 the float32 weights that training goes on from
    are in trainer.safetensors, so resuming is exact with either."""


class Learner(Protocol):
    """What the loop needs of whatever is trained, be it a language model or an agent of an environment."""

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer whose learning rate falls with the loop's steps; None where there is none such."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def write(self, folder: Path) -> None:
        """Write the model's files into an empty folder."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds besides the model folder."""
        ...

    def masters(self) -> dict[str, Tensor]:
        """The float32 weights that learn, for a checkpoint whose model folder has them rounded."""
        ...

    def restore(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `write` and `tensors` gave; InputError where it does not fit."""
        ...


@dataclass(frozen=True)
class Trainee:
    """What a stage trains: the policy, its tokenizer, any further heads, and their common optimizer."""

    decoder: Policy
    tokenizer: Tokenizer
    heads: nn.ModuleDict
    optimizer: Optimizer

    @property
    def device(self) -> torch.device:
        """Where the policy is."""
        return self.decoder.device

    def write(self, folder: Path) -> None:
        """Write the model folder."""
        save_model(self.decoder, self.tokenizer, folder)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds besides the model folder."""
        heads = {f"heads.{name}": value.detach() for name, value in self.heads.state_dict().items()}
        return heads | self.optimizer.tensors()

    def masters(self) -> dict[str, Tensor]:
        """The weights that learn, in float32, for a checkpoint whose model folder has them rounded."""
        return {
            f"policy.{name}": part.detach()
            for name, part in self.decoder.named_parameters()
            if part.requires_grad
        }

    def restore(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """Take weights and optimizer state from a checkpoint, in place; InputError where they do not fit."""
        # A run that goes back has moments which its first checkpoint, before any step, has not.
        self.optimizer.forget()
        for name, own in self.tensors().items():
            stored = tensors.get(name)
            if stored is None or stored.shape != own.shape:
                found = "missing" if stored is None else f"of shape {list(stored.shape)}"
                if stored is None and not any(key.startswith("heads.") for key in tensors):
                    raise InputError(
                        f"{folder / 'trainer.safetensors'}: holds no values, which ppo learns: begin a run "
                        "of its own with --model and this checkpoint's folder"
                    )
                raise InputError(
                    f"{folder / 'trainer.safetensors'}: {name} is {found}, not {list(own.shape)}; {EARLIER}"
                )
        self.decoder.restore(folder)
        with torch.no_grad():
            for name, part in self.decoder.named_parameters():
                if f"policy.{name}" in tensors:
                    part.copy_(tensors[f"policy.{name}"])
        self.heads.load_state_dict({name: tensors[f"heads.{name}"] for name in self.heads.state_dict()})
        self.optimizer.restore(tensors)


def step_seed(seed: int, *parts: int | str) -> int:
    """A 62-bit seed that depends on the run's seed and on where it is used; equal input, equal seed."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def sampling_seed(seed: int, *parts: int | str) -> int:
    """The seed of `Sampler.sample` at one place of a run, from `step_seed`."""
    return scattered(step_seed(seed, *parts))


def generator_for(seed: int, *parts: int | str) -> torch.Generator:
    """A CPU random generator seeded by `step_seed`."""
    return torch.Generator().manual_seed(step_seed(seed, *parts))


def set_threads(threads: int) -> None:
    """Use `threads` CPU threads for matrix products; 0 leaves one per core."""
    if threads > 0:
        torch.set_num_threads(threads)


def arithmetic(device: torch.device) -> dict[str, Any]:
    """What the last bits of results depend on besides seed and settings."""
    return {
        "device": described(device),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": compute_dtype("auto", device) == torch.bfloat16,
        "kernels": device.type == "cpu" and load("train") is not None,
        "torch": torch.__version__,
    } | ({"tf32": torch.backends.cuda.matmul.allow_tf32} if device.type == "cuda" else {})


@dataclass(frozen=True)
class Stage:
    """A stage of training as the loop sees it.

    `shown` names the metrics on the progress bar; with `keep_start` the untrained model is checkpoint 0.
    `allow_dead` is the name of the command's setting of that name.
    Observers are asked in order; each sees the metrics that those before it have added.
    """

    run: Run
    config: LoopConfig
    trainee: Learner
    shown: tuple[str, ...]
    observers: Sequence[Observer] = ()
    keep_start: bool = False
    allow_dead: str = "loop.allow_dead"

    def save(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Write a checkpoint."""
        states = {observer.name: observer.state() for observer in self.observers}
        kept = {name: state for name, state in states.items() if state}
        rounded = self.config.checkpoint_dtype == "bfloat16"

        def write(folder: Path) -> None:
            self.trainee.write(folder)
            if rounded:
                store_as(folder, torch.bfloat16)

        self.run.save(
            step,
            write,
            self.trainee.tensors() | (self.trainee.masters() if rounded else {}),
            {"metrics": dict(metrics)} | ({"observers": kept} if kept else {}),
        )


@dataclass
class _Position:
    """Where a stage stands: steps made, the last of their rows, what is still to happen there."""

    step: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict = GO_ON


def run_steps(stage: Stage, step: Callable[[int], StepResult]) -> dict[str, Any]:
    """Make the updates that are still to do, and return the last row of metrics with the seconds it all took
    and `warnings`: what stood still in the last steps, a sentence each.

    What stands still for some steps is told on stderr at once, and again at the end; InputError where the
    first steps show that nothing can be learned, unless `allow_dead`. This is the one place that carries out
    what observers decide: it ends the run, or goes back, or goes back and on with the KL pinned. A run that
    counts is sent to its loggers too.
    """
    if running_trial() is not None:
        return _run_steps(stage, step)
    with logged_run(stage.run) as loggers:
        return _run_steps(replace(stage, observers=(*stage.observers, *loggers)), step)


def _run_steps(stage: Stage, step: Callable[[int], StepResult]) -> dict[str, Any]:
    told: set[str] = set()
    branched_at = stage.run.branched_at()
    if branched_at >= stage.config.steps:
        raise InputError(
            f"the branch begins at step {branched_at}, and the run has {stage.config.steps} steps: give more"
        )
    # What has nothing to keep before the first step finds nothing either when a run goes back to its start.
    at_first = {observer.name: observer.state() for observer in stage.observers}
    while True:
        position = _restored(stage, at_first)
        _note_arithmetic(stage, position.step)
        _note_extension(stage, position.step)
        _advance(stage, step, position, told)
        verdict = position.verdict
        if verdict.pin is None:
            break
        _say(verdict.said)
        _pin(stage.run, verdict)
    warnings = list(signs_of_death(_recent(stage.run)).values())
    if running_trial() is None:
        _warn(warnings)
    _say(verdict.said)
    last = position.last if verdict.back_to is None else _gone_back(stage.run, verdict.back_to, position.last)
    return {**last, "warnings": warnings}


def _restored(stage: Stage, at_first: Mapping[str, dict[str, Any]]) -> _Position:
    """Stand at the newest checkpoint, or at the beginning.

    `at_first` are the observers' states before any step. A checkpoint that a branch begins at may lack those
    of observers that the branch has and the run before it had not: they begin there.
    """
    checkpoint = stage.run.latest()
    if record := held_since(stage.run.path):
        for observer in stage.observers:
            observer.pinned(record)
    if checkpoint is None:
        if stage.keep_start:
            stage.save(0, {})
        return _Position()
    path, state = checkpoint.path / "trainer.json", checkpoint.state
    if "metrics" not in state:
        raise InputError(f"{path}: has no metrics; {EARLIER}")
    stage.trainee.restore(checkpoint.path, checkpoint.tensors())
    verdicts, new = [], []
    of_another_run = checkpoint.step <= stage.run.branched_at()
    for observer in stage.observers:
        kept = state.get("observers", {}).get(observer.name, {})
        if at_first[observer.name] and not kept and of_another_run:
            kept = at_first[observer.name]
            new.append(observer.name)
        if at_first[observer.name] and not kept:
            raise InputError(
                f"{path}: has no state of {observer.name}, as runs of earlier versions have not: choose "
                "another --run, and start there from this checkpoint"
            )
        verdicts.append(observer.restore(kept, stage.run))
    if new:
        _say([f"practicum: {', '.join(new)}: begins at step {checkpoint.step}, as the run before had none"])
    pending = next((verdict for verdict in verdicts if verdict.ends), GO_ON)
    return _Position(checkpoint.step, state["metrics"], pending)


def _advance(stage: Stage, step: Callable[[int], StepResult], position: _Position, told: set[str]) -> None:
    """Make steps until the last one or until a verdict ends them."""
    config, run = stage.config, stage.run
    seconds = position.last.get("total_seconds", 0.0)
    tokens = position.last.get("total_tokens", 0)
    recent = _recent(run)
    tried = _tried(stage)
    steps = config.steps if tried is None else min(config.steps, position.step + tried.most)
    settled = settles_life(recent)
    with progress(run.path.name, steps) as bar:
        bar.update(position.step)
        while position.step < steps and not position.verdict.ends:
            started = time.perf_counter()
            result, verdict = _observed(stage.observers, position.step + 1, step(position.step))
            elapsed = time.perf_counter() - started
            seconds, tokens = seconds + elapsed, tokens + int(result.metrics.get("tokens", 0))
            position.step, position.verdict = position.step + 1, verdict
            totals = {"seconds": elapsed, "total_seconds": seconds}
            totals |= {"total_tokens": tokens} if "tokens" in result.metrics else {}
            position.last = {"step": position.step, **result.metrics, **totals}
            run.log(position.last)
            for observer in stage.observers:
                observer.logged(position.last)
            run.log_samples(result.samples)
            recent.append(position.last)
            if tried is not None:
                tried.note(position.last, result)
            elif len(recent) == STEPS and position.step < config.steps:
                signs = signs_of_death(recent)
                _warn(sentence for name, sentence in signs.items() if name not in told)
                told |= signs.keys()
                if not settled and not config.allow_dead:
                    _refuse_dead(stage, signs)
                settled = settled or settles_life(recent)
            said = {name: position.last[name] for name in stage.shown if name in position.last}
            bar.update(position.step, **said)
            last_one = position.step == steps or verdict.ends
            if last_one or position.step % config.checkpoint_every == 0:
                stage.save(position.step, position.last)
    if tried is not None:
        tried.checkpoint_bytes = _bytes(run)


def _tried(stage: Stage) -> Tried | None:
    """Where a dry run keeps what the stage shows."""
    trial = running_trial()
    # A dry run says what a language model of this size takes.
    if trial is None or not isinstance(stage.trainee, Trainee):
        return None
    model = stage.trainee.decoder, stage.trainee.tokenizer
    tried = Tried(stage.run.path, *model, stage.config.steps, _most_checkpoints(stage), trial.most)
    trial.begin(tried)
    return tried


def _most_checkpoints(stage: Stage) -> int:
    """How many checkpoints the whole stage has on the disk at a time.

    That is one more than stay, while the newest is written, but no more than it writes in all. One that can
    go back writes its start too, and sets the newest that it takes back aside.
    """
    written = -(-stage.config.steps // stage.config.checkpoint_every)
    return min(stage.run.keep + 1, written + 2 * stage.keep_start)


def _bytes(run: Run) -> int:
    newest = run.latest()
    files = newest.path.rglob("*") if newest else ()
    return sum(path.stat().st_size for path in files if path.is_file())


def _refuse_dead(stage: Stage, signs: Mapping[str, str]) -> None:
    """Raise DeadRunError where the first steps show that nothing can be learned."""
    fatal = [signs[name] for name in FATAL if name in signs]
    if fatal:
        raise DeadRunError(str(stage.run.path), fatal[0], stage.allow_dead)


def _observed(observers: Sequence[Observer], step: int, result: StepResult) -> tuple[StepResult, Verdict]:
    """The result with what the observers add to it, and the first verdict that ends the run.

    What an observer says of a run that goes on is told at once.
    """
    final = GO_ON
    for observer in observers:
        verdict = observer.after(step, result)
        result = replace(result, metrics={**result.metrics, **verdict.metrics})
        if verdict.marks:
            marked = zip(result.samples, verdict.marks, strict=True)
            result = replace(result, samples=[{**sample, **marks} for sample, marks in marked])
        if not verdict.ends:
            _say(verdict.said)
        if verdict.ends and not final.ends:
            final = verdict
    return result, final


def _recent(run: Run) -> deque[Mapping[str, Any]]:
    return deque(run.rows(STEPS), STEPS)


def _pin(run: Run, verdict: Verdict) -> None:
    """Go back to the trusted checkpoint, from which the run goes on with its KL pinned.

    What was logged is copied to RUN/untrusted, and RUN/held.json, written last, says that the run is held.
    """
    assert verdict.back_to is not None
    run.distrust(verdict.back_to)
    (run.path / "untrusted").mkdir(exist_ok=True)
    for name in LOGS:
        shutil.copyfile(run.path / name, run.path / "untrusted" / name)
    atomic_write(run.path / "held.json", to_json(verdict.pin, indent=2) + "\n")
    run.cut_logs()


def _gone_back(run: Run, step: int, last: Mapping[str, Any]) -> dict[str, Any]:
    """Take back the checkpoints after the trusted one; its figures, with the time and tokens of all steps."""
    run.distrust(step)
    trusted = run.latest()
    assert trusted is not None
    totals = {name: last[name] for name in ("total_seconds", "total_tokens") if name in last}
    return {"step": step, **trusted.state["metrics"], **totals}


def _note_arithmetic(stage: Stage, first: int) -> None:
    changed = stage.run.note_arithmetic(arithmetic(stage.trainee.device))
    if 0 < first < stage.config.steps and changed:
        changes = ", ".join(f"{name} {before} -> {now}" for name, (before, now) in changed.items())
        _say(
            [
                f"practicum: {stage.run.path} goes on with other arithmetic ({changes}): its numbers will "
                "not be, bit for bit, those of an unbroken run"
            ]
        )


def _note_extension(stage: Stage, first: int) -> None:
    """Say what a run that was given more steps is: where its rate decays, no run that was begun with them."""
    before, steps, optimizer = stage.run.extended_from, stage.config.steps, stage.trainee.optimizer
    if before is None or not first or optimizer is None:
        return
    line = f"practicum: {stage.run.path} goes on to {steps} steps instead of {before}"
    settings = optimizer.config
    # The rate goes by updates, of which a step of practice may make several.
    each = max(1, optimizer.steps // steps)
    last, planned, now = (
        warmup_cosine(update, whole * each, settings.warmup_steps, settings.final_share)
        for update, whole in ((first * each - 1, before), (first * each - 1, steps), (first * each, steps))
    )
    # While it warms up, and where it does not fall, a rate is the same however long the run is to be.
    if last != planned:
        line += (
            f". Its learning rate falls with the steps: it was {settings.learning_rate * last:.3g} at step "
            f"{first} and is {settings.learning_rate * now:.3g} from here, as in a run of {steps}, so the "
            f"whole is no run that was begun with {steps} (with --optimizer.final_share 1 it would be)"
        )
    _say([line])


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _warn(sentences: Iterable[str]) -> None:
    _say(f"practicum: warning: {sentence}" for sentence in sentences)
