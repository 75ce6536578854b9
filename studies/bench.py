"""Run the benches and record them: `python -m studies.bench --record`.

docs/bench.json is the only source of measured speed: one result of `practicum bench NAME --json` a bench. In
docs/bench.md a block between `<!-- bench: NAME -->` and `<!-- end bench -->` is generated from it. Without
--record only the page is generated again. `claims` gives what TARGETS asks for as claims for
docs/results.json, where `python -m studies.results` puts them.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from practicum.bench.command import cells, run
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.run.environment import source_commit
from studies.common import run_main

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- bench: (?P<name>[\w-]+) -->\n).*?(<!-- end bench -->)", re.DOTALL)
HEAD = (
    "| case | ours | rival | unit | ratio | least to greatest | of the limit | MB ours | MB rival |\n"
    "| --- | ---: | ---: | --- | ---: | :---: | ---: | ---: | ---: |"
)
PREFIX = "bench-"
"""What the ids of claims about speed begin with."""


@dataclass(frozen=True)
class Part:
    """A bench as it is recorded, and the threads of both sides."""

    name: str
    threads: int = 1

    @property
    def key(self) -> str:
        """Its place in docs/bench.json and on the page."""
        return self.name if self.threads == 1 else f"{self.name}-{self.threads}-threads"


PARTS: dict[str, Part] = {
    part.key: part
    for part in (
        Part("sampler"),
        Part("sampler", 2),
        Part("grpo-step"),
        Part("grpo-step", 2),
        Part("ppo-step"),
        Part("sft"),
        Part("reward-model"),
        Part("training"),
        Part("time-to-accuracy", 2),
        Part("verifier"),
        Part("smollm2"),
        Part("lora"),
        Part("scaling"),
    )
}

Figure = Literal["ratio", "time", "limit", "memory", "share", "milliseconds"]
"""ratio: times better than the rival. time: time as a multiple of the rival's. limit: share of the machine's
limit. memory: peak memory as a share of the rival's. share, milliseconds: our own figure, in that unit."""


@dataclass(frozen=True)
class Goal:
    """What a row of a bench should show: `figure` at least `wanted`, at most where less is better."""

    part: str
    case: str
    wanted: float
    figure: Figure = "ratio"

    @property
    def id(self) -> str:
        """The claim's id in docs/results.json."""
        tail = "" if self.figure == "ratio" else f"-{self.figure}"
        return f"{PREFIX}{self.part}-{slug(self.case)}{tail}"


FALLING = "lengths as they fall (mean 40, at most 128)"
STEP_FIXED, STEP_FALLING = "3M, 16 prompts x 8, fixed 128 tokens", f"3M, 16 prompts x 8, {FALLING}"
TARGETS: tuple[Goal, ...] = (
    *(
        goal
        for part in ("sampler", "sampler-2-threads")
        for goal in (
            Goal(part, "3M, batch 32, fixed 128 tokens", 2.5),
            Goal(part, "3M, batch 128, fixed 128 tokens", 3),
            Goal(part, "3M, batch 512, fixed 128 tokens", 4),
            Goal(part, "10M, batch 128, fixed 128 tokens", 3),
            Goal(part, f"3M, batch 512, {FALLING}", 6),
            Goal(part, "3M, batch 128, fixed 128 tokens", 50, "limit"),
            Goal(part, "10M, batch 128, fixed 128 tokens", 50, "limit"),
        )
    ),
    *(
        goal
        for part in ("grpo-step", "grpo-step-2-threads")
        for goal in (
            Goal(part, STEP_FIXED, 3),
            Goal(part, STEP_FALLING, 6),
            Goal(part, STEP_FIXED, 40, "memory"),
            Goal(part, STEP_FALLING, 40, "memory"),
        )
    ),
    Goal("ppo-step", STEP_FIXED, 1.5, "time"),
    Goal("ppo-step", f"{STEP_FIXED}, PPOTrainer", 4),
    Goal("ppo-step", f"{STEP_FIXED}, PPOTrainer, four models on both sides", 4),
    Goal("sft", "10M, real lengths, about 8192 tokens", 4),
    Goal("sft", "10M, 32 x 256", 2),
    Goal("reward-model", "3M, 64 pairs of 64 tokens", 4),
    Goal("reward-model", "3M, 32 rankings of 5, real lengths", 4),
    *(
        goal
        for size in ("3M", "10M")
        for goal in (
            Goal("training", f"{size}, 32 x 256, matrix products alone", 60, "share"),
            Goal("training", f"{size}, 32 x 256, operations", 40, "limit"),
        )
    ),
    Goal("time-to-accuracy-2-threads", "seconds to 95% right", 5),
    Goal("verifier", "200 different answers, median", 10),
    Goal("verifier", "200 different answers, mean", 20),
    Goal("verifier", "200 different answers, slowest", 50, "milliseconds"),
    Goal("verifier", "8 bombs, slowest", 50, "milliseconds"),
    Goal("smollm2", "135M, batch 64, fixed 128 tokens", 2.5),
    Goal("lora", "135M, LoRA rank 16, 16 x 128 tokens", 2),
    Goal("lora", "135M, LoRA rank 16, 16 x (32 to 256) tokens", 2),
)
"""The goals that the comparison was built for; every one that was recorded is a claim, met or missed."""


@dataclass(frozen=True)
class BenchStudyConfig:
    """Run benches, record them in docs/bench.json and write docs/bench.md's tables."""

    record: bool = False
    """Run and record; without it the tables are only written again."""
    names: tuple[str, ...] = tuple(PARTS)
    """The parts to run, in this order; what is recorded of the others stays."""
    pairs: int = 5
    """Runs of each side."""
    model: Path | None = None
    """Where time-to-accuracy starts; none takes the newest model of worked problems in runs/."""

    trl_python: Path | None = None
    """Python of the environment with a PPOTrainer that ppo-step compares with; none leaves those rows out."""


def write_all(config: BenchStudyConfig, root: Path = ROOT) -> None:
    """Record what is asked for, each bench as soon as it is done, and write the page."""
    source = root / "docs" / "bench.json"
    unknown = sorted(set(config.names) - PARTS.keys())
    if unknown:
        raise InputError(f"names: unknown bench {unknown[0]!r}; there are {', '.join(PARTS)}")
    # Of the beginning: a record changes the tree, and no later bench is measured with other code for that.
    commit = source_commit() or "unknown"
    for key in config.names if config.record else ():
        part = PARTS[key]
        settings = ["--threads", str(part.threads), "--pairs", str(config.pairs)]
        # Memory hardly depends on the threads, and measuring it takes as long as a pair.
        settings += ["--no_peaks"] if part.threads > 1 else []
        if part.name == "time-to-accuracy" and config.model is not None:
            settings += ["--model", str(config.model)]
        if part.name == "ppo-step" and config.trl_python is not None:
            settings += ["--trl_python", str(config.trl_python)]
        started = time.perf_counter()
        result = {**rounded(run(part.name, settings)), "commit": commit}
        print(f"bench: {key} took {time.perf_counter() - started:.0f} s", file=sys.stderr)
        atomic_write(source, to_json(in_order({**read_record(source), key: result}), indent=2) + "\n")
    page = root / "docs" / "bench.md"
    atomic_write(page, fill(page.read_text(encoding="utf-8"), read_record(source)))


def read_record(path: Path) -> dict[str, Any]:
    """The recorded results by bench; none when there is no file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def in_order(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The parts in the order in which they are run."""
    return {key: recorded[key] for key in PARTS if key in recorded}


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
        body = table(result) if result else f"Not recorded yet: `{command_of(found['name'])}`.\n"
        return f"{found[1]}\n{body}\n{found[3]}"

    return BLOCK.sub(block, text)


def command_of(key: str) -> str:
    """The command of a part."""
    part = PARTS.get(key, Part(key))
    return f"practicum bench {part.name}" + (f" --threads {part.threads}" if part.threads > 1 else "")


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


def claims(recorded: Mapping[str, Any], goals: Sequence[Goal] = TARGETS) -> list[dict[str, Any]]:
    """Each goal whose row was recorded, with its figure, as a claim of docs/results.json."""
    found = []
    for goal in goals:
        result = recorded.get(goal.part, {"rows": []})
        for row in result["rows"]:
            if row["case"] == goal.case and (value := figure_of(row, goal.figure)) is not None:
                found.append(claim(goal, row, result, value))
    return found


def claim(goal: Goal, row: Mapping[str, Any], result: Mapping[str, Any], value: float) -> dict[str, Any]:
    """One claim: the median, and the least and greatest of its pairs where the figure has them."""
    less = goal.figure in ("time", "memory", "milliseconds")
    bounds = [row["ratio_min"], row["ratio_max"]]
    intervals = {"ratio": bounds, "time": [1 / bound for bound in bounds[::-1] if bound]}
    words, unit = WORDS[goal.figure]
    threads = f"{result['threads']} thread{'s' * (result['threads'] > 1)}"
    return {
        "id": goal.id,
        "claim": f"{result['name']}, {goal.case}, {threads}: {words.format(rival=row['rival_name'])}",
        "value": value,
        "unit": unit,
        "interval": intervals.get(goal.figure) or None,
        "interval_kind": f"least to greatest of {result['pairs']} pairs run in alternation",
        "target": f"at {'most' if less else 'least'} {goal.wanted:g}",
        "lower_bound": goal.figure == "ratio" and bool(row.get("at_least")),
        "seeds": [],
        "command": result["command"],
        "machine": f"{result['machine']}, {threads}",
        "date": result["date"],
        "commit": result["commit"],
    }


WORDS: dict[Figure, tuple[str, str]] = {
    "ratio": ("times better than {rival}", "times"),
    "time": ("time, as a multiple of {rival}", "times"),
    "limit": ("share of the machine's limit", "%"),
    "memory": ("peak memory, as a share of {rival}", "%"),
    "share": ("share of the update", "%"),
    "milliseconds": ("time", "ms"),
}


def figure_of(row: Mapping[str, Any], figure: Figure) -> float | None:
    """The figure that a goal is about; None where it was not measured."""
    ours, theirs = row["memory_ours_mb"], row["memory_rival_mb"]
    found: dict[Figure, float | None] = {
        "ratio": row["ratio"],
        "time": 1 / row["ratio"] if row["ratio"] else None,
        "limit": None if row["limit_share"] is None else 100 * row["limit_share"],
        "memory": 100 * ours / theirs if ours is not None and theirs else None,
        "share": row["ours"],
        "milliseconds": row["ours"],
    }
    return found[figure]


def slug(case: str) -> str:
    """A case as the tail of an id: `3M, batch 32` -> `3m-batch-32`."""
    return "-".join(re.findall(r"[a-z0-9]+", case.lower()))


def main(arguments: Sequence[str]) -> int:
    """Record and write; 0 done, 2 bad input."""
    return run_main(BenchStudyConfig, "studies.bench", __doc__, write_all, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
