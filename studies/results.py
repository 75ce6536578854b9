"""Write docs/results.json from the study and what quotes it: `python -m studies.results --run DIR`.

docs/results.json is the only source. The claims about speed in it are made from docs/bench.json, which
`python -m studies.bench` records. docs/results.md is generated from it whole; in README.md and the
recipes' READMEs a block between `<!-- results: id id -->` and `<!-- end results -->` is. Claims that this
study does not measure stay in results.json as they are. Without --run only the pages are generated again.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from practicum.demo import print_table
from practicum.errors import InputError
from practicum.report.figures import write_learning_curve
from practicum.run import atomic_write, to_json
from studies import bench, people_claims
from studies.claims import Claim, measure, read_seeds
from studies.entry import run_main

ROOT = Path(__file__).parents[1]
SPEED = """## Speed

Ours against a named rival in one process run, in alternation; the interval is the least and the greatest of
the pairs. Tokens a second, memory and the rivals' settings are on the page on [speed](bench.md).
"""
PICTURE = "docs/images/learning_curve.png"
BLOCK = re.compile(r"(<!-- results: (?P<ids>[^>]*?) -->\n).*?(<!-- end results -->)", re.DOTALL)
TRANSCRIPT = re.compile(r"(<!-- transcript -->\n).*?(<!-- end transcript -->)", re.DOTALL)


@dataclass(frozen=True)
class ResultsConfig:
    """Write docs/results.json from a study's folder, and the pages that quote it."""

    run: Path | None = None
    """The study's folder; none leaves the numbers and only writes the pages again."""
    people: tuple[Path, ...] = ()
    """Folders of other studies, of `audit overoptimization` and of a demo; other claims stay as they are."""


def write_all(config: ResultsConfig, root: Path = ROOT) -> None:
    """Numbers, pages, transcript and picture."""
    source = root / "docs" / "results.json"
    if config.run is not None:
        measured = measure(config.run)
        if not measured:
            raise InputError(f"{config.run}: no finished demo here; run python -m studies.equations first")
        atomic_write(source, results_json(merge(read_claims(source), measured)))
        transcript = demo_transcript(config.run)
        readme = root / "README.md"
        atomic_write(readme, fill_transcript(readme.read_text(encoding="utf-8"), transcript))
        (root / PICTURE).parent.mkdir(parents=True, exist_ok=True)
        write_learning_curve(curve_runs(config.run), root / PICTURE)
    for folder in config.people:
        atomic_write(source, results_json(merge(read_claims(source), people_claims.measure(folder))))
    claims = with_speed(read_claims(source), bench.read_record(root / "docs" / "bench.json"))
    if claims != read_claims(source):
        atomic_write(source, results_json(claims))
    atomic_write(root / "docs" / "results.md", results_page(claims))
    for page in quoting_pages(root):
        atomic_write(page, fill(page.read_text(encoding="utf-8"), claims))


def quoting_pages(root: Path) -> list[Path]:
    """The hand-written pages with blocks of results in them."""
    return [
        root / "README.md",
        *sorted((root / "recipes").glob("*/README.md")),
        *sorted((root / "docs").glob("*.md")),
    ]


def read_claims(path: Path) -> list[Claim]:
    """The claims of a results file; none when there is no file."""
    claims: list[Claim] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return claims


def results_json(claims: Sequence[Claim]) -> str:
    """The text of docs/results.json; numbers are kept to four decimals."""
    return to_json([_rounded(claim) for claim in claims], indent=2) + "\n"


def merge(old: Sequence[Claim], new: Sequence[Claim]) -> list[Claim]:
    """Old claims with those of the same id replaced, new ones at the end."""
    fresh = {claim["id"]: claim for claim in new}
    kept = [fresh.pop(claim["id"], claim) for claim in old]
    return [*kept, *fresh.values()]


def with_speed(claims: Sequence[Claim], recorded: Mapping[str, Any]) -> list[Claim]:
    """The claims with those about speed taken anew from what the benches recorded, at the end."""
    others = [claim for claim in claims if not is_speed(claim)]
    return [*others, *(bench.rounded(claim) for claim in bench.claims(recorded))]


def is_speed(claim: Claim) -> bool:
    """Whether a claim comes from a bench."""
    return str(claim["id"]).startswith(bench.PREFIX)


def curve_runs(run: Path) -> list[Path]:
    """The runs drawn into the learning curve: every seed, and the controls of each."""
    seeds = [seed.folder for seed in read_seeds(run)]
    controls = [
        folder.with_name(f"{folder.name}-{part}") for part in ("random", "format") for folder in seeds
    ]
    return [*seeds, *(folder for folder in controls if (folder / "summary.json").exists())]


def demo_transcript(run: Path) -> str:
    """What the first seed's demo printed at its end."""
    seed = read_seeds(run)[0]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_table({**seed.summary, "report": "runs/demo/report.html"})
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines())


# --------------------------------------------------------------------------------------------------- pages


def fill(text: str, claims: Sequence[Claim]) -> str:
    """A page with its blocks of results written anew; `equations-ppo*` in a marker takes all such ids."""

    def block(found: re.Match[str]) -> str:
        patterns = found["ids"].split()
        chosen = [claim for claim in claims if any(fnmatch(claim["id"], pattern) for pattern in patterns)]
        table = f"\n{results_table(chosen)}\n{provenance(chosen)}\n\n" if chosen else ""
        return f"{found[1]}{table}{found[3]}"

    return BLOCK.sub(block, text)


def fill_transcript(text: str, transcript: str) -> str:
    """A page with its transcript block written anew, with the picture when there is one."""
    picture = f"![Loss of exposition and worked problems, then right answers during practice]({PICTURE})"
    return TRANSCRIPT.sub(
        lambda found: f"{found[1]}\n```text\n{transcript}\n```\n\n{picture}\n\n{found[2]}", text
    )


def results_table(claims: Sequence[Claim]) -> str:
    """A short table: claim, value, interval, target, met or missed."""
    rows = ["| | measured | interval | target | |", "| --- | ---: | :---: | --- | --- |"]
    for claim in claims:
        rows.append(
            f"| {claim['claim']} | {value_text(claim)} | {interval_text(claim)} | {target_text(claim)} | "
            f"{verdict(claim)} |"
        )
    return "\n".join(rows) + "\n"


def provenance(claims: Sequence[Claim]) -> str:
    """Where the numbers of a table come from, and how long practice took where a claim says so."""
    places = dict.fromkeys(f"{claim['date']} on {claim['machine']}" for claim in claims)
    seeds = max((claim["seeds"] for claim in claims), key=len)
    text = f"Measured {'; '.join(places)}."
    if len(seeds) > 1:
        text = f"Means over seeds {', '.join(map(str, seeds))}. {text}"
    minutes = [claim["minutes"] for claim in claims if "minutes" in claim]
    return f"{text} Practice took {max(minutes):.1f} minutes a seed." if minutes else text


def results_page(claims: Sequence[Claim]) -> str:
    """docs/results.md."""
    missed = [claim for claim in claims if not claim["met"]]
    lines = [
        "# Results",
        "",
        "Generated from [results.json](results.json) by `python -m studies.results`; do not edit. Every",
        "number was measured by the command, and on the machine, under its name below. A claim is met only",
        "when every seed meets it, or, for a gain over a control, when the interval lies above 0.",
        "",
    ]
    if claims:
        speed = [claim for claim in claims if is_speed(claim)]
        others = [claim for claim in claims if not is_speed(claim)]
        lines += [results_table(others)] if others else []
        lines += [SPEED, results_table(speed), provenance(speed), ""] if speed else []
        lines += ["## What was missed", ""]
        lines += [
            f"- **{claim['claim']}**: {value_text(claim)} ({interval_text(claim)}); "
            f"wanted: {target_text(claim)}."
            for claim in missed
        ] or ["Nothing: every claim above is met."]
        lines += ["", "## How each was measured", ""]
        lines += [line for claim in others for line in details(claim)]
        commands = dict.fromkeys(f"`{claim['command']}`" for claim in speed)
        lines += ["### Speed", "", *(f"- {command}" for command in commands)] if speed else []
    return "\n".join(lines).rstrip() + "\n"


def details(claim: Claim) -> list[str]:
    """Everything known about one claim."""
    lines = [f"### `{claim['id']}`", "", f"{claim['claim']}: {value_text(claim)}, {verdict(claim)}.", ""]
    kind = claim.get("interval_kind")
    lines.append(f"- interval: {interval_text(claim)}" + (f" ({kind})" if kind else ""))
    if "before" in claim and "after" in claim:
        sides = claim.get("sides", ["before", "after practice"])
        lines.append(f"- {sides[0]} → {sides[1]}, by seed: " + "; ".join(_before_after(claim)))
    elif len(claim.get("per_seed", {})) > 1:
        lines.append(
            "- by seed: " + ", ".join(f"{seed}: {number(x)}" for seed, x in claim["per_seed"].items())
        )
    if "counts" in claim:
        counted = {key: count for key, count in claim["counts"].items() if not isinstance(count, Mapping)}
        lines.append("- counts: " + ", ".join(f"{count} {key}" for key, count in counted.items()))
    if "n" in claim:
        lines.append(f"- problems: {claim['n']}")
    lines.append(f"- command: `{claim['command']}`")
    commit, plus, changes = claim["commit"].partition("+")
    lines.append(f"- {claim['machine']}; {claim['date']}; commit {commit[:12]}{plus}{changes}")
    return [*lines, ""]


def _before_after(claim: Claim) -> list[str]:
    parts = []
    for seed, after in claim["after"].items():
        texts = []
        for key, value in (("before", claim["before"][seed]), ("after", after)):
            bounds = claim.get(f"{key}_ci95", {}).get(seed)
            texts.append(number(value) + (f" [{number(bounds[0])}, {number(bounds[1])}]" if bounds else ""))
        parts.append(f"{seed}: {texts[0]} → {texts[1]}")
    return parts


def number(value: float) -> str:
    """A number as people read it: a decimal where it says something."""
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.1f}"


def value_text(claim: Claim) -> str:
    """Value and unit; changes carry their sign."""
    value = number(claim["value"])
    if claim["unit"] == "percentage points":
        return f"{'+' if claim['value'] > 0 else ''}{value} points"
    bound = "over " if claim.get("lower_bound") else ""
    return f"{value}%" if claim["unit"] == "%" else f"{bound}{value} {claim['unit']}"


def interval_text(claim: Claim) -> str:
    """The interval, or a dash."""
    if claim["interval"] is None:
        return "–"
    return f"{number(claim['interval'][0])} to {number(claim['interval'][1])}"


def target_text(claim: Claim) -> str:
    """The target with its unit where it is a plain bound."""
    target = str(claim["target"])
    return f"{target}%" if claim["unit"] == "%" and target[-1].isdecimal() else target


def verdict(claim: Claim) -> str:
    """`met` or, so that nobody overlooks it, `**missed**`."""
    return "met" if claim["met"] else "**missed**"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def main(arguments: Sequence[str]) -> int:
    """Write results; 0 done, 2 bad input."""
    return run_main(ResultsConfig, "studies.results", __doc__, write_all, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
