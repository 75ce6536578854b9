"""What the human half of `practicum demo` took, as a claim for docs/results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from practicum.errors import InputError
from studies.claim import single
from studies.judged import Claim


def command_of(results: Mapping[str, Any]) -> str:
    """The command that repeats it."""
    return "practicum demo --run runs/demo"


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Its seconds, and what it did to people's true utility; InputError for a demo without human feedback."""
    if "human_feedback" not in results:
        raise InputError("this demo ran with --no-human_feedback; a claim needs its human half")
    stage = next(one for one in results["stages"] if one["name"] == "rlhf")
    feedback = results["human_feedback"]
    before, after = feedback["gold"]
    found = single(
        "rlhf-demo-seconds",
        "Demo: time of its human-feedback half, from scratch through the audit "
        f"({feedback['ratings']:,} ratings; true utility {before:.2f} to {after:.2f})",
        stage["seconds"],
        "s",
        "at most 300",
    )
    return [{**found, "seeds": [results["seed"]]}]
