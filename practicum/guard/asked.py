"""RUN/ask.jsonl: the prompts of a run that people should be asked about, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from practicum.files import atomic_write, read_rows, to_json
from practicum.run.folder import Run
from practicum.types import Prompt

ASK = "ask.jsonl"


def write_asked(run: Run, prompts: Sequence[Prompt], first: Iterable[str]) -> None:
    """Write the prompts, those with the texts `first` before all others; a text that is none is left out."""
    known = {prompt.text: prompt for prompt in prompts}
    ordered = {text: known[text] for text in first if text in known} | known
    rows = [{"prompt": one.text, "data": dict(one.data)} for one in ordered.values()]
    atomic_write(run.path / ASK, "".join(to_json(row) + "\n" for row in rows))


def asked_prompts(run_folder: Path) -> list[Prompt]:
    """The prompts that a run's guard wants people to rank, the most urgent first; often none."""
    path = run_folder / ASK
    return [Prompt(row["prompt"], row["data"]) for row in read_rows(path)] if path.exists() else []
