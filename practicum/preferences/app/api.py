"""The JSON API under /api/v1: what the rater's pages do, for programs. The personal link's token is the key.

Responses are known by their position as shown, never by an id or model name that could tell where one came
from; the same goes for the pages.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from practicum.preferences.app.desk import Submission, View
from practicum.preferences.app.security import TokenError
from practicum.preferences.app.site import EXPIRED, FORGED, address, check_standing, limit, site_of
from practicum.preferences.records import FLAG_KINDS, MOST_RESPONSES

router = APIRouter(prefix="/api/v1", tags=["rater"])

Number = Annotated[int, Field(ge=0, le=2**53)]


class Progress(BaseModel):
    """What this rater has done, can still do now, and has earned, in dollars."""

    done: int
    available: int
    dollars_earned: float


class Me(BaseModel):
    """Who the link belongs to, and the project's rules; `price` is dollars per response placed."""

    rater: str
    project: str
    instructions: str
    price: float
    progress: Progress


class Assignment(BaseModel):
    """A prompt to rank; send `turn` back with the ranking. `expires` is in seconds since 1970."""

    id: int
    turn: int
    prompt: str
    responses: list[str]
    expires: float


class Flag(BaseModel):
    """A response, by its position from 0, that is nonsense or unsafe."""

    model_config = ConfigDict(extra="forbid")
    position: Number
    kind: Literal["nonsense", "unsafe"]


class RankingIn(BaseModel):
    """`places` runs parallel to the responses: 1 is best, equal places are a tie. `flags` none: unchanged."""

    model_config = ConfigDict(extra="forbid")
    turn: Number
    places: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]], Field(min_length=2, max_length=MOST_RESPONSES)
    ]
    flags: Annotated[list[Flag], Field(max_length=MOST_RESPONSES * len(FLAG_KINDS))] | None = None
    seconds: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] | None = None


class RankingOut(BaseModel):
    """The number of the ranking, which is on the disk now."""

    ranking: int


class SkipIn(BaseModel):
    """Why the prompt is handed back."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=300)]


class Error(BaseModel):
    """What went wrong, in one line."""

    detail: str


async def rater_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> str:
    """The rater whose link's token came as `Authorization: Bearer`. Raises HTTPException 401 or 429."""
    site = site_of(request)
    try:
        session = site.tokens.read("rater", credentials.credentials)
        await check_standing(request, session)
    except TokenError as error:
        limit(site.stranger_limit, address(request))
        raise HTTPException(401, EXPIRED if error.expired else FORGED) from error
    limit(site.rater_limit, session.name)
    return session.name


Rater = Annotated[str, Depends(rater_of)]
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Error} for code in (401, 403, 409, 413, 422, 429, 503)
}


@router.get("/me", responses=ERRORS)
async def me(request: Request, rater: Rater) -> Me:
    """The rater's progress and the project's rules."""
    desk = site_of(request).desk
    found = await desk.progress(rater)
    progress = Progress(done=found.done, available=found.available, dollars_earned=found.dollars_earned)
    return Me(
        rater=rater,
        project=desk.project.name,
        instructions=desk.project.instructions,
        price=desk.project.price,
        progress=progress,
    )


@router.post("/lease", responses=ERRORS)
async def lease(request: Request, rater: Rater) -> Assignment | None:
    """The prompt this rater holds, or the next one; null when nothing is left for them now."""
    return _assignment(await site_of(request).desk.view(rater))


@router.put("/assignments/{assignment}/ranking", responses=ERRORS)
async def rank(request: Request, assignment: Number, body: RankingIn, rater: Rater) -> RankingOut:
    """Save a ranking. Sent twice with the same turn it is saved once and answered alike."""
    flags = None if body.flags is None else frozenset((flag.position, flag.kind) for flag in body.flags)
    submission = Submission(assignment, body.turn, tuple(body.places), flags, body.seconds)
    return RankingOut(ranking=await site_of(request).desk.submit(rater, submission))


@router.post("/assignments/{assignment}/skip", status_code=204, responses=ERRORS)
async def skip(request: Request, assignment: Number, body: SkipIn, rater: Rater) -> Response:
    """Hand a prompt back unranked."""
    await site_of(request).desk.skip(rater, assignment, body.reason)
    return Response(status_code=204)


@router.post("/undo", responses=ERRORS)
async def undo(
    request: Request, rater: Rater, idempotency_key: Annotated[str, Header(max_length=50)] = ""
) -> Assignment | None:
    """Take back the last ranking or skip; answers with its prompt, to be ranked again.

    Sent twice with the same Idempotency-Key it is done once.
    """
    desk = site_of(request).desk
    await desk.undo(rater, idempotency_key)
    return _assignment(await desk.view(rater))


def _assignment(view: View) -> Assignment | None:
    if view.assignment is None:
        return None
    return Assignment(
        id=view.assignment.id,
        turn=view.turn,
        prompt=view.assignment.prompt.text,
        responses=[response.text for response in view.assignment.responses],
        expires=view.assignment.expires,
    )
