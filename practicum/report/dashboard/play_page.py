"""The page Play: its form, and what its buttons do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.datastructures import FormData

from practicum.errors import InputError
from practicum.preferences.app.middleware import LARGEST_BODY
from practicum.report.dashboard.discover import Library, checkpoints
from practicum.report.dashboard.player import Answer, Asked
from practicum.report.dashboard.samples import difference
from practicum.report.dashboard.site import checked_form, render, site_of, text_field

router = APIRouter(include_in_schema=False)

MOST_MODELS = 1000
MOST_TURNS = 40
"""Turns of a conversation that are kept, the last ones; an even number, so that a person begins."""
LONGEST_PROMPT = 20_000


@router.get("/play")
def play(request: Request) -> Response:
    """The forms, empty; `run` chooses the model."""
    return _page(request, {"run": request.query_params.get("run", "")})


@router.post("/play/model")
async def ask_a_model(request: Request) -> Response:
    """Have a model answer, or two of them, or go on choosing tokens."""
    form = await checked_form(request)
    fields = ("run", "beside", "task", "prompt", "temperature")
    given: dict[str, Any] = {name: text_field(form, name)[:LONGEST_PROMPT] for name in fields}
    given["said"] = _said(form)
    try:
        answers = await run_in_threadpool(_answers, request, form, given)
    except InputError as error:
        return await run_in_threadpool(_page, request, given, problem=str(error), status=422)
    return await run_in_threadpool(_page, request, given, answers=answers)


@router.post("/play/yourself")
async def be_the_policy(request: Request) -> Response:
    """Pay a person's answer, show a right one, or ask the next problem."""
    form = await checked_form(request)
    given: dict[str, Any] = {name: text_field(form, name)[:LONGEST_PROMPT] for name in ("own_task", "text")}
    given["number"] = number = _whole(text_field(form, "number"))
    player, what, task = site_of(request).player, text_field(form, "do"), given["own_task"]
    given["turns"] = _said(form)
    try:
        if what == "gold":
            given["gold"] = await run_in_threadpool(player.gold, task, number)
        elif what == "pay":
            turns = [*given["turns"], given["text"]]
            reply = await run_in_threadpool(player.reply, task, number, turns)
            if reply is None:
                given["paid"] = await run_in_threadpool(player.pay, task, number, turns)
            else:
                given |= {"turns": [*turns, reply], "text": ""}
        else:
            given |= {"number": number + 1, "text": "", "turns": []}
        given["asked"] = (await run_in_threadpool(player.asked, task, given["number"])).text
    except InputError as error:
        return await run_in_threadpool(_page, request, given, problem=str(error), status=422)
    return await run_in_threadpool(_page, request, given)


def _said(form: FormData) -> list[str]:
    """The turns before, of a form that carries them."""
    turns = [one.replace("\r\n", "\n") for one in form.getlist("said") if isinstance(one, str)]
    return turns[-MOST_TURNS:]


def carried(turns: Sequence[str]) -> list[str]:
    """The last turns that a form can carry with half of it left for a prompt, a person's first."""
    left = list(turns[-MOST_TURNS:])
    while left and len(urlencode([("said", one) for one in left])) > LARGEST_BODY // 2:
        left = left[2:]
    return left


def _answers(request: Request, form: FormData, given: dict[str, Any]) -> list[Answer]:
    """The answer, and that of the model beside it, where there is one."""
    site, what, token = site_of(request), text_field(form, "do"), text_field(form, "token")
    try:
        temperature = float(given["temperature"] or 0)
    except ValueError as error:
        raise InputError("temperature: expected a number, 0 for the likeliest tokens") from error
    asked = Asked(
        site.library.folder(given["run"]), given["task"], given["prompt"], temperature, tuple(given["said"])
    )
    if what == "answer":
        beside = [site.library.folder(given["beside"])] if given["beside"] else []
        return [site.player.answer(replace(asked, folder=one)) for one in (asked.folder, *beside)]
    ids = [int(one) for one in re.findall(r"[0-9]{1,9}", text_field(form, "ids"))]
    if token:
        ids.append(_whole(token))
    elif what == "back":
        ids = ids[:-1]
    elif what == "step":
        ids = []
    return [site.player.step(asked, ids, what)]


def _page(
    request: Request,
    given: dict[str, Any],
    answers: Sequence[Answer] = (),
    problem: str = "",
    status: int = 200,
) -> Response:
    site = site_of(request)
    shown = {"run": "", "task": "", "prompt": "", "temperature": "0", "own_task": "equations", "number": 0}
    shown |= {"text": "", "paid": (), "gold": "", "asked": "", "beside": "", "said": [], "turns": []}
    if answers and answers[0].said and not answers[0].options and len(answers) == 1:
        # What was said goes on: the next prompt is a new one.
        given = {**given, "said": carried(answers[0].said), "prompt": ""}
    return render(
        request,
        "play.html",
        status,
        models=_models(site.library)[:MOST_MODELS],
        tasks=site.player.tasks,
        given={**shown, **given},
        answer=answers[0] if answers else None,
        sides=list(zip(answers, difference(answers[0].text, answers[1].text), strict=True))
        if len(answers) == 2
        else [],
        problem=problem,
    )


def _models(library: Library) -> list[tuple[str, str]]:
    """(name, what it is called) of each run's newest checkpoint, and then of those before."""
    newest, before = list[tuple[str, str]](), list[tuple[str, str]]()
    for state in library.look().states:
        for place, one in enumerate(checkpoints(state.path)):
            name = one.relative_to(library.root).as_posix() if place else state.name
            (before if place else newest).append((name, f"{state.name}, step {int(one.name[5:])}"))
    return [*newest, *before]


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
