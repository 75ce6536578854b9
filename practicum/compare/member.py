"""One run of a comparison, in a process of its own: `python -m practicum.compare.member DIR NAME SEED`.

It trains as `practicum rl` or `practicum dpo` does, in DIR/NAME/seed-SEED, goes on where it was broken off,
and examines the model. It ends at once when the process that began it has ended, however that came about:
what stands in the folder is good for resuming at any moment.

    DIR/NAME/seed-0/examination.json     as `practicum eval --json` prints it
    DIR/NAME/seed-0/answers.jsonl        one row a problem: what was answered, and whether it is right
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from practicum.compare.plan import START, read_plan
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.training import dpo, rl
from practicum.training.evaluate import EvalConfig, evaluate

TRAIN: Mapping[str, Callable[..., dict[str, Any]]] = {"rl": rl.train, "dpo": dpo.train}
EXAMINATION, ANSWERS = "examination.json", "answers.jsonl"
ORPHANED = 3


def run_folder(folder: Path, name: str, seed: int) -> Path:
    """Where a run is; the start, which nobody trains, has one folder for all seeds."""
    return folder / name if name == START else folder / name / f"seed-{seed}"


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


def end_with_parent() -> None:
    """End this process once nobody holds the other end of its standard input."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(ORPHANED)

    threading.Thread(target=wait, daemon=True, name="practicum-parent").start()


def main(arguments: Sequence[str]) -> int:
    """Make one run: 0 done, 2 bad input."""
    folder, name, seed = arguments
    end_with_parent()
    try:
        make(Path(folder), name, int(seed))
    except InputError as error:
        print(f"practicum: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
