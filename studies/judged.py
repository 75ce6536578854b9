"""One rule that says of every claim whether it is met, and the fields that go with it.

A claim's `target` is a short text in a small grammar, from which the rule is worked out again at any time:

    at least 95 | at most 5 | above 0 | below 10 | 25 to 60      each with a note in brackets, or none
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from practicum.errors import InputError

Claim = dict[str, Any]
RULE = (
    "The interval decides. A claim is met when its whole interval lies on its target's side, missed when the "
    "measured value does not, and otherwise not shown. An interval from the least to the greatest of several "
    "seeds is judged alike, so there every seed must meet the target. A figure without an interval shows "
    "nothing, unless it counts all things that the claim is about (a census). A claim measured from a tree "
    "with uncommitted changes counts as not shown until it is measured again."
)
NO_INTERVAL, CENSUS = "none", "census: all things that the claim is about"
CHANGES = "+changes"
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_ONE_SIDE = re.compile(rf"(at least|at most|above|below) {_NUMBER}(?: \(.*\))?")
_TWO_SIDES = re.compile(rf"{_NUMBER} to {_NUMBER}(?: \(.*\))?")


@dataclass(frozen=True)
class Target:
    """The values wanted: from `low` to `high`, without the ends where `strict`."""

    low: float = -math.inf
    high: float = math.inf
    strict: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is among them."""
        if self.strict:
            return self.low < value < self.high
        return self.low <= value <= self.high


def target_of(text: str) -> Target:
    """The target that a text means; InputError for a text outside the grammar."""
    if found := _TWO_SIDES.fullmatch(text):
        return Target(float(found[1]), float(found[2]))
    found = _ONE_SIDE.fullmatch(text)
    if found is None:
        raise InputError(
            f"target {text!r}: expected 'at least', 'at most', 'above' or 'below' a number, or 'A to B'"
        )
    word, bound = found[1], float(found[2])
    if word in ("at least", "above"):
        return Target(low=bound, strict=word == "above")
    return Target(high=bound, strict=word == "below")


def met(value: float, interval: Sequence[float] | None, target: Target) -> bool:
    """The rule: the whole interval lies on the target's side; nothing is met without one."""
    return interval is not None and all(target.holds(bound) for bound in (*interval, value))


def verdict_of(claim: Mapping[str, Any]) -> str:
    """`met`, `missed`, or `not shown` with its reason."""
    target = target_of(claim["target"])
    if not target.holds(claim["value"]):
        return "missed"
    if claim["dirty"]:
        return "not shown: measured from a tree with uncommitted changes"
    if claim["interval"] is None:
        return "not shown: one figure without an interval"
    if not met(claim["value"], claim["interval"], target):
        return "not shown: the interval reaches past the target"
    return "met"


def judged(claim: Mapping[str, Any]) -> Claim:
    """The claim with commit and `dirty` apart, the kind of its interval named, and the rule's verdict."""
    commit = str(claim["commit"])
    found = {
        **claim,
        "commit": commit.removesuffix(CHANGES),
        "dirty": bool(claim.get("dirty")) or commit.endswith(CHANGES),
        "interval_kind": claim.get("interval_kind") or NO_INTERVAL,
    }
    if found["interval"] is None:
        found["interval_kind"] = NO_INTERVAL
    said = verdict_of(found)
    return {**found, "met": said == "met", "verdict": said}


def superseded(old: Mapping[str, Any], replaced_by: str | None, reason: str) -> Claim:
    """The record of a claim that no longer stands, whatever came of it, and why."""
    kept = (
        "id", "claim", "value", "unit", "interval", "interval_kind", "target", "seeds", "commit", "dirty",
        "date", "met",
    )  # fmt: skip
    return {
        **{key: old[key] for key in kept if key in old},
        "replaced_by": replaced_by,
        "reason": reason,
    }
