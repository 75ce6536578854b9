"""The preference store: prompts go out to raters, rankings come in and stay.

Every method is one transaction, and what it returned is on the disk: it survives kill -9 and power loss
(SQLite in WAL mode with synchronous=FULL, PostgreSQL with its defaults). Methods may be called from many
threads and processes at once. Unless told otherwise they raise InputError, one line that names what was
wrong, and then nothing has changed.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, case, func, or_, select
from sqlalchemy.orm import Session

from practicum.errors import InputError
from practicum.preferences import database, queries
from practicum.preferences.queries import Tiers
from practicum.preferences.records import (
    FLAG_KINDS,
    MICROS,
    Assignment,
    NewPrompt,
    Payment,
    Progress,
    Project,
    Rater,
    RaterProgress,
    Revision,
)
from practicum.preferences.schema import (
    AssignmentRow,
    FlagRow,
    PaymentRow,
    ProjectRow,
    PromptRow,
    RankingRow,
    RaterRow,
    ResponseRow,
    SkipRow,
)
from practicum.types import Ranking, Response


class Store:
    """A database of projects. Open with `Store.open`; use as a context manager, or call `close`."""

    def __init__(self, engine: Engine, shown: str, clock: Callable[[], float], order: random.Random) -> None:
        self._engine, self._shown, self._clock, self._order = engine, shown, clock, order

    @classmethod
    def open(
        cls,
        place: str | Path,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> Store:
        """Open the database at a path (SQLite) or URL (`postgresql://...`), made or upgraded as needed.

        An upgrade is announced on stderr. `clock` gives the time in seconds since 1970; `seed` repeats the
        order in which responses are shown (None: the system's randomness).
        Raises InputError for a place that cannot be opened, a database of something else, or one made by a
        newer Practicum.
        """
        engine = database.open_engine(place, create=create)
        shown = database.shown_place(engine.url)
        return cls(engine, shown, clock, random.SystemRandom() if seed is None else random.Random(seed))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    # ---------------------------------------------------------------------------------- projects and prompts

    def create_project(
        self,
        name: str,
        *,
        instructions: str = "",
        overlap: int = 1,
        price: float | str | Decimal = "0.10",
        lease_seconds: float = 900.0,
    ) -> Project:
        """Make a project. `overlap`: raters per prompt; `price`: dollars per rating, one response placed.

        Raises InputError when the name is taken, a text cannot be stored, or a number is out of range.
        """
        queries.check_text(name, "project name", filled=True)
        queries.check_text(instructions, "instructions")
        queries.check_overlap(overlap, f"project {name!r}")
        if not lease_seconds > 0:
            raise InputError(f"project {name!r}: lease_seconds: expected above 0, got {lease_seconds}")
        row = ProjectRow(
            name=name,
            instructions=instructions,
            overlap=overlap,
            price_micros=queries.micros(price, "price"),
            lease_seconds=float(lease_seconds),
            created=self._clock(),
        )
        with self._writing() as session:
            if session.scalar(select(ProjectRow.id).where(ProjectRow.name == name)) is not None:
                raise InputError(f"project {name!r} exists already: choose another name")
            session.add(row)
            session.flush()
            return queries.project_record(row)

    def projects(self) -> list[Project]:
        """All projects, oldest first."""
        with self._reading() as session:
            return [
                queries.project_record(row)
                for row in session.scalars(select(ProjectRow).order_by(ProjectRow.id))
            ]

    def project(self, name: str) -> Project:
        """The project of a name. Raises InputError when there is none."""
        with self._reading() as session:
            return queries.project_record(queries.project_row(session, name))

    def set_overlap(self, project: str, overlap: int) -> None:
        """Change how many raters rank each prompt that has no number of its own, from now on."""
        queries.check_overlap(overlap, f"project {project!r}")
        with self._writing() as session:
            queries.project_row(session, project).overlap = overlap

    def add_prompts(self, project: str, prompts: Iterable[NewPrompt]) -> list[str]:
        """Add prompts with their responses, all or none; returns the prompts' ids in order.

        A prompt whose id is there already must have the same text; responses it lacks are added to it as
        long as nobody has it leased or ranked.
        Raises InputError naming the prompt for fewer than two responses, the same response id twice, a known
        id with another text, or new responses to a prompt that raters have seen.
        """
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            known = {
                row.key: row
                for row in session.scalars(select(PromptRow).where(PromptRow.project_id == owner.id))
            }
            return [self._add_prompt(session, owner, known, item) for item in prompts]

    def _add_prompt(
        self, session: Session, owner: ProjectRow, known: dict[str, PromptRow], item: NewPrompt
    ) -> str:
        key = item.id or queries.digest(item.prompt.text)
        responses = queries.with_ids(item.responses)
        queries.check_prompt(item, key, responses)
        row = known.get(key)
        present: dict[str, str] = {}
        if row is None:
            row = PromptRow(
                project_id=owner.id,
                key=key,
                text=item.prompt.text,
                data=dict(item.prompt.data),
                overlap=item.overlap,
                priority=item.priority,
                created=self._clock(),
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
                raise InputError(
                    f"prompt {key!r}: response {response.id!r} is there already with another text"
                )
        if present and fresh and session.scalar(queries.begun(row.id)) is not None:
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

    def prompts(self, project: str) -> list[NewPrompt]:
        """All prompts of a project with their responses, in the order they were added."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            responses: dict[int, list[Response]] = defaultdict(list)
            for row in session.scalars(queries.responses_of(owner)):
                responses[row.prompt_id].append(queries.response_record(row))
            found = select(PromptRow).where(PromptRow.project_id == owner.id).order_by(PromptRow.id)
            return [
                NewPrompt(
                    queries.prompt_record(row), tuple(responses[row.id]), row.key, row.overlap, row.priority
                )
                for row in session.scalars(found)
            ]

    # ------------------------------------------------------------------------------------------------ raters

    def add_rater(self, project: str, name: str, data: dict[str, Any] | None = None) -> Rater:
        """Add a rater; the same name again returns the one there is. Raises InputError for an empty name."""
        queries.check_text(name, "rater name", filled=True)
        with self._writing() as session:
            return queries.rater_record(
                self._make_rater(session, queries.project_row(session, project, lock=True), name, data or {})
            )

    def _make_rater(self, session: Session, owner: ProjectRow, name: str, data: dict[str, Any]) -> RaterRow:
        row = session.scalar(queries.rater_named(owner, name))
        if row is None:
            row = RaterRow(project_id=owner.id, name=name, active=True, data=data, created=self._clock())
            session.add(row)
            session.flush()
        return row

    def raters(self, project: str) -> list[Rater]:
        """All raters of a project, in the order they were added."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            found = select(RaterRow).where(RaterRow.project_id == owner.id).order_by(RaterRow.id)
            return [queries.rater_record(row) for row in session.scalars(found)]

    def set_active(self, project: str, rater: str, active: bool) -> None:
        """Let a rater have prompts, or no more (a spammer); what they ranked stays."""
        with self._writing() as session:
            queries.rater_row(session, queries.project_row(session, project), rater).active = active

    # ---------------------------------------------------------------------------- assignments: who does what

    def lease(self, project: str, rater: str) -> Assignment | None:
        """The next prompt for a rater, or None when nothing is left for them now.

        A live lease is returned again with new time (a page reloaded shows the same prompt in the same
        order). Otherwise: a prompt this rater never had, of the highest priority, that others have begun
        rather than an untouched one, and that still wants a rater, counting live leases as taken.
        Raises InputError for an unknown project or rater and for an inactive rater.
        """
        leased = self.lease_many(project, rater, 1)
        return leased[0] if leased else None

    def lease_many(self, project: str, rater: str, count: int) -> list[Assignment]:
        """Up to `count` assignments at once, in one transaction, as `lease` gives one at a time."""
        with self._writing() as session:
            # On PostgreSQL the lock on the project keeps two raters from taking the last place on a prompt.
            owner = queries.project_row(session, project, lock=True)
            who = queries.rater_row(session, owner, rater)
            if not who.active:
                raise InputError(f"rater {rater!r} gets no more prompts in project {project!r}")
            now = self._clock()
            expires = now + owner.lease_seconds
            mine = (AssignmentRow.rater_id == who.id) & (AssignmentRow.state == "open")
            held = session.scalars(select(AssignmentRow).where(mine).order_by(AssignmentRow.id))
            rows = [row for row in held if row.expires > now or queries.has_room(session, owner, row, now)][
                :count
            ]
            for row in rows:
                row.expires = expires
            for prompt_id in session.scalars(queries.free_prompts(owner, who, now).limit(count - len(rows))):
                found = select(ResponseRow.id).where(ResponseRow.prompt_id == prompt_id)
                shown = list(session.scalars(found.order_by(ResponseRow.place)))
                self._order.shuffle(shown)
                row = AssignmentRow(
                    project_id=owner.id,
                    prompt_id=prompt_id,
                    rater_id=who.id,
                    shown=shown,
                    state="open",
                    leased=now,
                    expires=expires,
                )
                session.add(row)
                rows.append(row)
            session.flush()
            return queries.assignment_records(session, owner, who, rows)

    def assignment(self, assignment_id: int, rater: str) -> Assignment:
        """An assignment as it stands. Raises InputError when this rater has none of that number."""
        with self._reading() as session:
            row, owner, who = queries.own_assignment(session, assignment_id, rater)
            return queries.assignment_records(session, owner, who, [row])[0]

    def submit(self, assignment_id: int, rater: str, tiers: Tiers, seconds: float | None = None) -> int:
        """Record a ranking: response ids, best tier first, those in one tier are tied. Returns its number.

        Once it returns the ranking is on the disk and its pay in the ledger. The same ranking again (a
        double click) returns the same number. A ranking that comes after its lease ran out still counts.
        Raises InputError naming the response that is unknown, left out or named twice, for an assignment
        that is another rater's, skipped, or already ranked otherwise (`correct` changes it).
        """
        return self.submit_many([(assignment_id, rater, tiers, seconds)])[0]

    def submit_many(self, items: Sequence[tuple[int, str, Tiers, float | None]]) -> list[int]:
        """Several rankings (assignment, rater, tiers, seconds) in one transaction: all are kept, or none."""
        with self._writing() as session:
            return [self._submit(session, *item) for item in items]

    def _submit(
        self, session: Session, assignment_id: int, rater: str, tiers: Tiers, seconds: float | None
    ) -> int:
        assignment, owner, who = queries.own_assignment(session, assignment_id, rater, lock=True)
        queries.check_seconds(seconds)
        ranks = queries.ranks_of(tiers, queries.ids_shown(session, assignment))
        head = queries.head_ranking(session, assignment.id)
        if head is not None and not head.retracted:
            if head.ranks == ranks:
                return head.id
            raise InputError(f"assignment {assignment_id} is ranked already: correct ranking {head.id}")
        if assignment.state == "skipped":
            raise InputError(f"assignment {assignment_id} was skipped: undo the skip first")
        row = self._append(session, assignment, ranks, seconds, head)
        assignment.state, assignment.acted = "done", row.created
        self._book(session, owner, who, row, "earned", 1)
        return row.id

    def correct(self, ranking_id: int, rater: str, tiers: Tiers, seconds: float | None = None) -> int:
        """Supersede a rater's current ranking by a better one; returns the new number, pay stays as it was.

        Raises InputError as `submit` does, and when the ranking is not the current one.
        """
        with self._writing() as session:
            old = session.get(RankingRow, ranking_id)
            if old is None:
                raise InputError(f"there is no ranking {ranking_id}")
            assignment, _, _ = queries.own_assignment(session, old.assignment_id, rater, lock=True)
            queries.check_seconds(seconds)
            ranks = queries.ranks_of(tiers, queries.ids_shown(session, assignment))
            head = queries.head_ranking(session, assignment.id)
            if head is None or head.id != old.id or old.retracted:
                raise InputError(f"ranking {ranking_id} was corrected or undone already: reload the page")
            row = self._append(session, assignment, ranks, seconds, old)
            assignment.acted = row.created
            return row.id

    def undo(self, project: str, rater: str) -> Assignment:
        """Take back a rater's last ranking or skip: the assignment is open again, its history stays.

        Raises InputError when there is nothing to undo.
        """
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            who = queries.rater_row(session, owner, rater)
            found = select(AssignmentRow).where(
                AssignmentRow.rater_id == who.id, AssignmentRow.state != "open"
            )
            last = session.scalar(
                found.order_by(AssignmentRow.acted.desc(), AssignmentRow.id.desc()).limit(1)
            )
            if last is None:
                raise InputError(f"rater {rater!r} has nothing to undo")
            now = self._clock()
            if last.state == "done":
                head = queries.head_ranking(session, last.id)
                assert head is not None
                row = self._append(session, last, head.ranks, None, head, retracted=True)
                self._book(session, owner, who, row, "reversed", -1)
            last.state, last.acted, last.expires = "open", now, now + owner.lease_seconds
            session.flush()
            return queries.assignment_records(session, owner, who, [last])[0]

    def skip(self, assignment_id: int, rater: str, reason: str) -> None:
        """Hand a prompt back unranked, for good, with the reason.

        Raises InputError for an empty reason and for an assignment that is another's or not open.
        """
        queries.check_text(reason, "reason", filled=True)
        with self._writing() as session:
            assignment, _, _ = queries.own_assignment(session, assignment_id, rater, lock=True)
            if assignment.state != "open":
                raise InputError(f"assignment {assignment_id} is {assignment.state}, not open: undo it first")
            now = self._clock()
            session.add(SkipRow(assignment_id=assignment.id, reason=reason, created=now))
            assignment.state, assignment.acted = "skipped", now

    def flag(
        self, assignment_id: int, rater: str, response_id: str, kind: str, *, raised: bool = True
    ) -> None:
        """Mark a response as `nonsense` or `unsafe`, or take the mark back with raised=False.

        Raises InputError for another kind, or a response that is not of this assignment.
        """
        if kind not in FLAG_KINDS:
            raise InputError(f"flag {kind!r}: expected {' or '.join(FLAG_KINDS)}")
        with self._writing() as session:
            assignment, _, who = queries.own_assignment(session, assignment_id, rater)
            ids = queries.ids_shown(session, assignment)
            if response_id not in ids:
                raise InputError(f"assignment {assignment_id} has no response {response_id!r}")
            session.add(
                FlagRow(
                    response_id=ids[response_id],
                    rater_id=who.id,
                    kind=kind,
                    raised=raised,
                    created=self._clock(),
                )
            )

    def _append(
        self,
        session: Session,
        assignment: AssignmentRow,
        ranks: list[int],
        seconds: float | None,
        before: RankingRow | None,
        *,
        retracted: bool = False,
    ) -> RankingRow:
        row = RankingRow(
            project_id=assignment.project_id,
            assignment_id=assignment.id,
            supersedes=None if before is None else before.id,
            shown=assignment.shown,
            ranks=ranks,
            retracted=retracted,
            seconds=seconds,
            created=self._clock(),
        )
        session.add(row)
        session.flush()
        return row

    def _book(
        self, session: Session, owner: ProjectRow, who: RaterRow, ranking: RankingRow, kind: str, sign: int
    ) -> None:
        ratings = sign * len(ranking.shown)
        session.add(
            PaymentRow(
                project_id=owner.id,
                rater_id=who.id,
                ranking_id=ranking.id,
                kind=kind,
                ratings=ratings,
                amount_micros=ratings * owner.price_micros,
                created=ranking.created,
            )
        )

    # ----------------------------------------------------------------------------------- in bulk, in and out

    def import_rankings(self, project: str, rankings: Iterable[Ranking]) -> int:
        """Add rankings made elsewhere, with their prompts, responses and raters; returns how many were new.

        One that is there already is left alone, so an import that was broken off can be repeated. They cost
        nothing here: the ledger has no line for them. All or none.
        Raises InputError when one differs from the ranking this rater has given on this prompt.
        """
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            found = select(PromptRow).where(PromptRow.project_id == owner.id)
            known = {row.key: row for row in session.scalars(found)}
            raters: dict[str, RaterRow] = {}
            added = 0
            for ranking in rankings:
                name = ranking.rater or "unknown"
                queries.check_text(name, "rater name", filled=True)
                if name not in raters:
                    raters[name] = self._make_rater(session, owner, name, {})
                added += self._import_one(session, owner, raters[name], known, ranking)
            return added

    def _import_one(
        self,
        session: Session,
        owner: ProjectRow,
        who: RaterRow,
        known: dict[str, PromptRow],
        ranking: Ranking,
    ) -> int:
        responses = queries.with_ids(ranking.responses)
        key = ranking.prompt_id or queries.digest(
            ranking.prompt.text, *sorted(item.text for item in responses)
        )
        self._add_prompt(session, owner, known, NewPrompt(ranking.prompt, responses, key))
        prompt = known[key]
        found = select(ResponseRow.key, ResponseRow.id).where(ResponseRow.prompt_id == prompt.id)
        ids = dict(session.execute(found).all())
        if len(ids) != len(responses):
            raise InputError(
                f"prompt {key!r} has {len(ids)} responses, the ranking of rater {who.name!r} places "
                f"{len(responses)}: give it another prompt_id"
            )
        shown, ranks = [ids[response.id] for response in responses], list(ranking.ranks)
        mine = (AssignmentRow.prompt_id == prompt.id) & (AssignmentRow.rater_id == who.id)
        assignment = session.scalar(select(AssignmentRow).where(mine))
        if assignment is not None:
            head = queries.head_ranking(session, assignment.id)
            if head is None or dict(zip(head.shown, head.ranks, strict=True)) != dict(
                zip(shown, ranks, strict=True)
            ):
                raise InputError(f"rater {who.name!r} has another ranking of prompt {key!r} in this project")
            return 0
        when = self._clock() if ranking.time is None else ranking.time
        assignment = AssignmentRow(
            project_id=owner.id,
            prompt_id=prompt.id,
            rater_id=who.id,
            shown=shown,
            state="done",
            leased=when,
            expires=when,
            acted=when,
        )
        session.add(assignment)
        session.flush()
        session.add(
            RankingRow(
                project_id=owner.id,
                assignment_id=assignment.id,
                shown=shown,
                ranks=ranks,
                retracted=False,
                seconds=ranking.seconds,
                created=when,
            )
        )
        session.add_all(
            FlagRow(response_id=response, rater_id=who.id, kind=kind, raised=True, created=when)
            for response, kinds in zip(shown, ranking.flags, strict=False)
            for kind in kinds
        )
        return 1

    def rankings(self, project: str) -> list[Ranking]:
        """The current ranking of every assignment, oldest first, without what was corrected or undone."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            return list(queries.current_rankings(session, owner))

    def history(self, assignment_id: int) -> list[Revision]:
        """Everything ever submitted for an assignment, oldest first."""
        with self._reading() as session:
            assignment = session.get(AssignmentRow, assignment_id)
            if assignment is None:
                raise InputError(f"there is no assignment {assignment_id}")
            names = {number: key for key, number in queries.ids_shown(session, assignment).items()}
            found = (
                select(RankingRow).where(RankingRow.assignment_id == assignment_id).order_by(RankingRow.id)
            )
            return [
                Revision(
                    id=row.id,
                    supersedes=row.supersedes,
                    retracted=row.retracted,
                    tiers=queries.tiers_of([names[number] for number in row.shown], row.ranks),
                    seconds=row.seconds,
                    time=row.created,
                )
                for row in session.scalars(found)
            ]

    def skips(self, project: str) -> list[tuple[str, str, str]]:
        """(rater, prompt id, reason) of every skip ever made, oldest first."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            found = (
                select(RaterRow.name, PromptRow.key, SkipRow.reason)
                .join_from(SkipRow, AssignmentRow, SkipRow.assignment_id == AssignmentRow.id)
                .join(RaterRow, AssignmentRow.rater_id == RaterRow.id)
                .join(PromptRow, AssignmentRow.prompt_id == PromptRow.id)
                .where(AssignmentRow.project_id == owner.id)
                .order_by(SkipRow.id)
            )
            return [(rater, prompt, reason) for rater, prompt, reason in session.execute(found)]

    # -------------------------------------------------------------------------------------- progress and pay

    def progress(self, project: str) -> Progress:
        """How far a project is, what it has cost and will cost."""
        with self._reading() as session:
            owner, now = queries.project_row(session, project), self._clock()
            done, leased, places = queries.load(owner, now)
            rows = session.execute(
                select(PromptRow.id, done, leased, places).where(PromptRow.project_id == owner.id)
            ).all()
            sizes = Counter(
                session.scalars(
                    select(ResponseRow.prompt_id).join(PromptRow).where(PromptRow.project_id == owner.id)
                )
            )
            current = session.execute(
                queries.current(owner).with_only_columns(
                    RankingRow.shown, RankingRow.seconds, RankingRow.created
                )
            ).all()
            seconds = [row.seconds for row in current if row.seconds is not None]
            to_come = sum(max(row.places - row.done, 0) * sizes[row.id] for row in rows)
            spent = session.scalar(
                select(func.sum(PaymentRow.amount_micros)).where(
                    PaymentRow.project_id == owner.id, PaymentRow.kind != "paid"
                )
            )
            skipped = select(func.count()).where(
                AssignmentRow.project_id == owner.id, AssignmentRow.state == "skipped"
            )
            return Progress(
                prompts=len(rows),
                raters=session.scalar(select(func.count()).where(RaterRow.project_id == owner.id)) or 0,
                wanted=sum(row.places for row in rows),
                done=sum(min(row.done, row.places) for row in rows),
                leased=sum(row.leased for row in rows),
                skipped=session.scalar(skipped) or 0,
                ratings=sum(len(row.shown) for row in current),
                dollars_spent=int(spent or 0) / MICROS,
                dollars_to_come=to_come * owner.price_micros / MICROS,
                rankings_per_hour=sum(row.created > now - 3600 for row in current),
                median_seconds=median(seconds) if seconds else None,
            )

    def rater_progress(self, project: str, rater: str) -> RaterProgress:
        """What one rater has done, earned, and can still do now (the prompt they hold included)."""
        with self._reading() as session:
            owner, now = queries.project_row(session, project), self._clock()
            who = queries.rater_row(session, owner, rater)
            states = Counter(
                session.scalars(
                    select(AssignmentRow.state).where(
                        AssignmentRow.rater_id == who.id,
                        or_(AssignmentRow.state != "open", AssignmentRow.expires > now),
                    )
                )
            )
            free = session.scalar(
                select(func.count()).select_from(queries.free_prompts(owner, who, now).subquery())
            )
            earned = case((PaymentRow.kind != "paid", PaymentRow.amount_micros), else_=0)
            sums = session.execute(
                select(
                    func.sum(PaymentRow.ratings), func.sum(earned), func.sum(PaymentRow.amount_micros)
                ).where(PaymentRow.rater_id == who.id)
            ).one()
            ratings, dollars, owed = (int(value or 0) for value in sums)
            return RaterProgress(
                rater=rater,
                done=states["done"],
                available=(free or 0) + states["open"],
                ratings=ratings,
                dollars_earned=dollars / MICROS,
                dollars_owed=owed / MICROS,
            )

    def pay(self, project: str, rater: str, dollars: float | str | Decimal) -> None:
        """Note in the ledger that a rater was paid. Raises InputError for more than is owed, or nothing."""
        amount = queries.micros(dollars, "dollars")
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            who = queries.rater_row(session, owner, rater)
            owed = session.scalar(
                select(func.sum(PaymentRow.amount_micros)).where(PaymentRow.rater_id == who.id)
            )
            if not 0 < amount <= int(owed or 0):
                raise InputError(
                    f"rater {rater!r} is owed ${int(owed or 0) / MICROS:.2f}: "
                    f"cannot pay ${amount / MICROS:.2f}"
                )
            session.add(
                PaymentRow(
                    project_id=owner.id,
                    rater_id=who.id,
                    kind="paid",
                    ratings=0,
                    amount_micros=-amount,
                    created=self._clock(),
                )
            )

    def payments(self, project: str) -> list[Payment]:
        """The ledger, oldest line first."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            found = (
                select(PaymentRow, RaterRow.name)
                .join(RaterRow, PaymentRow.rater_id == RaterRow.id)
                .where(PaymentRow.project_id == owner.id)
                .order_by(PaymentRow.id)
            )
            return [
                Payment(name, row.kind, row.ratings, row.amount_micros / MICROS, row.created, row.ranking_id)
                for row, name in session.execute(found)
            ]

    def _reading(self) -> AbstractContextManager[Session]:
        return database.session(self._engine, self._shown, writes=False)

    def _writing(self) -> AbstractContextManager[Session]:
        return database.session(self._engine, self._shown, writes=True)
