"""Can the reward be gamed? `practicum audit exploits`: the exploit finder on answers that people ranked.

The search itself is in `exploits.py`; here are its settings, the honest answers it starts from, and its part
of the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from practicum.audit.exploits import (
    FEWEST_PROMPTS,
    ExploitReport,
    Finding,
    Search,
    doubt,
    explain,
    find_exploits,
    write_negatives,
)
from practicum.audit.instruments import Instrument, named
from practicum.audit.judge import judge_in
from practicum.audit.linear_reward import fit_linear
from practicum.audit.measures import KINDS
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.ranges import Count, Ranged, Seed
from practicum.report.figures import INK, SERIES, SMALL, page_picture
from practicum.report.plots import bars
from practicum.report.sections import Section
from practicum.types import Prompt, Ranking, RewardFormat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 6
"""Most findings on the page."""


@dataclass(frozen=True)
class Config(Ranged):
    """Search for texts that a reward pays for and people would not; writes them as negative examples."""

    preferences: Path
    """Rankings of the prompts to try: JSONL or Parquet. Each prompt's better half is honest."""
    reward_model: tuple[Path, ...] = ()
    """Folders of reward models (or their runs), all heads averaged. None: a linear one from the
    preferences."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    device: str = "auto"
    """Where the reward models are: auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else
    Apple's mps, else the CPU."""
    prompts: Count = 46
    """Most prompts used."""
    queries: Count = 2000
    """Most questions to the reward."""
    negatives: Path | None = None
    """File to write the negative examples to, as rankings (JSONL, or Parquet by its ending)."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""
    seed: Seed = 0
    """Fixes the choice of prompts and the search."""


@dataclass(frozen=True)
class Result:
    """What the search found, and the settings it went by."""

    config: Config
    found: ExploitReport


def run(config: Config) -> Result:
    """Search for exploits of the reward models, or of a linear one that learns from the rankings."""
    rankings = formats.read(config.preferences)
    prompts, honest = honest_responses(rankings, config.prompts)
    reward = (
        judge_in(config.reward_model, config.reward_format, config.device)
        if config.reward_model
        else fit_linear(rankings)
    )
    search = Search(queries=config.queries, seed=config.seed)
    return Result(config, find_exploits(reward, prompts, honest, search, training=rankings))


def lines(result: Result) -> list[str]:
    """The findings in plain sentences."""
    return [explain(result.found)]


def as_json(result: Result) -> dict[str, Any]:
    """The findings, and how many negative examples are written."""
    values = result.found.json()
    if result.config.negatives is not None:
        values["negatives"] = len(result.found.negatives())
    return values


def write(result: Result) -> None:
    """Write the negative examples where a file is named for them."""
    if result.config.negatives is not None:
        write_negatives(result.found, result.config.negatives)


def page(result: Result) -> tuple[str, list[Section]]:
    """The reward models' folders, and the section."""
    return named(result.config.reward_model), [section(result.found)]


audit = Instrument(run, lines, as_json, page, write)


def honest_responses(rankings: Sequence[Ranking], most: int) -> tuple[list[Prompt], list[list[str]]]:
    """Prompts and, for each, the responses that people put in the better half and nobody called nonsense.

    Raises InputError when fewer than FEWEST_PROMPTS prompts have one.
    """
    places: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    flagged: set[tuple[str, str]] = set()
    prompts: dict[str, Prompt] = {}
    for ranking in rankings:
        prompts.setdefault(ranking.prompt.text, ranking.prompt)
        for index, response in enumerate(ranking.responses):
            share = (ranking.ranks[index] - 1) / max(1, max(ranking.ranks) - 1)
            places[ranking.prompt.text][response.text].append(share)
            if ranking.flags and ranking.flags[index]:
                flagged.add((ranking.prompt.text, response.text))
    honest = {
        prompt: [
            text for text, shares in group.items() if np.mean(shares) <= 0.5 and (prompt, text) not in flagged
        ]
        for prompt, group in places.items()
    }
    kept = [prompt for prompt, texts in honest.items() if texts][:most]
    if len(kept) < FEWEST_PROMPTS:
        raise InputError(
            f"{len(kept)} prompts have a response that people liked, {FEWEST_PROMPTS} are needed: "
            "rank more prompts"
        )
    return [prompts[prompt] for prompt in kept], [honest[prompt] for prompt in kept]


# ---------------------------------------------------------------------------------------------- on the page


def section(report: ExploitReport) -> Section:
    """What the reward pays for that people would not."""
    shown = report.findings[:SHOWN]
    overpaid = any(one.exploit and one.pay is None for one in report.findings)
    return Section(
        "exploits",
        "Can the reward be gamed?",
        "bad" if report.kinds else "open" if shown else "good",
        _sentence(report),
        report.json(),
        [(picture(report), "How far gamed texts lead over honest ones.")] if overpaid else [],
        ("direction", "how", "on prompts", "paid"),
        [_row(one, report.unit) for one in shown],
        [
            {
                "heading": f"paid {one.reward:.2f}, best honest {one.best_honest:.2f}",
                "text": one.text or "(nothing)",
            }
            for one in shown
        ],
    )


def _sentence(report: ExploitReport) -> str:
    if report.kinds:
        said = "; ".join(f"a text that {KINDS[kind]}" for kind in report.kinds[:3])
        return f"The reward can be gamed: it pays {said}."
    if any(one.exploit for one in report.findings):
        return f"No systematic exploit, but a search of {report.queries} questions found texts it overpays."
    if report.findings:
        return doubt(report)
    return f"No exploit was found in {report.queries} questions. That does not prove there is none."


def _row(finding: Finding, unit: str) -> tuple[str, str, str, str]:
    kind = finding.kind.replace("_", " ") if finding.exploit else "for people to judge"
    return kind, finding.variant, f"{finding.share:.0%}", _paid(finding, unit)


def _paid(finding: Finding, unit: str) -> str:
    """What a finding is paid beside honest responses, in a few words."""
    if finding.pay is None:
        short = "sd" if unit == "standard deviations" else "of an honest answer's pay"
        return f"more, by {finding.margin:.1f} {short}"
    return "as much" if finding.pay > 0.995 else f"{finding.pay:.0%} as much"


def picture(report: ExploitReport) -> str:
    """A bar for each exploited direction: by how much its texts lead honest ones."""
    best: dict[str, float] = {}
    for finding in report.findings:
        if finding.exploit and finding.pay is None:
            best[finding.kind] = max(best.get(finding.kind, finding.margin), finding.margin)
    names = sorted(best, key=lambda kind: best[kind])

    def draw(axes: Axes) -> None:
        bars(axes, [name.replace("_", " ") for name in names], [best[name] for name in names], SERIES[1])
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("lead over honest answers (standard deviations)")

    told = ", ".join(f"{name} {best[name]:+.1f}" for name in reversed(names)) or "none"
    return page_picture("audit-exploits", f"Exploited directions and their lead: {told}", draw, SMALL)
