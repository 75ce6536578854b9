"""What the store asks of its tables, and how rows become records: functions of an open session."""

from __future__ import annotations

import contextlib
import hashlib
import math
import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, not_, select
from sqlalchemy.orm import Session, aliased

from practicum.errors import InputError
from practicum.preferences.records import (
    FLAG_KINDS,
    MICROS,
    MOST_RESPONSES,
    Assignment,
    ClosedError,
    NewPrompt,
    Project,
    Rater,
)
from practicum.preferences.schema import (
    AssignmentRow,
    FlagRow,
    ImportRow,
    PaymentRow,
    ProjectRow,
    PromptRow,
    RankingRow,
    RaterRow,
    ResponseRow,
)
from practicum.types import Prompt, Ranking, Response

Tiers = Sequence[Sequence[str]]
TierNames = tuple[tuple[str, ...], ...]

# What a column of row numbers can hold on both databases.
LARGEST_ID = 2**31 - 1
MOST_OVERLAP = 1_000_000
MOST_DOLLARS = 1_000_000
LONGEST_LEASE = 366 * 86_400.0
MESSAGES = "prompt messages"
"""Key under which the data of a stored prompt holds its messages, where it is a chat."""
DEEPEST = 50


# ------------------------------------------------------------------------------------- finding what is named


def project_row(session: Session, name: str, *, lock: bool = False) -> ProjectRow:
    """The row of a project, locked until the transaction ends if asked (a no-op on SQLite)."""
    found = project_named(name)
    # The weaker of PostgreSQL's two locks for writing: a ranking refers to its project, and one that is being
    # saved must not wait for somebody who holds the project and waits for the ranking's assignment.
    row = session.scalar(found.with_for_update(key_share=True) if lock else found)
    if row is None:
        known = session.scalars(select(ProjectRow.name).order_by(ProjectRow.id)).all()
        raise InputError(f"there is no project {name!r}; {listed(known)}")
    return row


def project_named(name: str) -> Select[ProjectRow]:
    """Selects the project of a name, if there is one."""
    check_text(name, "project name")
    return select(ProjectRow).where(ProjectRow.name == name)


def listed(projects: Sequence[str]) -> str:
    """The projects of a database, in words."""
    if not projects:
        return "the database has none yet"
    more = f" and {len(projects) - 10} more" if len(projects) > 10 else ""
    return f"the database has {', '.join(map(repr, projects[:10]))}{more}"


def rater_row(session: Session, owner: ProjectRow, name: str, *, active: bool = False) -> RaterRow:
    """The row of a rater who must be there, and with `active` not closed (ClosedError)."""
    check_text(name, "rater name")
    row = session.scalar(rater_named(owner, name))
    if row is None:
        raise InputError(f"project {owner.name!r} has no rater {name!r}")
    if active and not row.active:
        raise ClosedError(
            f"rater {name!r} is closed in project {owner.name!r}: gets no more prompts and changes nothing"
        )
    return row


def rater_named(owner: ProjectRow, name: str) -> Select[RaterRow]:
    """Selects the rater of a name, if there is one."""
    return select(RaterRow).where(RaterRow.project_id == owner.id, RaterRow.name == name)


def own_assignment(
    session: Session, owner: ProjectRow, who: RaterRow, assignment_id: int, *, lock: bool = False
) -> AssignmentRow:
    """A rater's assignment of this project; another rater's, or project's, is as good as none."""
    found = select(AssignmentRow).where(
        AssignmentRow.id == assignment_id,
        AssignmentRow.project_id == owner.id,
        AssignmentRow.rater_id == who.id,
    )
    known = 0 < assignment_id <= LARGEST_ID
    row = session.scalar(found.with_for_update() if lock else found) if known else None
    if row is None:
        raise InputError(f"rater {who.name!r} has no assignment {assignment_id} in project {owner.name!r}")
    return row


def head_ranking(session: Session, assignment_id: int) -> RankingRow | None:
    """The newest row of an assignment's chain of rankings."""
    found = select(RankingRow).where(RankingRow.assignment_id == assignment_id)
    return session.scalar(found.order_by(RankingRow.id.desc()).limit(1))


def ids_marked(
    ids: Mapping[str, int], flags: Collection[tuple[str, str]], assignment_id: int
) -> set[tuple[int, str]]:
    """(response row id, kind) of every flag. Raises InputError for another kind or response."""
    for name, kind in flags:
        if kind not in FLAG_KINDS:
            raise InputError(f"flag {kind!r}: expected {' or '.join(FLAG_KINDS)}")
        if name not in ids:
            raise InputError(f"assignment {assignment_id} has no response {name!r}")
    return {(ids[name], kind) for name, kind in flags}


def marked_now(session: Session, who: RaterRow, responses: Collection[int]) -> set[tuple[int, str]]:
    """(response row id, kind) of what a rater has raised among some responses."""
    found = select(FlagRow).where(FlagRow.rater_id == who.id, FlagRow.response_id.in_(responses))
    newest: dict[tuple[int, str], bool] = {}
    for row in session.scalars(found.order_by(FlagRow.id)):
        newest[row.response_id, row.kind] = row.raised
    return {mark for mark, raised in newest.items() if raised}


def ids_shown(session: Session, assignment: AssignmentRow) -> dict[str, int]:
    """Response id -> row id of what an assignment shows, in the order shown."""
    found = select(ResponseRow.id, ResponseRow.key).where(ResponseRow.prompt_id == assignment.prompt_id)
    names = dict(session.execute(found).all())
    return {names[number]: number for number in assignment.shown}


# ----------------------------------------------------------------------------------------- adding what is new


@contextlib.contextmanager
def placed(origin: str) -> Iterator[None]:
    """Let what is wrong with an item begin with where the item stands, as file:line."""
    try:
        yield
    except InputError as error:
        if not origin:
            raise
        raise InputError(f"{origin}: {error}") from None


def checked_rules(
    name: str,
    instructions: str = "",
    overlap: int = 1,
    price: float | str | Decimal = "0.10",
    lease_seconds: float = 900.0,
) -> dict[str, Any]:
    """The columns of a new project. Raises InputError for what cannot be its rules."""
    check_text(name, "project name", filled=True)
    check_text(instructions, "instructions")
    check_overlap(overlap, f"project {name!r}")
    check_lease(lease_seconds, f"project {name!r}")
    return {
        "name": name,
        "instructions": instructions,
        "overlap": overlap,
        "price_micros": micros(price, "price"),
        "lease_seconds": float(lease_seconds),
    }


def new_project(session: Session, rules: dict[str, Any], now: float) -> ProjectRow:
    """Add a project with `checked_rules`. Raises InputError for a name that is taken."""
    if session.scalar(project_named(rules["name"])) is not None:
        raise InputError(f"project {rules['name']!r} exists already: choose another name")
    row = ProjectRow(uid=secrets.token_hex(8), created=now, **rules)
    session.add(row)
    session.flush()
    return row


def made_rater(session: Session, owner: ProjectRow, name: str, data: dict[str, Any], now: float) -> RaterRow:
    """The rater of a name, added if there is none."""
    row = session.scalar(rater_named(owner, name))
    if row is None:
        row = RaterRow(project_id=owner.id, name=name, active=True, data=data, created=now)
        session.add(row)
        session.flush()
    return row


def prompts_by_key(session: Session, owner: ProjectRow) -> dict[str, PromptRow]:
    """All prompts of a project by their ids."""
    found = select(PromptRow).where(PromptRow.project_id == owner.id)
    return {row.key: row for row in session.scalars(found)}


def add_prompt(
    session: Session, owner: ProjectRow, known: dict[str, PromptRow], item: NewPrompt, now: float
) -> str:
    """Add a prompt, or the responses it lacks, to `known` and the session; see `Store.add_prompts`."""
    check_text(item.prompt.text, "prompt")
    key = item.id or digest(item.prompt.text)
    responses = with_ids(item.responses)
    check_prompt(item, key, responses)
    row = known.get(key)
    present: dict[str, str] = {}
    if row is None:
        row = PromptRow(
            project_id=owner.id,
            key=key,
            text=item.prompt.text,
            data=prompt_data(item.prompt),
            overlap=item.overlap,
            priority=item.priority,
            created=now,
        )
        session.add(row)
        session.flush()
        known[key] = row
    else:
        if row.text != item.prompt.text:
            raise InputError(f"prompt {key!r} is there already with another text: give it another id")
        found = select(ResponseRow.key, ResponseRow.text).where(ResponseRow.prompt_id == row.id)
        present = dict(session.execute(found).all())
    fresh = [response for response in responses if response.id not in present]
    for response in responses:
        if present.get(response.id, response.text) != response.text:
            raise InputError(f"prompt {key!r}: response {response.id!r} is there already with another text")
    if present and fresh and session.scalar(begun(row.id)) is not None:
        raise InputError(
            f"prompt {key!r}: raters have seen it, response {fresh[0].id!r} comes too late: "
            "give the prompt another id"
        )
    session.add_all(
        ResponseRow(
            prompt_id=row.id,
            key=response.id,
            place=place,
            text=response.text,
            model=response.model,
            checkpoint=response.checkpoint,
            sampling=dict(response.sampling),
            attributes=dict(response.attributes),
        )
        for place, response in enumerate(fresh, start=len(present))
    )
    return key


def imported(session: Session, owner: ProjectRow, digest: str) -> float | None:
    """When a batch of this digest was imported into a project."""
    found = select(ImportRow.created).where(ImportRow.project_id == owner.id, ImportRow.digest == digest)
    return session.scalar(found)


def ratings_paid(session: Session, assignment: AssignmentRow) -> int:
    """The ratings of an assignment that stand in the ledger: earned and not reversed."""
    found = select(func.sum(PaymentRow.ratings)).join(RankingRow, PaymentRow.ranking_id == RankingRow.id)
    return int(session.scalar(found.where(RankingRow.assignment_id == assignment.id)) or 0)


# --------------------------------------------------------------------------------------- who may have which


def load(owner: ProjectRow, now: float) -> tuple[ColumnElement[int], ColumnElement[int], ColumnElement[int]]:
    """Per prompt, as columns beside PromptRow: rankings done, live leases, raters wanted."""

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        found = select(func.count()).where(AssignmentRow.prompt_id == PromptRow.id, *conditions)
        return found.correlate(PromptRow).scalar_subquery()

    return (
        count(AssignmentRow.state == "done").label("done"),
        count(AssignmentRow.state == "open", AssignmentRow.expires > now).label("leased"),
        func.coalesce(PromptRow.overlap, owner.overlap).label("places"),
    )


def free_prompts(owner: ProjectRow, who: RaterRow, now: float) -> Select[int]:
    """Prompts with a place left that this rater never had; begun ones before untouched ones."""
    taken = (
        select(AssignmentRow.prompt_id, func.count().label("number"))
        .where(
            AssignmentRow.project_id == owner.id,
            (AssignmentRow.state == "done")
            | ((AssignmentRow.state == "open") & (AssignmentRow.expires > now)),
        )
        .group_by(AssignmentRow.prompt_id)
        .subquery()
    )
    mine = exists().where(AssignmentRow.prompt_id == PromptRow.id, AssignmentRow.rater_id == who.id)
    number = func.coalesce(taken.c.number, 0)
    return (
        select(PromptRow.id)
        .outerjoin(taken, taken.c.prompt_id == PromptRow.id)
        .where(
            PromptRow.project_id == owner.id,
            not_(mine),
            number < func.coalesce(PromptRow.overlap, owner.overlap),
        )
        .order_by(PromptRow.priority.desc(), number.desc(), PromptRow.id)
    )


def has_room(session: Session, owner: ProjectRow, assignment: AssignmentRow, now: float) -> bool:
    """Whether others have left a place on the prompt of a lease that ran out."""
    done, leased, places = load(owner, now)
    row = session.execute(
        select(done.label("done"), leased, places).where(PromptRow.id == assignment.prompt_id)
    ).one()
    return bool(row.done + row.leased < row.places)


def begun(prompt_id: int) -> Select[int]:
    """Selects an assignment of a prompt, if any rater has had it."""
    return select(AssignmentRow.id).where(AssignmentRow.prompt_id == prompt_id).limit(1)


# ----------------------------------------------------------------------------------------- rows into records


def project_record(row: ProjectRow) -> Project:
    """A project as its users see it."""
    return Project(row.name, row.instructions, row.overlap, row.price_micros / MICROS, row.lease_seconds)


def rater_record(row: RaterRow) -> Rater:
    """A rater as the owner sees them."""
    return Rater(row.name, row.active, row.data)


def prompt_record(row: PromptRow) -> Prompt:
    """A prompt as everything outside the store knows it."""
    data = dict(row.data)
    return Prompt(row.text, data, tuple(data.pop(MESSAGES, ())))


def prompt_data(prompt: Prompt) -> dict[str, Any]:
    """A prompt's data as the store keeps it, with the messages of a chat."""
    messages = {MESSAGES: [dict(message) for message in prompt.messages]} if prompt.messages else {}
    return {**prompt.data, **messages}


def response_record(row: ResponseRow) -> Response:
    """A response as everything outside the store knows it."""
    return Response(row.text, row.key, row.model, row.checkpoint, row.sampling, row.attributes)


def responses_of(owner: ProjectRow) -> Select[ResponseRow]:
    """Selects all responses of a project, prompt by prompt, in the order added."""
    found = select(ResponseRow).join(PromptRow, ResponseRow.prompt_id == PromptRow.id)
    return found.where(PromptRow.project_id == owner.id).order_by(ResponseRow.prompt_id, ResponseRow.place)


def raised_flags(session: Session, owner: ProjectRow) -> Mapping[tuple[int, int], tuple[str, ...]]:
    """(rater row id, response row id) -> kinds that are raised now."""
    newest: dict[tuple[int, int, str], bool] = {}
    found = (
        select(FlagRow)
        .join(RaterRow, FlagRow.rater_id == RaterRow.id)
        .where(RaterRow.project_id == owner.id)
        .order_by(FlagRow.id)
    )
    for row in session.scalars(found):
        newest[row.rater_id, row.response_id, row.kind] = row.raised
    flags: dict[tuple[int, int], tuple[str, ...]] = defaultdict(tuple)
    for (rater, response, kind), raised in sorted(newest.items()):
        if raised:
            flags[rater, response] += (kind,)
    return flags


def assignment_records(
    session: Session, owner: ProjectRow, who: RaterRow, rows: Sequence[AssignmentRow]
) -> list[Assignment]:
    """Assignments of one rater with their prompts, responses in the order shown, and current rankings."""
    wanted = [row.prompt_id for row in rows]
    prompts = {row.id: row for row in session.scalars(select(PromptRow).where(PromptRow.id.in_(wanted)))}
    found = select(ResponseRow).where(ResponseRow.prompt_id.in_(wanted))
    responses = {row.id: response_record(row) for row in session.scalars(found)}
    marks = marked_now(session, who, responses)
    heads = {
        head.assignment_id: head
        for head in session.scalars(
            select(RankingRow)
            .where(RankingRow.assignment_id.in_([row.id for row in rows]))
            .order_by(RankingRow.id)
        )
    }
    records = []
    for row in rows:
        shown = tuple(responses[number] for number in row.shown)
        head = heads.get(row.id)
        record = Assignment(
            id=row.id,
            project=owner.name,
            rater=who.name,
            prompt_id=prompts[row.prompt_id].key,
            prompt=prompt_record(prompts[row.prompt_id]),
            responses=shown,
            state=row.state,
            expires=row.expires,
            flags=tuple(
                (responses[number].id, kind)
                for number in row.shown
                for kind in sorted(FLAG_KINDS)
                if (number, kind) in marks
            ),
        )
        if head is not None and not head.retracted:
            names = tiers_of([response.id for response in shown], head.ranks)
            record = replace(record, ranking_id=head.id, tiers=names)
        records.append(record)
    return records


def current(owner: ProjectRow) -> Select[RankingRow]:
    """Selects the rankings that stand: not superseded and no undo."""
    later = aliased(RankingRow)
    return (
        select(RankingRow)
        .outerjoin(later, later.supersedes == RankingRow.id)
        .where(RankingRow.project_id == owner.id, later.id.is_(None), not_(RankingRow.retracted))
        .order_by(RankingRow.id)
    )


def current_rankings(session: Session, owner: ProjectRow) -> Iterator[Ranking]:
    """The rankings that stand, as the rest of Practicum knows them."""
    prompts = {
        row.id: row for row in session.scalars(select(PromptRow).where(PromptRow.project_id == owner.id))
    }
    records = {row.id: response_record(row) for row in session.scalars(responses_of(owner))}
    flags = raised_flags(session, owner)
    found = (
        current(owner)
        .join(AssignmentRow, RankingRow.assignment_id == AssignmentRow.id)
        .join(RaterRow, AssignmentRow.rater_id == RaterRow.id)
        .add_columns(AssignmentRow.prompt_id, RaterRow.id, RaterRow.name, RaterRow.data)
    )
    for row, prompt_id, rater_id, rater, data in session.execute(found):
        marked = tuple(flags.get((rater_id, number), ()) for number in row.shown)
        yield Ranking(
            prompt=prompt_record(prompts[prompt_id]),
            responses=tuple(records[number] for number in row.shown),
            ranks=tuple(row.ranks),
            rater="" if data.get("anonymous") else rater,
            prompt_id=prompts[prompt_id].key,
            seconds=row.seconds,
            time=row.created,
            flags=marked if any(marked) else (),
            id=row.source or f"{owner.uid}:{row.id}",
        )


# ------------------------------------------------------------------------------------------ checks and names


def ranks_of(tiers: Tiers, ids: Mapping[str, int]) -> list[int]:
    """Ranks (1 is best) in the order of `ids`, from tiers of response ids; empty tiers are dropped.

    Raises InputError naming a response that is unknown, left out or named twice.
    """
    ranks: dict[str, int] = {}
    for rank, tier in enumerate((tier for tier in tiers if tier), start=1):
        for name in tier:
            if name not in ids:
                raise InputError(f"ranking: unknown response id {name!r}: expected {', '.join(ids)}")
            if name in ranks:
                raise InputError(f"ranking: response {name!r} is named twice: place each one once")
            ranks[name] = rank
    missing = [name for name in ids if name not in ranks]
    if missing:
        raise InputError(f"ranking: response {missing[0]!r} is left out: place every one (ties are allowed)")
    return [ranks[name] for name in ids]


def tiers_of(names: Sequence[str], ranks: Sequence[int]) -> TierNames:
    """Names in tiers, best first, from parallel ranks."""
    return tuple(
        tuple(name for name, rank in zip(names, ranks, strict=True) if rank == tier)
        for tier in sorted(set(ranks))
    )


def digest(*texts: str) -> str:
    """A short name for texts, always the same one."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]


def with_ids(responses: Sequence[Response]) -> tuple[Response, ...]:
    """Responses without an id get the digest of their text, numbered where two texts are equal."""
    seen: Counter[str] = Counter()
    named = []
    for response in responses:
        if not response.id:
            check_text(response.text, "response")
            name = digest(response.text)
            seen[name] += 1
            response = replace(response, id=name if seen[name] == 1 else f"{name}-{seen[name]}")
        named.append(response)
    return tuple(named)


def check_prompt(item: NewPrompt, key: str, responses: Sequence[Response]) -> None:
    """Raise InputError, naming the prompt, unless it can be stored and ranked."""
    if len(responses) < 2:
        raise InputError(f"prompt {key!r}: expected at least two responses, got {len(responses)}")
    if len(responses) > MOST_RESPONSES:
        raise InputError(
            f"prompt {key!r}: {len(responses)} responses: at most {MOST_RESPONSES} can be ranked at once, "
            "split them over several prompt ids"
        )
    twice = [name for name, count in Counter(item.id for item in responses).items() if count > 1]
    if twice:
        raise InputError(f"prompt {key!r}: two responses have the id {twice[0]!r}")
    if item.overlap is not None:
        check_overlap(item.overlap, f"prompt {key!r}")
    if not -1e300 < item.priority < 1e300:
        raise InputError(f"prompt {key!r}: priority: expected a number, got {item.priority}")
    check_text(key, "prompt id")
    check_text(item.prompt.text, f"prompt {key!r}")
    check_plain(prompt_data(item.prompt), f"prompt {key!r}, data")
    for response in responses:
        for text in (response.id, response.text, response.model, response.checkpoint):
            check_text(text, f"prompt {key!r}, response {response.id!r}")
        for table in (response.sampling, response.attributes):
            check_plain(table, f"prompt {key!r}, response {response.id!r}")


def check_plain(value: object, what: str, depth: int = 0) -> None:
    """Raise InputError for a JSON value that a database or a file cannot keep."""
    if depth > DEEPEST:
        raise InputError(f"{what}: more than {DEEPEST} levels deep: flatten it")
    if isinstance(value, str):
        check_text(value, what)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{what}: expected numbers, got {value}")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_plain(name, what, depth + 1)
            check_plain(item, what, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_plain(item, what, depth + 1)


def check_text(text: str, what: str, *, filled: bool = False) -> None:
    """Raise InputError for text a database cannot keep, or, if it must be filled, for blank text."""
    if filled and not text.strip():
        raise InputError(f"{what}: expected a text, got nothing")
    if "\x00" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise InputError(f"{what}: holds a zero byte or half a character, which no database keeps: remove it")


def check_overlap(overlap: int, what: str) -> None:
    """Raise InputError unless at least one rater is asked, and not more than there could be."""
    if overlap < 1:
        raise InputError(f"{what}: overlap: expected at least 1 rater per prompt, got {overlap}")
    if overlap > MOST_OVERLAP:
        raise InputError(f"{what}: overlap: expected at most {MOST_OVERLAP:,} raters per prompt")


def check_lease(seconds: float, what: str) -> None:
    """Raise InputError unless a lease lasts longer than nothing and at most a year."""
    if not 0 < seconds <= LONGEST_LEASE:
        raise InputError(
            f"{what}: lease_seconds: expected above 0 and at most {LONGEST_LEASE:.0f}, got {seconds}"
        )


def check_seconds(seconds: float | None) -> None:
    """Raise InputError unless the time spent is unknown or a number from 0."""
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"ranking: seconds: expected 0 or more, got {seconds}")


def micros(dollars: float | str | Decimal, what: str) -> int:
    """Dollars as whole millionths, exactly as written. Raises InputError for what is no amount from 0."""
    try:
        amount = Decimal(str(dollars)) * MICROS
    except InvalidOperation as error:
        raise InputError(f"{what}: expected an amount in dollars, got {dollars!r}") from error
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value():
        raise InputError(f"{what}: expected 0 or more dollars, in millionths at the finest, got {dollars}")
    if amount > MOST_DOLLARS * MICROS:
        raise InputError(f"{what}: expected at most {MOST_DOLLARS:,} dollars, got {dollars}")
    return int(amount)
