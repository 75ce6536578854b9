"""Runs of a comparison, one after another, in a process of their own.

`python -m practicum.compare.member DIR` is asked on standard input for runs, a name and a seed a line. A run
trains as `practicum rl` or `practicum dpo` does, in DIR/NAME/seed-SEED, goes on where it was broken off, and
is examined. The process ends at once when the one that began it has ended, however that came about: what is
in the folder is good for resuming at any moment.

    DIR/NAME/seed-0/examination.json     as `practicum eval --json` prints it
    DIR/NAME/seed-0/answers.jsonl        one row a problem: what was answered, and whether it is right
    DIR/NAME/seed-0.log                  what the run wrote to its terminal
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from practicum.compare.plan import START, read_plan
from practicum.errors import InputError
from practicum.files import atomic_write, to_json, writing
from practicum.training import dpo, rl
from practicum.training.evaluate import EvalConfig, evaluate

TRAIN: Mapping[str, Callable[..., dict[str, Any]]] = {"rl": rl.train, "dpo": dpo.train}
EXAMINATION, ANSWERS = "examination.json", "answers.jsonl"
ORPHANED = 3


def run_folder(folder: Path, name: str, seed: int) -> Path:
    """Where a run is; the start, which nobody trains, has one folder for all seeds."""
    return folder / name if name == START else folder / name / f"seed-{seed}"


def log_of(folder: Path, name: str, seed: int) -> Path:
    """Where what a run writes to its terminal goes: beside its folder."""
    place = run_folder(folder, name, seed)
    return place.with_name(f"{place.name}.log")


def make(folder: Path, name: str, seed: int) -> None:
    """Train and examine one run, or what of it is still to do."""
    plan, place = read_plan(folder), run_folder(folder, name, seed)
    if name == START:
        examine(replace(plan.examination, rows=place / ANSWERS), place)
        return
    member = next(one for one in plan.members if one.name == name)
    if not (place / "summary.json").exists():
        begun = (place / "config.toml").exists()
        TRAIN[member.command](replace(member.config, seed=seed), place, resume=begun)
    examine(replace(plan.examination, model=place, rows=place / ANSWERS), place)


def examine(config: EvalConfig, place: Path) -> None:
    """Write answers and examination, which comes last and says that the run is done."""
    place.mkdir(parents=True, exist_ok=True)
    atomic_write(place / EXAMINATION, to_json(evaluate(config), indent=2) + "\n")


def listen(asked: SimpleQueue[tuple[str, int]]) -> None:
    """Take what is asked for on standard input; end the process once nobody holds its other end."""
    with open(0, "rb", buffering=0, closefd=False) as stream:
        while line := stream.readline():
            name, seed = line.decode().split()
            asked.put((name, int(seed)))
    os._exit(ORPHANED)


def write_to(log: Path) -> None:
    """Send what this process prints from here on to the end of a file."""
    with writing(log), open(log, "ab") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)


def main(arguments: Sequence[str]) -> int:
    """Make run after run, as asked; ends at the first that fails, with 2 for bad input."""
    folder = Path(arguments[0])
    asked: SimpleQueue[tuple[str, int]] = SimpleQueue()
    threading.Thread(target=listen, args=(asked,), daemon=True, name="practicum-asked").start()
    while True:
        name, seed = asked.get()
        write_to(log_of(folder, name, seed))
        try:
            make(folder, name, seed)
        except InputError as error:
            print(f"practicum: error: {error}", file=sys.stderr)
            return 2
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
