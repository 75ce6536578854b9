"""Which instructions of a function's own code run: what tells a fuzzer that a text reaches a new branch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from practicum.reward.constants import is_library


@contextmanager
def reached() -> Iterator[set[str]]:
    """Within this, the instructions that run in code of no installed package are added to the set."""
    found: set[str] = set()

    def instruction(frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            code = frame.f_code
            found.add(f"{code.co_name} {code.co_firstlineno} {frame.f_lasti}")
        return instruction

    def called(frame: FrameType, event: str, _: Any) -> Any:
        if is_library(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return instruction

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield found
    finally:
        sys.settrace(before)
