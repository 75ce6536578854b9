"""What a rival's trainer is given: the same model, rows and prompts as ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Ids = Sequence[Sequence[int]]


@dataclass(frozen=True)
class GrpoLesson:
    """GRPO on `prompts` with `group` answers each; `cache` is the rival's cache_implementation."""

    folder: Path
    prompts: Sequence[str]
    group: int
    new_tokens: int
    cache: str | None


@dataclass(frozen=True)
class SftLesson:
    """SFT on token rows, `batch_rows` an update, cut at `length`; masks are 1 where the loss counts."""

    folder: Path
    rows: Ids
    masks: Ids | None
    batch_rows: int
    length: int
