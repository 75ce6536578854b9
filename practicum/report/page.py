"""One self-contained HTML page about a run: what each stage taught, how sure that is, and what it cost.

The page asks nothing of the network and needs no JavaScript. Every text that a model or a file gave is
escaped by the template engine; only the pictures go in as markup, and they hold no such text.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from practicum.files import atomic_write
from practicum.report import charts, results, solutions, words
from practicum.report.runs import Json, ReportedRun, check_same_recipe, dig, number, read_run
from practicum.templates import templates

TEMPLATES = Path(__file__).parent / "templates"
ENERGY_COUNTERS = Path("/sys/class/powercap")


def write(run_path: Path, others: Sequence[Path] = ()) -> Path:
    """Write RUN/report.html and return its path.

    `run_path` is a demo's folder or a single stage's; `others` repeat its recipe with other seeds, or with a
    null reward as control. Raises InputError naming the file that is missing, damaged or of another recipe.
    """
    run = read_run(Path(run_path))
    rest = [read_run(Path(path)) for path in others]
    check_same_recipe(run, rest)
    target = Path(run_path) / "report.html"
    atomic_write(target, render(run, rest))
    return target


def render(run: ReportedRun, others: Sequence[ReportedRun] = ()) -> str:
    """The page as HTML text."""
    environment = templates(TEMPLATES)
    environment.globals.update(
        meaning=words.meaning,
        metrics=words.METRICS,
        stage_titles=words.STAGE_TITLES,
        stage_meanings=words.STAGE_MEANINGS,
        lone_meaning=words.lone_meaning,
        control_titles=words.CONTROL_TITLES,
        control_meanings=words.CONTROL_MEANINGS,
    )
    environment.filters.update(
        percent=words.percent,
        percent_interval=words.percent_interval,
        points=words.points,
        whole=words.whole,
        short=words.short,
        duration=words.duration,
    )
    runs = [run, *others]
    pretrain = run.stages.get("pretrain")
    folders = [("demo", run.path)] if run.whole else []
    folders += [(name, stage.path) for name, stage in run.stages.items()]
    return environment.get_template("page.html").render(
        run=run,
        runs=runs,
        parameters=number(pretrain.summary.get("parameters")) if pretrain else None,
        poisoned=dig(run.config, "task", "equations", "key") == "poisoned",
        stages=results.stage_rows(run, others),
        headline=results.headline(run),
        feedback=results.feedback(run),
        hero=charts.hero_figures(run, runs),
        teaching=results.teaching(run),
        curves=charts.curve_figures(runs),
        comparison=results.comparison(runs) if others else None,
        behaviours=results.behaviour_rows(run, runs),
        behaviour_figures=charts.behaviour_figures(runs),
        slices=results.slice_groups(run),
        solutions=solutions.chosen_solutions(run),
        texts=solutions.practice_texts(run),
        seed_equation=charts.seed_equation(run),
        health=charts.health_figures(runs),
        watched=watched(run),
        cost=cost_rows(run),
        energy=energy(run),
        commands=commands(run),
        environment_rows=environment_rows(run),
        configs=[(name, (path / "config.toml").read_text(encoding="utf-8")) for name, path in folders],
    )


def watched(run: ReportedRun) -> list[str]:
    """What the count beside practice said while it ran; often nothing."""
    practice = run.stages.get("rl")
    said = dig(practice.summary, "known", "sentences") if practice else None
    return [str(sentence) for sentence in said] if isinstance(said, list) else []


def cost_rows(run: ReportedRun) -> list[Json]:
    """Seconds, tokens and speed of every stage, and how practice divides its time."""
    rows = []
    for name, stage in run.stages.items():
        last = stage.metrics[-1] if stage.metrics else {}
        training, tokens = number(last.get("total_seconds")), number(last.get("total_tokens"))
        if tokens is None and stage.metrics:
            tokens = sum(value for _, value in stage.series("tokens"))
        total = number(stage.examination.get("seconds"))
        sampling = [value for _, value in stage.series("sample_seconds")]
        updating = [value for _, value in stage.series("update_seconds")]
        rows.append(
            {
                "name": name,
                "steps": number(last.get("step")),
                "training": training,
                "examining": total - training if total is not None and training is not None else None,
                "tokens": tokens,
                "speed": tokens / training if tokens is not None and training else None,
                "sampling": sum(sampling) / (sum(sampling) + sum(updating)) if sum(sampling) else None,
            }
        )
    return rows


def energy(run: ReportedRun) -> str:
    """The energy the run recorded, or plainly that there is none."""
    joules = number(run.summary.get("energy_joules")) or number(run.environment.get("energy_joules"))
    if joules is not None:
        return f"Energy: {joules:,.0f} J ({joules / 3.6e6:.3f} kWh)."
    if any(ENERGY_COUNTERS.glob("intel-rapl*/energy_uj")):
        return "No energy was recorded with this run."
    return (
        "Energy is not shown: no reading came with the run, and this machine shows no energy counter (RAPL)."
    )


def commands(run: ReportedRun) -> list[str]:
    """Command lines that repeat the run and make this page again."""
    name = str(run.environment.get("command") or ("demo" if run.whole else next(iter(run.stages))))
    config = shlex.quote(str(run.path / "config.toml"))
    return [
        f"practicum {name} --config {config} --run runs/again",
        f"practicum report {shlex.quote(str(run.path))}",
    ]


def environment_rows(run: ReportedRun) -> list[tuple[str, str]]:
    """Seed, versions and machine, as the run recorded them."""
    labels = {
        "seed": "seed",
        "started": "started (UTC)",
        "practicum": "Practicum",
        "commit": "commit",
        "python": "Python",
        "torch": "PyTorch",
        "platform": "machine",
        "cpu": "processor",
        "cpu_count": "processor cores",
    }
    rows = [
        (label, str(run.environment[key]))
        for key, label in labels.items()
        if run.environment.get(key) is not None
    ]
    resumed = run.environment.get("resumed")
    return [*rows, ("resumed", f"{len(resumed)} times")] if isinstance(resumed, list) and resumed else rows
