"""Run the benches and record them: `python -m studies.bench --record`.

docs/bench.json is the only source of measured speed: one result of `practicum bench NAME --json` a bench. In
docs/bench.md a block between `<!-- bench: NAME -->` and `<!-- end bench -->` is generated from it. Without
--record only the page is generated again. `claims` gives the rows as claims for docs/results.json.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicum.bench.command import BENCHES, cells, run
from practicum.config import help_text, load
from practicum.errors import InputError
from practicum.run import atomic_write, to_json

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- bench: (?P<name>[\w-]+) -->\n).*?(<!-- end bench -->)", re.DOTALL)
HEAD = (
    "| case | ours | rival | unit | ratio | least to greatest | of the limit | MB ours | MB rival |\n"
    "| --- | ---: | ---: | --- | ---: | :---: | ---: | ---: | ---: |"
)
CLAIMED = ("sampler", "grpo-step", "sft", "verifier")
"""Benches whose rows are claims: those against another project."""


@dataclass(frozen=True)
class BenchStudyConfig:
    """Run benches, record them in docs/bench.json and write docs/bench.md's tables."""

    record: bool = False
    """Run and record; without it the tables are only written again."""
    names: tuple[str, ...] = tuple(BENCHES)
    """The benches to run, in this order; what is recorded of the others stays."""
    threads: int = 1
    """CPU threads of both sides."""
    pairs: int = 5
    """Runs of each side."""


def write_all(config: BenchStudyConfig, root: Path = ROOT) -> None:
    """Record what is asked for, each bench as soon as it is done, and write the page."""
    source = root / "docs" / "bench.json"
    unknown = sorted(set(config.names) - BENCHES.keys())
    if unknown:
        raise InputError(f"names: unknown bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    for name in config.names if config.record else ():
        settings = ["--threads", str(config.threads), "--pairs", str(config.pairs)]
        print(f"bench: {name}", file=sys.stderr)
        recorded = {**read_record(source), name: rounded(run(name, settings))}
        atomic_write(source, to_json(in_order(recorded), indent=2) + "\n")
    page = root / "docs" / "bench.md"
    atomic_write(page, fill(page.read_text(encoding="utf-8"), read_record(source)))


def read_record(path: Path) -> dict[str, Any]:
    """The recorded results by bench; none when there is no file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def in_order(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The benches in the order of the command's help."""
    return {name: recorded[name] for name in BENCHES if name in recorded}


def rounded(value: Any) -> Any:
    """Numbers to four significant digits, at any depth."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


# --------------------------------------------------------------------------------------------------- page


def fill(text: str, recorded: Mapping[str, Any]) -> str:
    """The page with its blocks written anew; a bench not recorded yet says so."""

    def block(found: re.Match[str]) -> str:
        result = recorded.get(found["name"])
        body = table(result) if result else f"Not recorded yet: `practicum bench {found['name']}`.\n"
        return f"{found[1]}\n{body}\n{found[3]}"

    return BLOCK.sub(block, text)


def table(result: Mapping[str, Any]) -> str:
    """A bench's table, its rivals, and where it was measured."""
    lines = [HEAD, *(f"| {' | '.join(cells(row))} |" for row in result["rows"]), ""]
    rivals = dict.fromkeys(row["rival_name"] for row in result["rows"] if row["rival_name"])
    lines += [f"Rival: {name}." for name in rivals] + [""] * bool(rivals)
    if result.get("misjudged"):
        lines += [misjudged_text(result["misjudged"]), ""]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines.append(
        f"`{result['command']}`, {result['date']}, {result['machine']}, {result['threads']} thread(s), "
        f"commit {result['commit'][:12]}; {versions}."
    )
    return "\n".join(lines) + "\n"


def misjudged_text(misjudged: Sequence[Mapping[str, Any]]) -> str:
    """How often each side was wrong, by the form of the answer and the truth, and one example of each."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    examples: dict[tuple[str, str, bool], str] = {}
    for one in misjudged:
        for side in ("ours", "rival"):
            if one[side] is not None and one[side] != one["right"]:
                key = (side, one["form"], one["right"])
                counts[key] += 1
                examples.setdefault(key, f"`{one['answer']}` for `{one['gold']}`")
    lines = [
        "| wrong side | form | the answer is | times | for example |",
        "| --- | --- | --- | ---: | --- |",
    ]
    for (side, form, right), times in counts.most_common():
        truth = "right" if right else "wrong"
        example = examples[side, form, right].replace("|", "\\|")
        lines.append(f"| {side} | {form} | {truth} | {times} | {example} |")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------- claims


def claims(recorded: Mapping[str, Any], targets: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """A claim of docs/results.json for every compared row: how many times better ours is than the rival.

    `targets` maps ids to the ratio wanted, 1 where it names none. A claim is met when the median reaches it.
    Rows without a ratio (no rival installed) give none.
    """
    wanted = targets or {}
    found = []
    for name in CLAIMED:
        result = recorded.get(name, {"rows": []})
        for row in result["rows"]:
            if row["ratio"] is None:
                continue
            key = f"bench-{name}-{slug(row['case'])}"
            target = wanted.get(key, 1.0)
            found.append(
                {
                    "id": key,
                    "claim": f"Speed of {name}, {row['case']}, against {row['rival_name']}",
                    "value": row["ratio"],
                    "unit": "times",
                    "interval": [row["ratio_min"], row["ratio_max"]],
                    "interval_kind": f"least to greatest of {result['pairs']} pairs run in alternation",
                    "target": f"at least {target:g}",
                    "seeds": [],
                    "command": result["command"],
                    "machine": f"{result['machine']}, {result['threads']} thread(s)",
                    "date": result["date"],
                    "commit": result["commit"],
                    "met": row["ratio"] >= target,
                }
            )
    return found


def slug(case: str) -> str:
    """A case as the tail of an id: `3M, batch 32` -> `3m-batch-32`."""
    return "-".join(re.findall(r"[a-z0-9]+", case.lower()))


def main(arguments: Sequence[str]) -> int:
    """Record and write; 0 done, 2 bad input."""
    if "--help" in arguments or "-h" in arguments:
        print(help_text(BenchStudyConfig, "python -m studies.bench", (__doc__ or "").partition("\n\n")[0]))
        return 0
    try:
        write_all(load(BenchStudyConfig, None, arguments))
    except InputError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
