"""The dashboard's pages: runs, one run, its samples, two texts, several runs, findings, rankings."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from practicum.config import flatten
from practicum.errors import InputError
from practicum.report.dashboard import discover, rankings, samples
from practicum.report.dashboard.charts import groups_of, metric_names, told
from practicum.report.dashboard.discover import RunState
from practicum.report.dashboard.findings import found_files
from practicum.report.dashboard.lines import size_of
from practicum.report.dashboard.series import Curve, Series, preview, spread
from practicum.report.dashboard.site import address, checked_form, render, site_of, text_field
from practicum.report.dashboard.small import settings
from practicum.report.runs import number

router = APIRouter(include_in_schema=False)

PER_PAGE = 100
MOST_COMPARED = 32
MOST_METRICS = 12
"""Metrics of one request for curves."""
READING_SECONDS, LOOKING_SECONDS = 0.25, 0.1
"""How long one request reads on in the files it draws, and in those whose metrics it only names."""
SHORT = 1 << 18
"""Bytes of a file that a page reads as a whole."""
MOST_WITH_FINDINGS = 100
SORTS = {
    "newest": "newest first",
    "name": "name",
    "value": "last value, high to low",
    "step": "step, high to low",
}
STATUSES = ("running", "finished", "stopped", "ended", "broken")


# ----------------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True)
class Shown:
    """The runs that a filter leaves, one page of them."""

    states: Sequence[RunState]
    found: int
    all: int
    page: int
    pages: int
    left_out: bool


def shown_runs(request: Request) -> Shown:
    """The runs that the query asks for: words that must all be there, a status, an order, a page."""
    query, runs = request.query_params, site_of(request).library.look()
    needed = query.get("q", "").lower().split()
    states = [
        state
        for state in runs.states
        if all(word in state.words for word in needed) and query.get("status", "") in ("", state.status)
    ]
    order = query.get("sort", "newest")
    if order == "name":
        states.sort(key=lambda state: _natural(state.name))
    elif order in ("value", "step"):
        states.sort(key=lambda state: -_or_least(getattr(state, order)))
    pages = max(1, math.ceil(len(states) / PER_PAGE))
    page = min(max(1, _int(query.get("page"), 1)), pages)
    part = states[(page - 1) * PER_PAGE : page * PER_PAGE]
    return Shown(part, len(states), len(runs.states), page, pages, runs.left_out)


def _natural(name: str) -> list[Any]:
    return [
        (0, int(part[:18]), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
    ]


def _or_least(value: float | None) -> float:
    return -math.inf if value is None else value


@router.get("/")
def runs(request: Request) -> Response:
    """The table of runs."""
    shown = shown_runs(request)
    return render(request, "runs.html", shown=shown, seen=_seen(shown), **_asked(request))


@router.get("/table")
def table(request: Request) -> Response:
    """The rows of the table; nothing where they are as they were `seen`."""
    shown = shown_runs(request)
    seen = _seen(shown)
    if request.query_params.get("seen") == seen:
        return Response(status_code=204)
    return render(request, "_table.html", shown=shown, seen=seen, **_asked(request))


def _asked(request: Request) -> dict[str, Any]:
    query = request.query_params
    asked = {name: query.get(name, "")[:200] for name in ("q", "status", "sort")}
    return {"asked": asked, "sorts": SORTS, "statuses": STATUSES}


def _seen(shown: Shown) -> str:
    """Changes with anything in the table."""
    return _digest(shown)


def _digest(shown: object) -> str:
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]


@router.post("/tags")
async def tag(request: Request) -> Response:
    """Give a run its tags."""
    form = await checked_form(request)
    name = text_field(form, "run")
    folder = site_of(request).library.folder(name)
    await run_in_threadpool(discover.write_tags, folder, text_field(form, "tags")[:2000])
    return RedirectResponse(address("/run", run=name), 303)


@router.get("/delete")
def ask_to_delete(request: Request, run: str) -> Response:
    """What would go, and the question."""
    state = _state(request, run)
    inside = [one.relative_to(state.path).as_posix() for one in discover.runs_inside(state.path)[1:]]
    files, total = folder_size(state)
    return render(request, "delete.html", state=state, inside=inside, files=files, total=total)


@router.post("/delete")
async def delete(request: Request) -> Response:
    """Delete a run's folder, if its name was typed again."""
    form = await checked_form(request)
    name = text_field(form, "run")
    last = name.rpartition("/")[2]
    if text_field(form, "sure").strip() != last:
        raise HTTPException(422, f"Nothing was deleted: to delete this run, type its name, {last}.")
    await run_in_threadpool(discover.delete_run, site_of(request).library, name)
    return RedirectResponse("/", 303)


def folder_size(state: RunState) -> tuple[int, int]:
    """(files, bytes) below a run's folder."""
    paths = [Path(parent) / name for parent, _, names in os.walk(state.path) for name in names]
    # A run that trains may take an old checkpoint away meanwhile: then that counts as nothing.
    sizes = [size_of(path) for path in paths if not path.is_symlink()]
    return len(sizes), sum(sizes)


# -------------------------------------------------------------------------------------------------- one run


def _state(request: Request, name: str) -> RunState:
    try:
        return site_of(request).library.state(name)
    except InputError as error:
        raise HTTPException(404, str(error)) from error


@router.get("/run")
def run(request: Request, run: str) -> Response:
    """One run: how it stands, what was found, its curves, its settings."""
    state = _state(request, run)
    metrics = _metrics(request, [state])
    return render(
        request,
        "run.html",
        state=state,
        groups=groups_of(metrics),
        metrics=len(metrics),
        findings=state.findings,
        siblings=_siblings(request, state),
        settings=_text_of(state, "config.toml"),
        has_samples=size_of(state.path / "samples.jsonl") > 0,
        plays=site_of(request).writes and bool(discover.checkpoints(state.path)),
    )


@router.get("/standing")
def standing(request: Request, run: str) -> Response:
    """The parts of a run's page that change while it trains; nothing where they are as they were `seen`."""
    state = _state(request, run)
    _read_on([site_of(request).shelf.series(state.path / "metrics.jsonl")], LOOKING_SECONDS)
    metrics, findings = len(_metrics(request, [state])), state.findings
    seen = _digest((state, metrics, findings))
    if request.query_params.get("seen") == seen:
        return Response(status_code=204)
    return render(request, "_standing.html", state=state, metrics=metrics, findings=findings, seen=seen)


def _metrics(request: Request, states: Sequence[RunState]) -> list[str]:
    """Metrics of runs: those of rows through the files, and all others as far as these are read.

    Short files are read for it. Of long ones the page comes first, and rare metrics when they are read.
    """
    paths = [state.path / "metrics.jsonl" for state in states]
    known = [site_of(request).shelf.series(path) for path in paths]
    _read_on([one for one in known if size_of(one.path) <= SHORT], LOOKING_SECONDS)
    sampled = (name for path in paths for name in metric_names(path))
    return list(dict.fromkeys([*sampled, *(name for one in known for name in one.told())]))


def _siblings(request: Request, state: RunState) -> list[RunState]:
    """Runs of the same recipe, the run itself among them."""
    if state.recipe is None:
        return [state]
    found = [one for one in site_of(request).library.look().states if one.recipe == state.recipe]
    return sorted(found, key=lambda one: (one.control, _or_least(one.seed)))[:MOST_COMPARED]


def _text_of(state: RunState, name: str) -> str:
    try:
        with open(state.path / name, encoding="utf-8", errors="replace") as stream:
            return stream.read(200_000)
    except OSError:
        return ""


@router.get("/api/series")
def series(request: Request) -> Response:
    """Curves of metrics of runs; 204 where nothing is new since `seen`.

    `read` is the share that was read so far: below 1 the curves of unread files are a first look.
    """
    query = request.query_params
    names = list(dict.fromkeys(query.getlist("run")))[:MOST_COMPARED]
    metrics = list(dict.fromkeys(query.getlist("metric")))[:MOST_METRICS]
    site = site_of(request)
    states = [_state(request, name) for name in names]
    known = [site.shelf.series(state.path / "metrics.jsonl") for state in states]
    whole = _read_on(known)
    seen = " ".join(f"{one.offset}" for one in known) + f" {all(whole)}"
    if seen == query.get("seen"):
        return Response(status_code=204)
    found = [_curves(one, metrics, done) for one, done in zip(known, whole, strict=True)]
    if query.get("together"):
        lines = _together(states, found, metrics)
    else:
        lines = [
            _line(state.name, metric, found[place][metric], len(states), len(metrics))
            for place, state in enumerate(states)
            for metric in metrics
        ]
    read = sum(one.read_share for one in known) / len(known) if known else 1.0
    done = all(whole)
    return JSONResponse(
        {
            "lines": lines,
            "read": 1.0 if done else min(read, 0.99),
            "done": done,
            "seen": seen,
            "running": any(state.status == "running" for state in states),
        }
    )


def _read_on(known: Sequence[Series], seconds: float = READING_SECONDS) -> list[bool]:
    """Read on in each file for its part of the time; whether nothing is left of it."""
    left = [one for one in known if one.read_share < 1 or not one.offset]
    each = seconds / max(1, len(left))
    return [one.extend(each) for one in known]


def _curves(one: Series, metrics: Sequence[str], done: bool) -> dict[str, Curve]:
    if not done:
        return preview(one.path, metrics)
    # Of more metrics than are kept, the others are drawn from rows through the file.
    beyond = [name for name in metrics if one.full and name not in one.names]
    return {name: one.curve(name) for name in metrics} | (preview(one.path, beyond) if beyond else {})


def _line(run: str, metric: str, curve: Curve, runs: int, metrics: int) -> dict[str, Any]:
    title = told(metric).title
    label = title if runs == 1 else run if metrics == 1 else f"{run}: {title}"
    return {"label": label, "run": run, "metric": metric, "seeds": 1} | curve.json()


def _together(
    states: Sequence[RunState], found: Sequence[dict[str, Curve]], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """One curve a recipe, with the spread of its seeds."""
    by_name = dict(zip((state.name for state in states), found, strict=True))
    lines = []
    for group in discover.grouped(states):
        for metric in metrics:
            curve = spread([by_name[state.name][metric] for state in group])
            label = group[0].name if len(group) == 1 else f"{_common(group)} ({len(group)} seeds)"
            lines.append(_line(label, metric, curve, len(states), len(metrics)) | {"seeds": len(group)})
    return lines


def _common(group: Sequence[RunState]) -> str:
    """What the names of repeats have in common at their beginning, in whole words."""
    words = [re.split(r"(?<=[-_/. ])", state.name) for state in group]
    alike = [one[0] for one in zip(*words, strict=False)]
    for place, column in enumerate(zip(*words, strict=False)):
        if len(set(column)) > 1:
            alike = alike[:place]
            break
    start = re.sub(r"(^|[-_/. ])seed[-_/. ]*$", "", "".join(alike)).rstrip("-_/. ")
    return start or group[0].name


# ---------------------------------------------------------------------------------------------- several runs


@router.get("/compare")
def compare(request: Request) -> Response:
    """Several runs beside one another: curves, last values, settings that differ."""
    names = list(dict.fromkeys(request.query_params.getlist("run")))
    states, gone = _still_there(request, names[: 4 * MOST_COMPARED])
    left_out = max(0, len(names) - len(gone) - MOST_COMPARED)
    states = states[:MOST_COMPARED]
    available = _metrics(request, states)
    groups = groups_of(available)
    asked = [name for name in request.query_params.getlist("metric") if name in available]
    charts = [chart.metrics[0] for group in groups[:3] for chart in group.charts][:6]
    return render(
        request,
        "compare.html",
        states=states,
        left_out=left_out,
        gone=gone,
        most=MOST_COMPARED,
        charts=[(name, told(name)) for name in asked or charts],
        available=[
            (name, told(name)) for group in groups for chart in group.charts for name in chart.metrics
        ],
        together=request.query_params.get("together", "") == "yes",
        repeats=any(len(group) > 1 for group in discover.grouped(states)),
        settings=_differing(states),
    )


def _still_there(request: Request, names: Sequence[str]) -> tuple[list[RunState], list[str]]:
    """The runs of these names, and the names of which there is none any more."""
    states, gone = [], []
    for name in names:
        try:
            states.append(site_of(request).library.state(name))
        except InputError:
            gone.append(name)
    return states, gone


def _differing(states: Sequence[RunState]) -> list[tuple[str, list[str]]]:
    """Settings in which runs differ: the name, and each run's value."""
    configs = [flatten(settings(state.path / "config.toml", [])) for state in states]
    keys = dict.fromkeys(key for config in configs for key in config)
    rows = []
    for key in keys:
        values = [str(config.get(key, "–"))[:200] for config in configs]
        if len(set(values)) > 1:
            rows.append((key, values))
    return rows[:200]


# --------------------------------------------------------------------------------------------------- samples


@router.get("/samples")
def browse(request: Request, run: str) -> Response:
    """The samples of a run, filtered and coloured."""
    state, query = _state(request, run), request.query_params
    wanted, problems = wanted_samples(query)
    path = state.path / "samples.jsonl"
    cursor = _int(query.get("cursor"), -1)
    page = samples.find(path, wanted, None if cursor < 0 else cursor)
    measure = query.get("colour", "")
    names = metric_names(state.path / "metrics.jsonl")
    spoken = any(one.spoken for one in page.samples)
    return render(
        request,
        "samples.html",
        state=state,
        page=page,
        problems=problems,
        measure=measure if measure in samples.MEASURES else "",
        measures=samples.MEASURES,
        spoken=spoken,
        coloured=samples.coloured,
        outcomes=_outcomes(names, page.samples),
        asked={name: query.get(name, "")[:2000] for name in FIELDS},
        held=_held(query),
        empty=not size_of(path),
    )


FIELDS = (
    "step_from", "step_to", "reward_from", "reward_to", "outcome", "known", "text", "prompt", "order",
    "colour",
)  # fmt: skip


def wanted_samples(query: QueryParams) -> tuple[samples.Filter, list[str]]:
    """The filter that a query asks for, and what of it could not be read."""
    problems: list[str] = []

    def bound(name: str) -> float | None:
        text = query.get(name, "").strip()
        value = _float(text)
        if text and value is None:
            problems.append(f"{name.replace('_', ' ')}: expected a number, got {text[:40]}")
        return value

    def words(name: str) -> str:
        return query.get(name, "")[:2000]

    wanted = samples.Filter(
        step_from=bound("step_from"),
        step_to=bound("step_to"),
        reward_from=bound("reward_from"),
        reward_to=bound("reward_to"),
        outcome=words("outcome"),
        known=words("known"),
        text=words("text"),
        prompt=words("prompt"),
        oldest_first=query.get("order") == "oldest",
    )
    return wanted, problems


def _outcomes(names: Sequence[str], shown: Sequence[samples.Sample]) -> list[str]:
    told_of = [name.partition("/")[2] for name in names if name.startswith("outcome/")]
    return sorted({*told_of, *(one.outcome for one in shown if one.outcome)})


def _held(query: QueryParams) -> tuple[str, str] | None:
    """The sample that was put aside to compare another one with: its run and its place."""
    run, place = query.get("with_run", ""), query.get("with_at", "")
    return (run, place) if run and place.isascii() and place.isdecimal() else None


@router.get("/diff")
def diff(request: Request, run: str, at: int, with_run: str, with_at: int) -> Response:
    """Two samples side by side, with what is in one alone marked."""
    sides = []
    for name, place in ((with_run, with_at), (run, at)):
        state = _state(request, name)
        found = samples.at(state.path / "samples.jsonl", place)
        if found is None:
            raise HTTPException(404, f"There is no such sample in {name} any more: go back and choose again.")
        sides.append((state, found))
    pieces = samples.difference(samples.whole_text(sides[0][1]), samples.whole_text(sides[1][1]))
    same = sides[0][1].prompt == sides[1][1].prompt
    return render(request, "diff.html", sides=list(zip(sides, pieces, strict=True)), same=same)


# --------------------------------------------------------------------------------------- findings, rankings


@router.get("/findings")
def findings(request: Request) -> Response:
    """What the watchers found in all runs, and the files of dry runs and audits beside them."""
    library = site_of(request).library
    states = [one for one in library.look().states if one.alarms or one.problems]
    shown = [
        (one, [found for found in one.findings if found.severity != "ok"])
        for one in states[:MOST_WITH_FINDINGS]
    ]
    return render(
        request,
        "findings.html",
        runs=[(one, found) for one, found in shown if found],
        more=max(0, len(states) - MOST_WITH_FINDINGS),
        files=found_files(library.root),
    )


@router.get("/rankings")
def preferences(request: Request) -> Response:
    """How far rankings by people are, and what they cost."""
    site = site_of(request)
    found = rankings.databases(site.library.root, site.databases)
    projects = [one for path in found for one in rankings.collected(path, site.library.root)]
    return render(request, "rankings.html", projects=projects)


# --------------------------------------------------------------------------------------------- small helpers


@router.get("/api/runs")
def runs_as_json(request: Request) -> Response:
    """The table as JSON."""
    return JSONResponse({"runs": [state_json(one) for one in shown_runs(request).states]})


def state_json(state: RunState) -> dict[str, Any]:
    """A run's line as plain values."""
    names = (
        "name", "status", "problems", "stage", "task", "algorithm", "seed", "control", "step", "steps",
        "metric", "value", "started", "seconds", "alarms", "tags",
    )  # fmt: skip
    return {name: getattr(state, name) for name in names}


def _int(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"[0-9]{1,15}", text) else default


def _float(text: str) -> float | None:
    try:
        return number(float(text)) if len(text) < 40 else None
    except ValueError:
        return None
