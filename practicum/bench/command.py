"""`practicum bench NAME`: run one comparison and print it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practicum.config import asked_help, help_text, load, nearest
from practicum.errors import InputError
from practicum.files import to_json
from practicum.run.environment import environment, processor

if TYPE_CHECKING:
    from practicum.bench.settings import Bench


@dataclass(frozen=True)
class Entry:
    """Where a bench is, what it compares, and the package of its rival."""

    module: str
    function: str
    line: str
    rival: str | None = None
    settings: str = "Bench"


BENCHES: dict[str, Entry] = {
    "sampler": Entry("sampling", "rows", "tokens a second of sampling, against transformers"),
    "training": Entry("training", "training_rows", "tokens a second of an update; the products' share of it"),
    "grpo-step": Entry("practice", "grpo_rows", "a whole step of practice, against TRL's GRPOTrainer", "trl"),
    "ppo-step": Entry("ppo", "rows", "our PPO step, against our GRPO step and TRL's PPOTrainer", None, "Ppo"),
    "sft": Entry("training", "sft_rows", "supervised fine-tuning, against TRL's SFTTrainer", "trl"),
    "reward-model": Entry("reward_model", "rows", "rankings learned, against TRL's RewardTrainer", "trl"),
    "time-to-accuracy": Entry(
        "accuracy", "rows", "practice until 95% of answers are right, against GRPOTrainer", "trl", "Race"
    ),
    "verifier": Entry("verifier", "rows", "judging answers, against math-verify", "math_verify"),
    "smollm2": Entry("smollm2", "sampling_rows", "sampling from a model of 135M, against transformers"),
    "lora": Entry("smollm2", "lora_rows", "adapters on a model of 135M, against TRL with peft", "peft"),
    "scaling": Entry("scaling", "rows", "how time grows with length, batch and model size"),
}  # fmt: skip

WIDTH = 160
"""Columns of the table where no terminal says how many there are."""
JSON_LINE = "  --json  print one JSON object on stdout; the table stays on stderr"
USAGE = "practicum bench NAME [--json] [--threads 1] [--pairs 5] [--quick]"


def command(arguments: Sequence[str]) -> int:
    """Run `practicum bench` with what follows the word; returns the exit code."""
    flags, asked = asked_help([word for word in arguments if word != "--json"])
    if asked:
        print(page(flags[:1], everything=asked == "all"))
        return 0
    if not flags or flags[0].startswith("-"):
        raise InputError(f"bench needs a name: one of {', '.join(BENCHES)}")
    name, *settings = flags
    # Libraries of the rivals print as they please; stdout holds the result only.
    with contextlib.redirect_stdout(sys.stderr):
        result = run(name, settings)
        show(result)
    if "--json" in arguments:
        print(to_json(result))
    return 0


def run(name: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Run a bench and return its JSON object. Raises InputError for an unknown name or setting."""
    if name not in BENCHES:
        raise InputError(
            f"unknown bench {name!r}{nearest(name, list(BENCHES)) or ';'} there are {', '.join(BENCHES)}"
        )
    import torch

    from practicum.bench.settings import HINT, installed

    entry = BENCHES[name]
    bench = load(settings_of(entry), None, settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(bench.threads)
    try:
        with tempfile.TemporaryDirectory(prefix="practicum-bench-") as folder:
            function = getattr(importlib.import_module(f"practicum.bench.{entry.module}"), entry.function)
            found = function(bench, Path(folder))
    finally:
        torch.set_num_threads(threads)
    rows, misjudged = found if isinstance(found, tuple) else (found, None)
    record = environment("bench", None)
    result: dict[str, Any] = {
        "name": name,
        "rows": [row.json() for row in rows],
        "threads": bench.threads,
        "pairs": bench.pairs,
        "quick": bench.quick,
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "date": record["started"][:10],
        "commit": record["commit"] or "unknown",
        "command": " ".join(["practicum bench", name, *settings]),
        "versions": versions(),
    }
    if misjudged is not None:
        result["misjudged"] = misjudged
    if entry.rival is not None and not installed(entry.rival):
        result["hint"] = f"no rival: {HINT}"
    elif bench.hint is not None:
        result["hint"] = bench.hint
    return result


def settings_of(entry: Entry) -> type[Bench]:
    """The class of a bench's settings."""
    from practicum.bench import settings

    found: type[Bench] = getattr(settings, entry.settings)
    return found


def versions() -> dict[str, str]:
    """Versions of both sides' libraries, where installed."""
    found = {}
    for package in ("practicum", "torch", "transformers", "trl", "peft", "math-verify"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def show(result: Mapping[str, Any]) -> None:
    """The result as a table on the terminal (stderr)."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = WIDTH
    table = Table(title=f"{result['name']}: {result['machine']}, {result['threads']} thread(s)")
    for title in (
        "case",
        "ours",
        "rival",
        "unit",
        "ratio",
        "min to max",
        "of the limit",
        "MB ours",
        "MB rival",
    ):
        table.add_column(title, justify="left" if title in ("case", "unit") else "right")
    for row in result["rows"]:
        table.add_row(*cells(row))
    console.print(table)
    for name in dict.fromkeys(row["rival_name"] for row in result["rows"] if row["rival_name"]):
        console.print(f"rival: {name}", markup=False)
    if "hint" in result:
        console.print(result["hint"], markup=False)


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row's cells as text; a dash where nothing was measured."""
    bounds = "–" if row["ratio"] is None else f"{row['ratio_min']:.2f} to {row['ratio_max']:.2f}"
    bound = "> " if row.get("at_least") else ""
    share = "–" if row["limit_share"] is None else f"{row['limit_share']:.1%}"
    return [
        row["case"],
        number(row["ours"]),
        bound + number(row["rival"]),
        row["unit"],
        "–" if row["ratio"] is None else f"{bound}{row['ratio']:.2f}",
        bounds,
        share,
        number(row["memory_ours_mb"]),
        number(row["memory_rival_mb"]),
    ]


def number(value: float | None) -> str:
    """Three significant digits at least, thousands apart."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def page(names: Sequence[str] = (), *, everything: bool = False) -> str:
    """The page of `practicum bench --help`: the benches and what every one takes, and what the one that is
    named takes besides, or, with `everything`, what some of them do."""
    if names and names[0] in BENCHES:
        return "\n".join([settings_page(names[0], f"practicum bench {names[0]}"), JSON_LINE])
    width = max(map(len, BENCHES)) + 2
    lines = [f"  {name:<{width}}{entry.line}" for name, entry in BENCHES.items()]
    of_their_own = {entry.settings: name for name, entry in BENCHES.items() if entry.settings != "Bench"}
    pages = [settings_page("sampler", "practicum bench NAME")]
    if everything:
        pages += [settings_page(name, f"practicum bench {name}") for name in of_their_own.values()]
    hint = f"`practicum bench NAME --help`: what {', '.join(of_their_own.values())} take besides."
    return "\n".join([f"usage: {USAGE}", "", "benches:", *lines, "", *pages, JSON_LINE, "", hint])


def settings_page(name: str, program: str) -> str:
    """The settings of a bench."""
    shown = settings_of(BENCHES[name])
    return help_text(shown, program, (shown.__doc__ or "").strip())
