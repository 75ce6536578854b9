"""A new run that begins at a checkpoint of another: its weights, moments and rows, with settings changed.

What lies before the checkpoint is copied, so the branch is a run like any other, and without a changed
setting it goes on bit for bit as the other did. `environment.json` keeps where it comes from.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicum.config import flatten, parse_toml, to_toml
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json, writing
from practicum.run.environment import environment
from practicum.run.folder import LOGS, STEPS, Run, checked_files, is_vacant

BRANCHING = ("pretrain", "sft", "rl", "dpo", "reward-model")
"""Commands whose runs are one stage, which may begin at a checkpoint of another."""
OF_WEIGHTS = ("model", "size", "vocabulary_size", "lora")
OF_MOMENTS = "optimizer.algorithm"
"""Settings of what a run begins with, which a branch takes from the checkpoint."""


@dataclass(frozen=True)
class Origin:
    """A checkpoint of a run: the run's folder, the step, and the checkpoint's folder."""

    run: Path
    step: int
    checkpoint: Path

    @property
    def config(self) -> Path:
        """The settings of the run."""
        return self.run / "config.toml"


def find_origin(text: str, command: str) -> Origin:
    """The checkpoint that RUN@STEP names, the newest one of RUN without a step.

    Raises InputError where there is no such run of `command`, or no such checkpoint in it.
    """
    if command not in BRANCHING:
        raise InputError(f"--branch is for {', '.join(BRANCHING)}: {command} has none")
    place, _, number = text.rpartition("@") if re.search(r"@\d+$", text) else (text, "", "")
    run = Path(place)
    record = run / "environment.json"
    if not (run / "config.toml").is_file() or not record.is_file():
        raise InputError(f"--branch {text}: {run} is no run's folder (no config.toml): give RUN@STEP")
    made_by = read_json(record, "restore it").get("command")
    if made_by != command:
        raise InputError(f"--branch {text}: a run of {made_by}: use practicum {made_by} --branch")
    steps = Run(run).steps()
    if not steps:
        raise InputError(f"--branch {text}: no checkpoint there to begin at")
    step = int(number) if number else max(steps)
    if step not in steps:
        kept = ", ".join(map(str, steps))
        raise InputError(
            f"--branch {text}: no checkpoint of step {step} there, only of {kept}; a run keeps as many as "
            "--loop.keep_checkpoints says"
        )
    return Origin(run, step, steps[step])


def changes(origin: Origin, config: object) -> dict[str, tuple[Any, Any]]:
    """What differs from the settings of the run: values there and here.

    Raises InputError for what a branch cannot change: its weights, and steps that lie before it.
    """
    there = flatten(parse_toml(origin.config.read_text(encoding="utf-8"), str(origin.config)))
    here = flatten(parse_toml(to_toml(config), "a config"))
    changed = {
        key: (there.get(key), here.get(key)) for key in {**there, **here} if there.get(key) != here.get(key)
    }
    for key in changed:
        if key.partition(".")[0] in OF_WEIGHTS or key == OF_MOMENTS:
            part = "moments of the optimizer" if key == OF_MOMENTS else "weights"
            raise InputError(
                f"--{key}: a branch goes on with the {part} of its checkpoint: drop it, or begin a run of "
                f"its own with --model {origin.checkpoint}"
            )
    steps = here.get(STEPS)
    if steps is not None and steps <= origin.step:
        raise InputError(
            f"{STEPS} is {steps}, and the branch begins at step {origin.step}: give more --{STEPS}"
        )
    return changed


@contextmanager
def branched(origin: Origin, folder: Path, config: object, command: str) -> Iterator[str]:
    """Make the branch's folder, which is then resumed; yields what to say of it.

    Where resuming it is refused before it made a step, the folder goes again. Raises InputError when the
    folder is not empty, for a damaged checkpoint, and as `changes`.
    """
    if not is_vacant(folder):
        raise InputError(f"{folder} is not empty: choose another --run for the branch")
    changed = changes(origin, config)
    record = checked_files(origin.checkpoint)
    if record is None:
        raise InputError(f"--branch: {origin.checkpoint} has no trainer.json, so nothing goes on from it")
    with writing(folder):
        _copy(origin, folder, record["log_bytes"])
        first = environment(command, getattr(config, "seed", None))
        first["branched_from"] = {
            "run": str(origin.run.resolve()),
            "step": origin.step,
            "changed": {key: list(values) for key, values in changed.items()},
        }
        atomic_write(folder / "environment.json", to_json(first | _kept(origin), indent=2) + "\n")
        atomic_write(folder / "config.toml", to_toml(config))
    said = ", ".join(f"{key} {now!r} instead of {then!r}" for key, (then, now) in changed.items())
    try:
        yield f"{folder} goes on from step {origin.step} of {origin.run} with {said or 'the same settings'}"
    except InputError:
        if not any(step > origin.step for step in Run(folder).steps()):
            shutil.rmtree(folder)
        raise


def _copy(origin: Origin, folder: Path, lengths: Mapping[str, int]) -> None:
    """The checkpoints up to the branch's, to which a guard may go back, and the rows before it."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for step, checkpoint in Run(origin.run).steps().items():
        if step <= origin.step:
            shutil.copytree(checkpoint, folder / "checkpoints" / checkpoint.name)
    for name in LOGS:
        log = origin.run / name
        data = log.read_bytes()[: lengths.get(name, 0)] if log.is_file() else b""
        (folder / name).write_bytes(data)
    held = origin.run / "held.json"
    if held.is_file() and (read_json(held, "restore it").get("to_step") or 0) < origin.step:
        shutil.copyfile(held, folder / "held.json")


def _kept(origin: Origin) -> dict[str, Any]:
    """What the run was computed with and what it read, so that the branch tells where it differs."""
    record = read_json(origin.run / "environment.json", "restore it")
    entries = (record, *record.get("resumed", []))
    return {name: one[name] for one in entries for name in ("arithmetic", "inputs") if name in one}
