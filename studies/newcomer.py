"""A newcomer's path, timed: `python -m studies.newcomer --run DIR`.

`scripts/newcomer.sh` follows docs/start.md in a fresh clone with an empty home folder, from the wheel to the
first reward curve on rows and a reward of one's own. It is repeated, each time from nothing:

RUN/1, RUN/2   clone, home, commands, trace, steps.tsv
RUN/results.json   seconds of each command and in all, and the reward of the first and the last steps
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.errors import InputError
from practicum.files import read_rows
from practicum.ranges import PositiveInt, Ranged
from studies.claim import claim
from studies.common import note_machine, record, study_main
from studies.judged import Claim

SCRIPT = Path(__file__).parents[1] / "scripts" / "newcomer.sh"
WINDOW = 3
"""Steps over which the reward at either end is averaged."""


@dataclass(frozen=True)
class StudyConfig(Ranged):
    """The path of docs/start.md, from pip install to the first reward curve, timed."""

    run: Path
    """Folder of the study."""
    repeats: PositiveInt = 2
    """Times that the path is gone, each from an empty home."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Go the path as often as it was not yet, write RUN/results.json and return it.

    Raises InputError where a command fails.
    """
    note_machine(config.run, "newcomer")
    found: dict[str, Any] = {}
    for number in range(1, config.repeats + 1):
        folder = config.run / str(number)
        if not (folder / "steps.tsv").exists():
            process = subprocess.run([str(SCRIPT), str(folder)], stdout=sys.stderr, check=False)
            if process.returncode:
                raise InputError(f"{SCRIPT.name} ended with {process.returncode}; {folder} holds what it did")
        rewards = [row["reward"] for row in read_rows(folder / "clone" / "first" / "run" / "metrics.jsonl")]
        found[str(number)] = {
            **timed((folder / "steps.tsv").read_text(encoding="utf-8")),
            "reward": [fmean(rewards[:WINDOW]), fmean(rewards[-WINDOW:])],
        }
    return record(config, "newcomer", {"newcomer": found})


def timed(text: str) -> dict[str, Any]:
    """Seconds of each command as the script wrote them, and from the first pip install to the first curve."""
    rows = [line.split("\t", 1) for line in text.splitlines()]
    steps = [{"command": command, "seconds": float(seconds)} for seconds, command in rows[:-1]]
    first = next(place for place, step in enumerate(steps) if "pip install" in str(step["command"]))
    curve = next(place for place, step in enumerate(steps) if "practicum report" in str(step["command"]))
    counted = steps[first : curve + 1]
    return {"seconds": round(sum(float(str(step["seconds"])) for step in counted), 1), "steps": steps}


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Its seconds, from pip install to the report with the curve."""
    found = results["newcomer"]
    before, after = (fmean(one["reward"][end] for one in found.values()) for end in (0, 1))
    text = (
        "Newcomer, from pip install in a fresh clone with an empty HOME to the first reward curve on own "
        f"rows and reward, by docs/start.md (mean reward {before:.2f} to {after:.2f})"
    )
    seconds = {int(number): one["seconds"] for number, one in found.items()}
    made = claim("newcomer-seconds", text, seconds, "s", "at most 600")
    kind = "least and greatest of the repeats" if len(seconds) > 1 else None
    return [{**made, "interval_kind": kind, "seeds": [0]}]


main = study_main(StudyConfig, "studies.newcomer", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
