"""Files of rows for the instruments' tests."""

from __future__ import annotations

import json
from pathlib import Path


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write rows to a file and return its path."""
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path
