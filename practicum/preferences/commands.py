"""`practicum preferences import | export | stats`: rankings in, rankings out, and what they say and cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from practicum.errors import InputError
from practicum.preferences.cost import SECONDS_PER_RATING, explain, plan
from practicum.ranges import Count, CountOrNone, Price, Range, Ranged
from practicum.types import Ranking


@dataclass(frozen=True)
class ImportConfig:
    """Add the rankings of a file to a project, all or none; a repeated import adds nothing twice.

    What a rater has ranked already, and what was exported from here, is left alone. Rows without a rater are
    anonymous votes, and each one counts.
    """

    input: Path
    """JSONL or Parquet: prompt, responses, ranks (1 is best), rater; or TRL's prompt, chosen, rejected."""
    database: str = "preferences.sqlite"
    """Path of an SQLite file, made when missing, or a postgresql:// URL."""
    project: str = "default"
    """Project to add to, made when missing."""


@dataclass(frozen=True)
class ExportConfig:
    """Write a project's current rankings to a file."""

    output: Path
    """File to write; its ending chooses JSONL (.jsonl, .ndjson) or Parquet (.parquet)."""
    database: str = "preferences.sqlite"
    """Path of an SQLite file, or a postgresql:// URL."""
    project: str = "default"
    """Project whose rankings are written."""
    format: Literal["rankings", "trl"] = "rankings"
    """rankings: one row each, everything kept; trl: prompt, chosen, rejected and a weight, a row per pair."""
    verified: str = ""
    """A task, such as explanations: answers that it finds wrong come last, whatever people said of them, and
    people's order is kept among right ones. Rankings in which that leaves nothing to prefer are left out."""


@dataclass(frozen=True)
class StatsConfig(Ranged):
    """How far people agree, who can be relied on and what it cost; or, with --plan, what it would cost."""

    database: str = "preferences.sqlite"
    """Path of an SQLite file, or a postgresql:// URL."""
    project: str = "default"
    """Project to report on."""
    input: Path | None = None
    """Report on the rankings of this file instead of a project."""
    worst: CountOrNone = 10
    """Number of prompts to list that people disagree on most."""
    plan: bool = False
    """Estimate ratings, hours and dollars before anyone starts, from the settings below; reads nothing."""
    prompts: Annotated[int, Range(at_least=1, at_most=10**9)] = 1000
    """Plan: prompts to be ranked."""
    responses: Annotated[int, Range(at_least=2, at_most=1000)] = 5
    """Plan: responses per prompt; one rating is one response placed."""
    overlap: Count = 1
    """Plan: raters per prompt."""
    price: Price = 0.10
    """Plan: dollars per rating."""
    seconds_per_rating: Annotated[float, Range(at_least=0, at_most=86_400)] = SECONDS_PER_RATING
    """Plan: an assumption; 10 s to read a short response and place it. `stats` shows the measured time."""


def import_file(config: ImportConfig) -> dict[str, Any]:
    """Run `practicum preferences import`; returns how many rankings the file has and how many were new."""
    from practicum.preferences import formats
    from practicum.preferences.queries import listed
    from practicum.preferences.store import Store

    rows = formats.read_rows(config.input)
    for origin, ranking in rows:
        # What was exported from a store has been in one: programs may have put in what people would not.
        if not ranking.id:
            formats.check_filled(ranking, origin)
    rankings = [ranking for _, ranking in rows]
    digest = formats.digest(rankings)
    with Store.open(config.database) as store:
        projects = [project.name for project in store.projects()]
        known = config.project in projects
        before = store.imported(config.project, digest) if known else None
        origins = [origin for origin, _ in rows]
        added = store.import_rankings(config.project, rankings, origins, digest, create=True)
        if not known:
            print(f"practicum: project {config.project!r} is new; {listed(projects)}", file=sys.stderr)
    print(f"{added} of {len(rankings)} rankings were new; {config.database}, project {config.project}")
    if before is not None:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(before))
        print(f"the same rankings were imported on {when} UTC: nothing was added")
    elif added < len(rankings):
        print(f"{len(rankings) - added} are in the project already and were left alone")
    return {"rankings": len(rankings), "added": added, "project": config.project}


def export_file(config: ExportConfig) -> dict[str, Any]:
    """Run `practicum preferences export`; returns the numbers of rankings and of rows written."""
    from practicum.preferences import formats
    from practicum.preferences.store import Store

    formats.check_ending(config.output)
    with Store.open(config.database, create=False) as store:
        rankings = store.rankings(config.project)
    if config.verified:
        from practicum.preferences.verified import verified
        from practicum.tasks.registry import TaskConfig, find_task

        whole = len(rankings)
        rankings = verified(rankings, find_task(TaskConfig(config.verified)))
        print(f"{whole - len(rankings)} of {whole} rankings have no right answer to prefer: left out")
    rows = formats.write(config.output, rankings, "trl" if config.format == "trl" else None)
    print(f"{len(rankings)} rankings, {rows} rows: {config.output}")
    return {"rankings": len(rankings), "rows": rows, "output": str(config.output)}


def stats(config: StatsConfig) -> dict[str, Any]:
    """Run `practicum preferences stats`: the plan, or what a project's or file's rankings say."""
    if config.plan:
        planned = plan(
            config.prompts,
            config.responses,
            config.price,
            overlap=config.overlap,
            seconds_per_rating=config.seconds_per_rating,
        )
        print(explain(planned))
        return asdict(planned)
    from practicum.preferences import formats
    from practicum.preferences.store import Store

    if config.input is not None:
        result = quality(formats.read(config.input), config.worst)
    else:
        with Store.open(config.database, create=False) as store:
            result = {"progress": asdict(store.progress(config.project))}
            result |= quality(store.rankings(config.project), config.worst)
    _print(result)
    return result


def quality(rankings: list[Ranking], worst: int = 10) -> dict[str, Any]:
    """Everything that rankings say about themselves, as plain values.

    Keys: `rankings`; `krippendorff_alpha`, `kendall_w` (mean over prompts), `agreement`, `ceiling`,
    `disagreements`, each None where too few raters shared prompts, with `notes` that say so; `raters`,
    `spammers`; `position`: how often the best response stood first on the screen, and what chance gives.
    """
    from practicum.preferences import agreement
    from practicum.preferences.aggregate import consensus

    notes: list[str] = []

    def attempt(measure: Callable[[], Any]) -> Any:
        try:
            return measure()
        except InputError as error:
            notes.append(str(error))
            return None

    result: dict[str, Any] = {
        "rankings": len(rankings),
        "krippendorff_alpha": attempt(lambda: agreement.krippendorff_alpha(rankings)),
        "kendall_w": attempt(lambda: _mean(list(agreement.kendall_w(rankings).values()))),
        "agreement": attempt(lambda: asdict(agreement.pairwise_agreement(rankings))),
        "ceiling": attempt(lambda: asdict(agreement.human_ceiling(rankings))),
        "disagreements": attempt(lambda: agreement.disagreements(rankings, worst)),
        "position": _first_is_best(rankings),
    }
    fitted = attempt(lambda: consensus(rankings))
    result["raters"] = [asdict(rater) for rater in fitted.raters] if fitted else []
    result["spammers"] = fitted.spammers() if fitted else []
    return {**result, "notes": notes}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _first_is_best(rankings: list[Ranking]) -> dict[str, float] | None:
    """The share of rankings whose single best response was shown first, and its chance value."""
    single = [ranking for ranking in rankings if ranking.ranks.count(1) == 1]
    if not single:
        return None
    return {
        "first_is_best": _mean([float(ranking.ranks[0] == 1) for ranking in single]),
        "chance": _mean([1 / len(ranking.ranks) for ranking in single]),
    }


def _print(result: dict[str, Any]) -> None:
    """The report for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False)
    if "progress" in result:
        progress = result["progress"]
        console.print(
            f"{progress['done']} of {progress['wanted']} rankings wanted, {progress['ratings']} ratings, "
            f"${progress['dollars_spent']:,.2f} spent, ${progress['dollars_to_come']:,.2f} to come"
        )
    console.print(f"rankings               {result['rankings']}")
    if result["agreement"]:
        agreement, ceiling = result["agreement"], result["ceiling"]
        best = "cannot be known" if ceiling["accuracy"] is None else f"{ceiling['accuracy']:.1%}"
        console.print(
            f"two raters agree       {agreement['share']:.1%} of pairs "
            f"[{agreement['low']:.1%}, {agreement['high']:.1%}]\n"
            f"best possible accuracy {best} against one rater "
            f"[{ceiling['low']:.1%}, {ceiling['high']:.1%}]"
        )
        if ceiling["note"]:
            console.print(f"note: {ceiling['note']}")
    for name, title in (("krippendorff_alpha", "Krippendorff's alpha"), ("kendall_w", "Kendall's W")):
        if result[name] is not None:
            console.print(f"{title:<22} {result[name]:.3f}")
    if result["position"]:
        position = result["position"]
        console.print(
            f"shown first is best    {position['first_is_best']:.1%} (chance {position['chance']:.1%})"
        )
    if result["raters"]:
        table = Table("rater", "rankings", "reliability", "agreement", "position", "verdict")
        for rater in result["raters"]:
            shared = "" if rater["agreement"] is None else f"{rater['agreement']:.1%}"
            table.add_row(
                Text(rater["rater"]),
                f"{rater['rankings']}",
                f"{rater['reliability']:.2f} ± {rater['reliability_error']:.2f}",
                shared,
                f"{rater['position']:+.2f}",
                rater["verdict"],
                style="red" if rater["verdict"] == "spammer" else None,
            )
        console.print(table)
    for prompt, share in result["disagreements"] or []:
        console.print(f"disputed {share:.0%}  {prompt:.90}")
    for note in dict.fromkeys(result["notes"]):
        console.print(f"note: {note}")
