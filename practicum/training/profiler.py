"""The profile beside a run: where a step's time goes, as a table on stderr and RUN/trace.json."""

from __future__ import annotations

import sys
from typing import Any

from practicum.files import atomic_write
from practicum.guard.observer import GO_ON, Adjustments, Quiet, StepResult, Verdict
from practicum.run.folder import Run
from practicum.run.profile import Profile


class Profiler(Quiet):
    """Records every step from where its prompts are drawn to where its metrics are there."""

    name = "profile"

    def __init__(self) -> None:
        self.profile = Profile()

    def before(self, step: int) -> Adjustments:
        """Begin to record."""
        self.profile.begin()
        return Adjustments()

    def after(self, step: int, result: StepResult) -> Verdict:
        """The step is over."""
        self.profile.end()
        return GO_ON

    def conclude(self, run: Run) -> dict[str, Any]:
        """Write the trace and print the table."""
        if self.profile.steps:
            atomic_write(run.path / "trace.json", self.profile.trace())
            print(self.profile.table(), file=sys.stderr)
        return {}
