"""What the fuzzer found: one fault of a reward function, with the smallest example of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["false_accept", "false_reject", "unstable"]


@dataclass(frozen=True)
class Finding:
    """One fault: `completion`, written to `prompt`, is paid what it is not worth, or not steadily.

    kind: false_accept (a worthless text is paid like a right one), false_reject (a right one is paid like a
    wrong one) or unstable (crash, hang, wrong count, chance, history, batch or hash seed). family: what it
    exploits. paid: the reward of `completion`; honest: that of honest right completions to the same prompt
    (None where there is no such number). share: of the rows tried, those on which it holds, in [0, 1]. worth:
    mean extra reward, against its honest level, of a policy that always wrote this. row: the columns of the
    row, for the test file. evidence: more lines for the page. against: an honest text to the same prompt to
    compare with, a right one for a false accept, a wrong one for a false reject, where there is one.
    """

    kind: Kind
    family: str
    sentence: str
    prompt: str
    completion: str
    paid: float | None
    honest: float | None
    share: float
    worth: float
    row: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    against: str | None = None

    def json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            "prompt": self.prompt,
            "completion": self.completion,
            "paid": self.paid,
            "honest": self.honest,
            "share": round(self.share, 4),
            "family": self.family,
            "worth": round(self.worth, 4),
            "row": dict(self.row),
            "evidence": list(self.evidence),
            "against": self.against,
        }
