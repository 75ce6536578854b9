"""The page Play: its form, and what its buttons do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.datastructures import FormData

from practicum.errors import InputError
from practicum.report.dashboard.player import Answer
from practicum.report.dashboard.site import checked_form, render, site_of, text_field

router = APIRouter(include_in_schema=False)

MOST_MODELS = 200
LONGEST_PROMPT = 20_000


@router.get("/play")
def play(request: Request) -> Response:
    """The forms, empty; `run` chooses the model."""
    return _page(request, {"run": request.query_params.get("run", "")})


@router.post("/play/model")
async def ask_a_model(request: Request) -> Response:
    """Have a model answer, or go on choosing tokens."""
    form = await checked_form(request)
    given = {
        name: text_field(form, name)[:LONGEST_PROMPT] for name in ("run", "task", "prompt", "temperature")
    }
    try:
        answer = await run_in_threadpool(_answer, request, form, given)
    except InputError as error:
        return await run_in_threadpool(_page, request, given, problem=str(error), status=422)
    return await run_in_threadpool(_page, request, given, answer=answer)


@router.post("/play/yourself")
async def be_the_policy(request: Request) -> Response:
    """Pay a person's answer, show a right one, or ask the next problem."""
    form = await checked_form(request)
    given: dict[str, Any] = {name: text_field(form, name)[:LONGEST_PROMPT] for name in ("own_task", "text")}
    given["number"] = number = _whole(text_field(form, "number"))
    player, what, task = site_of(request).player, text_field(form, "do"), given["own_task"]
    try:
        if what == "gold":
            given["gold"] = await run_in_threadpool(player.gold, task, number)
        elif what == "pay":
            given["paid"] = (await run_in_threadpool(player.pay, task, number, given["text"])).paid
        else:
            given |= {"number": number + 1, "text": ""}
        given["asked"] = (await run_in_threadpool(player.asked, task, given["number"])).text
    except InputError as error:
        return await run_in_threadpool(_page, request, given, problem=str(error), status=422)
    return await run_in_threadpool(_page, request, given)


def _answer(request: Request, form: FormData, given: dict[str, str]) -> Answer:
    site = site_of(request)
    folder = site.library.folder(given["run"])
    what, token = text_field(form, "do"), text_field(form, "token")
    if what == "answer":
        try:
            temperature = float(given["temperature"] or 0)
        except ValueError as error:
            raise InputError("temperature: expected a number, 0 for the likeliest tokens") from error
        return site.player.answer(folder, given["task"], given["prompt"], temperature)
    ids = [int(one) for one in re.findall(r"[0-9]{1,9}", text_field(form, "ids"))]
    if token:
        ids.append(_whole(token))
    elif what == "back":
        ids = ids[:-1]
    elif what == "step":
        ids = []
    return site.player.step(folder, given["task"], given["prompt"], ids, rest=what == "rest")


def _page(
    request: Request,
    given: dict[str, Any],
    answer: Answer | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    site = site_of(request)
    shown = {"run": "", "task": "", "prompt": "", "temperature": "0", "own_task": "equations", "number": 0}
    shown |= {"text": "", "paid": (), "gold": "", "asked": ""}
    return render(
        request,
        "play.html",
        status,
        models=[one.name for one in site.library.look().states if has_model(one.path)][:MOST_MODELS],
        tasks=site.player.tasks,
        given={**shown, **given},
        answer=answer,
        problem=problem,
    )


def has_model(folder: Path) -> bool:
    """Whether a run has a checkpoint that can be asked."""
    return any(folder.glob("checkpoints/step-*/config.json"))


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
