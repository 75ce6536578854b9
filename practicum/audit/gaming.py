"""Can the reward be gamed? `practicum audit exploits`: the exploit finder on answers that people ranked.

The search itself is in `exploits.py`; here are its settings, the honest answers it starts from, and its part
of the page.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from practicum.audit import learned_findings
from practicum.audit.exploit_report import ExploitReport, Finding, doubt, explain, write_negatives
from practicum.audit.exploits import FEWEST_PROMPTS, Search, find_exploits
from practicum.audit.instruments import GUARD_STOPS, Instrument, named
from practicum.audit.judge import functions_of, gradient_of, judge_settings, members_in, paid_by
from practicum.audit.judge_probes import judge_probes
from practicum.audit.linear_reward import fit_linear
from practicum.audit.measures import DESCRIBED
from practicum.audit.slopes import Slopes, measure_slopes
from practicum.audit.taught import Lessons
from practicum.audit.written import check_tests_file, tell_written
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.ranges import Count, Ranged, Seed
from practicum.report.figures import INK, SERIES, SMALL, page_picture
from practicum.report.plots import bars
from practicum.report.sections import Section, as_sentence
from practicum.reward.config import FunctionsConfig
from practicum.reward.plain import PlainReward
from practicum.types import Prompt, Ranking, RewardFormat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from practicum.audit.gradient import Gradient

SHOWN = 6
"""Most findings on the page."""


@dataclass(frozen=True)
class Config(Ranged):
    """Search for texts that a reward pays for and people would not; writes them as negative examples."""

    preferences: Path
    """Rankings of the prompts to try: JSONL or Parquet. Each prompt's better half is honest, but for texts of
    a worthless kind that these rankings themselves teach."""
    reward_model: tuple[Path, ...] = ()
    """Folders of reward models (or their runs), all heads averaged; any sequence classifier of transformers.
    None, and no --reward: a linear one from the preferences."""
    reward: FunctionsConfig = field(default_factory=FunctionsConfig)
    """Functions that pay in place of reward models, as in training: FILE.py:NAME, or llm_judge with its
    --reward.judge.* settings."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    label: str = ""
    """The label that pays, of a classifier with several: its log-odds against the others."""
    device: str = "auto"
    """Where the reward models are: auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else
    Apple's mps, else the CPU."""
    prompts: Count = 46
    """Most prompts used."""
    queries: Count = 2000
    """Most questions to the reward."""
    negatives: Path | None = None
    """File to write the negative examples to, as rankings (JSONL, or Parquet by its ending)."""
    write_tests: Path | None = None
    """File to write the findings to as tests of pytest."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""
    seed: Seed = 0
    """Fixes the choice of prompts and the search."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reward_model and self.reward.functions:
            raise InputError("exploits: give --reward_model or --reward, not both: each is audited by itself")

    def without_effect(self) -> Mapping[str, str]:
        """How reward models are read, where there are none."""
        if self.reward_model:
            return {}
        learned = ("reward_format", "label", "device")
        return dict.fromkeys(learned, "no reward model is audited: give one with --reward_model")


@dataclass(frozen=True)
class Result:
    """What the search found, what manner is worth, and the settings it went by."""

    config: Config
    found: ExploitReport
    slopes: Slopes
    seconds: float


@dataclass(frozen=True)
class Asked:
    """The reward that is audited, and what is known about it beside its numbers."""

    pays: PlainReward
    gradient: Gradient | None = None
    judge: Mapping[str, Any] | None = None


def run(config: Config) -> Result:
    """Search for exploits of the reward models, functions or judge, or of a linear model of the rankings."""
    started = time.perf_counter()
    check_tests_file(config.write_tests)
    rankings = formats.read(config.preferences)
    prompts, honest = honest_responses(rankings, config.prompts)
    with asked(config, rankings, prompts) as reward:
        # At most a fifth of the questions go to what manner is worth.
        slopes = measure_slopes(
            reward.pays,
            prompts,
            honest,
            config.queries // 5,
            config.seed,
            reward.gradient.count if reward.gradient else None,
        )
        found = find_exploits(
            reward.pays,
            prompts,
            honest,
            Search(queries=config.queries - slopes.queries, seed=config.seed),
            training=rankings,
            swaps=reward.gradient.swaps if reward.gradient else None,
            gibberish=reward.gradient.gibberish if reward.gradient else None,
            more=judge_probes(reward.judge["highest"]) if reward.judge else (),
        )
    found = replace(found, queries=found.queries + slopes.queries)
    return Result(config, found, slopes, time.perf_counter() - started)


@contextmanager
def asked(config: Config, rankings: Sequence[Ranking], prompts: Sequence[Prompt]) -> Iterator[Asked]:
    """The reward that the settings name; processes of functions end with the block."""
    if config.reward.functions:
        with functions_of(config.reward, prompts) as pays:
            yield Asked(pays, judge=judge_settings(config.reward))
    elif config.reward_model:
        members = members_in(config.reward_model, config.reward_format, config.device, config.label)
        yield Asked(paid_by(members), gradient_of(members))
    else:
        yield Asked(fit_linear(rankings))


def lines(result: Result) -> list[str]:
    """The findings in plain sentences, and what manner is worth."""
    said = [explain(result.found)]
    said += [f"manner: {note}" for note in result.slopes.notes]
    return said + [f"manner: {one.sentence}" for one in result.slopes.slopes]


def as_json(result: Result) -> dict[str, Any]:
    """The findings, what manner is worth, and how many negative examples and tests are written.

    `exit_code` is 3 where something was found.
    """
    values = learned_findings.as_json(result.found, result.slopes.slopes, result.seconds)
    if result.config.negatives is not None:
        values["negatives"] = len(result.found.negatives())
    if result.config.write_tests is not None:
        values["tests"] = len(values["findings"])
    return values | ({"exit_code": GUARD_STOPS} if values["findings"] else {})


def write(result: Result) -> None:
    """Write the negative examples and the tests where files are named for them."""
    config = result.config
    if config.negatives is not None:
        write_negatives(result.found, config.negatives)
    if config.write_tests is not None:
        fixture = learned_findings.fixture_of(
            config.reward_model, config.reward_format, config.label, config.reward, config.preferences
        )
        count = learned_findings.write_tests(result.found, fixture, config.write_tests)
        tell_written(count, config.write_tests)


def page(result: Result) -> tuple[str, list[Section]]:
    """What was audited, and the sections."""
    functions = result.config.reward.functions
    subject = ", ".join(functions) if functions else named(result.config.reward_model)
    return subject, [section(result.found), manner_section(result.slopes)]


audit = Instrument(run, lines, as_json, page, write)


def honest_responses(rankings: Sequence[Ranking], most: int) -> tuple[list[Prompt], list[list[str]]]:
    """Prompts and, for each, the responses that people put in the better half and nobody called nonsense.

    Texts by which the rankings teach a worthless kind are left out: they are what is looked for. Raises
    InputError when fewer than FEWEST_PROMPTS prompts have one.
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
    liked = {
        prompt: [
            text for text, shares in group.items() if np.mean(shares) <= 0.5 and (prompt, text) not in flagged
        ]
        for prompt, group in places.items()
    }
    lessons = Lessons(rankings)
    honest = {
        prompt: [text for text in texts if not lessons.shows_taught(prompt, text)]
        for prompt, texts in liked.items()
    }
    if sum(map(bool, honest.values())) < FEWEST_PROMPTS:
        # Nearly all that people liked is of that kind: it may be what they want.
        honest = liked
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


def manner_section(slopes: Slopes) -> Section:
    """What a reward pays for manner alone, feature by feature."""
    paid = [one for one in slopes.slopes if one.worth.low > 0]
    return Section(
        "manner",
        "What is manner alone worth?",
        "figures" if slopes.slopes else "unmeasured",
        as_sentence(max(paid, key=lambda one: one.worth.value).sentence)
        if paid
        else "No feature of manner is clearly paid for.",
        {"slopes": slopes.json(), "deviation": slopes.deviation},
        [(manner_picture(slopes), "Worth of a unit, with 95% intervals.")] if slopes.slopes else [],
        ("what", "worth, honest standard deviations", "95% interval"),
        [
            (one.unit, f"{one.worth.value:+.3f}", f"{one.worth.low:+.3f} to {one.worth.high:+.3f}")
            for one in slopes.slopes
        ],
        notes=[as_sentence(note) for note in slopes.notes],
    )


def manner_picture(slopes: Slopes) -> str:
    """A point with its interval for each feature."""
    shown = [one for one in reversed(slopes.slopes) if one.feature not in ("length", "natural_length")]

    def draw(axes: Axes) -> None:
        values = [one.worth.value for one in shown]
        below = [one.worth.value - one.worth.low for one in shown]
        above = [one.worth.high - one.worth.value for one in shown]
        axes.errorbar(values, [one.unit for one in shown], xerr=[below, above], fmt="o", color=SERIES[0])
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("worth (standard deviations of honest rewards)")

    told = ", ".join(f"{one.unit} {one.worth.value:+.2f}" for one in reversed(shown))
    return page_picture("audit-manner", f"Worth of manner: {told}", draw, SMALL)


def _sentence(report: ExploitReport) -> str:
    if report.kinds:
        said = "; ".join(f"a text that {DESCRIBED[kind]}" for kind in report.kinds[:3])
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
