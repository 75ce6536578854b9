"""Write docs/results.json from the study and what quotes it: `python -m studies.results --run DIR`.

docs/results.json is the only source: `rule`, by which every claim is judged, `claims`, and `superseded`, the
claims that no longer stand, each with its figure, what replaced it and why. A claim that is measured again
sends what it was before there. The claims about speed are made from docs/bench.json, which `python -m
studies.bench` records. docs/results.md is generated whole; in README.md and the recipes' READMEs a block
between `<!-- results: id id -->` and `<!-- end results -->` is. Claims that this study does not measure stay
as they are. Without --run all are judged again and the pages are written.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

from practicum.demo import print_table
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.report.figures import write_learning_curve
from studies import (
    ads,
    agent,
    bench,
    beside_trl,
    beside_trl_ppo,
    best_of_n,
    bias,
    budget,
    cloud,
    compare,
    counted,
    demo,
    ensembles,
    equations,
    exploits,
    fuzz,
    guard,
    headline_exploits,
    human_efficiency,
    humicroedit,
    instruments,
    jester,
    learned_rewards,
    math_reward,
    newcomer,
    outside,
    overoptimization,
    pairs,
    portfolio,
    proxies,
    real_model,
    rlhf,
    shaping,
    style,
    teaching,
)
from studies.common import ORIGIN, origin_of, read, run_main
from studies.judged import RULE, Claim, judged, superseded
from studies.origins import with_origin

ROOT = Path(__file__).parents[1]
STUDIES: Mapping[str, ModuleType] = {
    "ads": ads,
    "agent": agent,
    "beside_trl": beside_trl,
    "beside_trl_ppo": beside_trl_ppo,
    "best_of_n": best_of_n,
    "bias": bias,
    "budget": budget,
    "cloud": cloud,
    "compare": compare,
    "counted": counted,
    "ensembles": ensembles,
    "equations": equations,
    "exploits": exploits,
    "fuzz": fuzz,
    "guard": guard,
    "headline_exploits": headline_exploits,
    "human_efficiency": human_efficiency,
    "humicroedit": humicroedit,
    "instruments": instruments,
    "jester": jester,
    "real_model": real_model,
    "newcomer": newcomer,
    "outside": outside,
    "learned_rewards": learned_rewards,
    "math_reward": math_reward,
    "pairs": pairs,
    "rlhf": rlhf,
    "shaping": shaping,
    "style": style,
    "portfolio": portfolio,
    "teaching": teaching,
}
"""By the name in its results.json, each study's module: its `claims` says what the results show."""
COMMANDS: Mapping[str, tuple[ModuleType, str]] = {
    "demo": (demo, "summary.json"),
    "overoptimization": (overoptimization, "results.json"),
    "apply overoptimization": (proxies, "results.json"),
}
"""Commands of practicum that claims are made of, by the name in their environment.json, and their results."""
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
        if not equations.finished_seeds(config.run):
            raise InputError(f"{config.run}: no finished demo here; run python -m studies.equations first")
        write_results(source, merge(read_results(source), measure(config.run)))
        transcript = demo_transcript(config.run)
        readme = root / "README.md"
        atomic_write(readme, fill_transcript(readme.read_text(encoding="utf-8"), transcript))
        (root / PICTURE).parent.mkdir(parents=True, exist_ok=True)
        write_learning_curve(curve_runs(config.run), root / PICTURE)
    for folder in config.people:
        write_results(source, merge(read_results(source), measure(folder)))
        copy_picture(folder, root)
    results = with_speed(read_results(source), bench.read_record(root / "docs" / "bench.json"))
    write_results(source, results)
    atomic_write(root / "docs" / "results.md", results_page(results))
    for page in quoting_pages(root):
        atomic_write(page, fill(page.read_text(encoding="utf-8"), results.claims))


def copy_picture(folder: Path, root: Path) -> None:
    """Put a study's curve.png, where it has one, among the pictures of the docs, under the study's name."""
    drawn = folder / "curve.png"
    if drawn.exists():
        pictures = root / "docs" / "images"
        pictures.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(drawn, pictures / f"{read(folder / 'results.json')['study']}.png")


def measure(run: Path) -> list[Claim]:
    """The claims of the study, or command, that made the folder.

    A results.json names its study; demo and `audit overoptimization` are named by their environment.json.
    Raises InputError for a folder of neither.
    """
    path, about = run / "results.json", run / "environment.json"
    results = read(path) if path.exists() else {}
    if results.get("study") in STUDIES:
        study = STUDIES[results["study"]]
        origin = {key: results[key] for key in ("command", *ORIGIN)}
        later = {key: results[key] for key in ("continued_at",) if key in results}
        return claims_with(study, results, {**origin, **later})
    command = str(read(about).get("command")) if about.exists() else ""
    if command in COMMANDS:
        module, name = COMMANDS[command]
        results = read(run / name)
        origin = {"command": module.command_of(results), **origin_of(read(about))}
        return claims_with(module, results, origin)
    raise InputError(
        f"{run}: no results.json that names its study ({', '.join(STUDIES)}); run the study again, "
        "which skips what is finished"
    )


def claims_with(module: ModuleType, results: Mapping[str, Any], origin: Mapping[str, Any]) -> list[Claim]:
    """A module's claims; what a claim says of its own origin stays."""
    return [{**origin, **one} for one in module.claims(results)]


@dataclass(frozen=True)
class Results:
    """docs/results.json: what stands, judged by the rule, and what stood before."""

    claims: list[Claim]
    superseded: list[Claim]


def quoting_pages(root: Path) -> list[Path]:
    """The hand-written pages with blocks of results in them."""
    return [
        root / "README.md",
        *sorted((root / "recipes").glob("*/README.md")),
        *sorted((root / "docs").glob("*.md")),
    ]


def read_results(path: Path) -> Results:
    """A results file; an empty one when there is none."""
    if not path.exists():
        return Results([], [])
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Results(stored["claims"], stored["superseded"])


def read_claims(path: Path) -> list[Claim]:
    """The claims of a results file; none when there is no file."""
    return read_results(path).claims


def write_results(path: Path, results: Results) -> None:
    """Write docs/results.json, whole or not at all."""
    atomic_write(path, results_json(results))


def results_json(results: Results) -> str:
    """The text of docs/results.json; numbers are kept to four decimals."""
    claims = [_rounded(judged(with_origin(claim))) for claim in results.claims]
    return (
        to_json(
            {"rule": RULE, "claims": claims, "superseded": [_rounded(claim) for claim in results.superseded]},
            indent=2,
        )
        + "\n"
    )


def merge(old: Results, new: Sequence[Claim]) -> Results:
    """Old claims with those of the same id replaced and noted as superseded, new ones at the end."""
    fresh = {claim["id"]: judged(with_origin(claim)) for claim in new}
    gone = [
        superseded(claim, claim["id"], "measured again")
        for claim in old.claims
        if claim["id"] in fresh and not _same(claim, fresh[claim["id"]])
    ]
    kept = [fresh.pop(claim["id"], claim) for claim in old.claims]
    return Results([*kept, *fresh.values()], [*old.superseded, *gone])


def _same(one: Claim, other: Claim) -> bool:
    """Whether two records are of the same measurement."""
    return all(
        _rounded(one.get(key)) == _rounded(other.get(key)) for key in ("value", "target", "seeds", "commit")
    )


def with_speed(results: Results, recorded: Mapping[str, Any]) -> Results:
    """The claims with those about speed taken anew from what the benches recorded, at the end."""
    measured = [bench.rounded(claim) for claim in bench.claims(recorded)]
    ids = {claim["id"] for claim in measured}
    merged = merge(results, measured)
    gone = [
        superseded(claim, None, "no longer recorded")
        for claim in merged.claims
        if is_speed(claim) and claim["id"] not in ids
    ]
    others = [claim for claim in merged.claims if not is_speed(claim)]
    speed = [claim for claim in merged.claims if claim["id"] in ids]
    return Results([*others, *speed], [*merged.superseded, *gone])


def is_speed(claim: Claim) -> bool:
    """Whether a claim comes from a bench."""
    return str(claim["id"]).startswith(bench.PREFIX)


def curve_runs(run: Path) -> list[Path]:
    """The runs drawn into the learning curve: every seed, and the controls of each."""
    seeds = [run / f"seed-{seed}" for seed in equations.finished_seeds(run)]
    controls = [
        folder.with_name(f"{folder.name}-{part}") for part in ("random", "format") for folder in seeds
    ]
    return [*seeds, *(folder for folder in controls if (folder / "summary.json").exists())]


def demo_transcript(run: Path) -> str:
    """What the first seed's demo printed at its end."""
    first = equations.finished_seeds(run)[0]
    summary = read(run / f"seed-{first}" / "summary.json")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_table({**summary, "report": "runs/demo/report.html"})
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
    """A short table: claim, value, interval with its kind, target, verdict."""
    rows = ["| | measured | interval | target | |", "| --- | ---: | :---: | --- | --- |"]
    for claim in claims:
        rows.append(
            f"| {claim['claim']} | {value_text(claim)} | {interval_text(claim)}{kind_text(claim)} | "
            f"{target_text(claim)} | {verdict(claim)} |"
        )
    return "\n".join(rows) + "\n"


KINDS = {
    "95% interval of the mean, Student's t": "t",
    "95% interval, exact": "exact",
    "95% interval, bootstrap": "bootstrap",
    "95% interval, stationary bootstrap": "days and seeds",
    "mean over splits": "splits",
    "95% intervals, bootstrap": "bootstrap",
    "95% interval, normal, clustered by problem": "problems",
    "95% interval over seeds and problems": "seeds and problems",
    "least and greatest of the seeds": "seeds",
    "least and greatest of the repeats": "repeats",
    "least and greatest change": "seeds, both intervals",
    "least to greatest": "pairs",
    "census": "census",
}
LEGEND = (
    "Intervals: *t*, 95% of the mean by Student's t over seeds; *exact*, 95% of a share (Clopper and "
    "Pearson); *bootstrap*, 95% over people, headlines, pairs of runs or seeds; *days and seeds*, 95% by "
    "bootstrap of blocks of days and of seeds; *problems*, 95% with a problem's answers of all seeds as one "
    "cluster; *seeds and problems*, 95% by t over both; *splits*, the mean of the splits' limits; *seeds*, "
    "the least and the greatest seed; *repeats*, the least and the greatest repeat; *pairs*, the least and "
    "the greatest of runs in alternation; *census*, all that the claim is about was counted. *Stale*: the "
    "code has changed since, as the claim's details say."
)


def kind_text(claim: Claim) -> str:
    """The kind of a claim's interval, in a word, in brackets behind it; nothing without an interval."""
    if claim["interval"] is None:
        return ""
    short = next((word for start, word in KINDS.items() if claim["interval_kind"].startswith(start)), None)
    if short is None:
        raise InputError(f"{claim['id']}: studies.results knows no short name of {claim['interval_kind']!r}")
    return f" ({short})"


def provenance(claims: Sequence[Claim]) -> str:
    """Where the numbers of a table come from, and how long practice took where a claim says so."""
    places = dict.fromkeys(f"{claim['date']} on {claim['machine']}" for claim in claims)
    text = f"Measured {'; '.join(places)}."
    by_seed = {tuple(claim["seeds"]) for claim in claims if len(claim.get("per_seed", {})) > 1}
    if len(by_seed) == 1:
        text = f"Means over seeds {', '.join(map(str, *by_seed))}. {text}"
    minutes = [claim["minutes"] for claim in claims if "minutes" in claim]
    return f"{text} Practice took {max(minutes):.1f} minutes a seed." if minutes else text


def results_page(results: Results) -> str:
    """docs/results.md."""
    claims = results.claims
    lines = [
        "# Results",
        "",
        "Generated from [results.json](results.json) by `python -m studies.results`; do not edit. Every",
        "number was measured by the command, and on the machine, under its name below.",
        "",
        f"**The rule.** {RULE}",
        "",
        LEGEND,
        "",
    ]
    if claims:
        speed = [claim for claim in claims if is_speed(claim)]
        others = [claim for claim in claims if not is_speed(claim)]
        lines += [results_table(others)] if others else []
        lines += [SPEED, results_table(speed), provenance(speed), ""] if speed else []
        lines += unmet("What was missed", claims, missed=True)
        lines += unmet("What is not shown", claims, missed=False)
        lines += ["## How each was measured", ""]
        lines += [line for claim in others for line in details(claim)]
        commands = dict.fromkeys(f"`{claim['command']}`" for claim in speed)
        lines += ["### Speed", "", *(f"- {command}" for command in commands)] if speed else []
    if results.superseded:
        lines += ["", "## What stood here before", "", *map(superseded_text, results.superseded)]
    return "\n".join(lines).rstrip() + "\n"


def unmet(heading: str, claims: Sequence[Claim], *, missed: bool) -> list[str]:
    """A section with every claim that was missed, or is not shown, and why."""
    lines = [
        f"- **{claim['claim']}**: {value_text(claim)} ({interval_text(claim)}{kind_text(claim)}); wanted: "
        f"{target_text(claim)}" + (f"; {claim['verdict']}." if not missed else ".")
        for claim in claims
        if not claim["met"] and (claim["verdict"] == "missed") == missed
    ]
    return [f"## {heading}", "", *(lines or ["Nothing."]), ""]


def superseded_text(claim: Claim) -> str:
    """One line of the history: the old figure, what became of it, and why."""
    ended = f"replaced by `{claim['replaced_by']}`" if claim["replaced_by"] else "withdrawn"
    said = "" if claim.get("met") is None else ", then met" if claim["met"] else ", missed"
    return (
        f"- `{claim['id']}` ({claim['claim']}): {value_text(claim)} ({interval_text(claim)}), wanted "
        f"{target_text(claim)}{said}; {ended}: {claim['reason']}."
    )


def details(claim: Claim) -> list[str]:
    """Everything known about one claim."""
    lines = [f"### `{claim['id']}`", "", f"{claim['claim']}: {value_text(claim)}. {claim['verdict']}.", ""]
    if "note" in claim:
        lines.append(f"- note: {claim['note']}")
    lines.append(f"- interval: {interval_text(claim)} ({claim['interval_kind']})")
    chosen = claim["settings_seeds"]
    seeds = "not written down" if chosen is None else ", ".join(map(str, chosen)) or "none"
    lines.append(
        f"- target: {target_text(claim)}, {claim['target_origin']}; settings chosen on seeds: {seeds}"
    )
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
    edited = " with uncommitted changes" if claim["dirty"] else ""
    later = "".join(f", then {commit[:12]}" for commit in claim.get("continued_at", ()))
    lines.append(f"- {claim['machine']}; {claim['date']}; commit {claim['commit'][:12]}{later}{edited}")
    if "stale" in claim:
        lines.append(f"- {claim['stale']}")
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
    """`met` or, so that nobody overlooks it, `**missed**` or `**not shown**`; a note where there is one."""
    said = "met" if claim["met"] else f"**{claim['verdict'].partition(':')[0]}**"
    return said + (", stale" if "stale" in claim else "")


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
