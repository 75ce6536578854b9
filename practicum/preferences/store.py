"""The preference store: prompts go out to raters, rankings come in and stay.

Every method is one transaction, and what it returned is on the disk: it survives kill -9 and power loss
(SQLite in WAL mode with synchronous=FULL, PostgreSQL with its defaults). Methods may be called from many
threads and processes at once. Unless told otherwise they raise InputError, one line that names what was
wrong, and then nothing has changed. Whatever names a project sees and changes that project only, and a rater
whom the owner has closed changes nothing (ClosedError).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from practicum.errors import InputError
from practicum.preferences import database, importing, queries
from practicum.preferences.queries import Tiers
from practicum.preferences.records import (
    MICROS,
    Answer,
    Assignment,
    Link,
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
    EndedSessionRow,
    FlagRow,
    ImportRow,
    PaymentRow,
    ProjectRow,
    PromptRow,
    RankingRow,
    RaterRow,
    ResponseRow,
    SkipRow,
    UndoRow,
)
from practicum.types import Ranking, Response


class Store:
    """A database of projects. Open with `Store.open`; use as a context manager, or call `close`."""

    def __init__(self, engine: Engine, shown: str, clock: Callable[[], float], key: bytes) -> None:
        self._engine, self._shown, self._clock, self._key = engine, shown, clock, key

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

        An upgrade is announced on stderr. `clock` gives the time in seconds since 1970; `seed` fixes the
        order in which a rater is shown the responses to a prompt, whenever and in whatever order prompts are
        leased (None: the system's randomness).
        Raises InputError for a place that cannot be opened, a database of something else, or one made by a
        newer Practicum.
        """
        engine = database.open_engine(place, create=create)
        shown = database.shown_place(engine.url)
        return cls(engine, shown, clock, secrets.token_bytes(16) if seed is None else str(seed).encode())

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
        prompts: Iterable[NewPrompt] = (),
        origins: Sequence[str] = (),
    ) -> Project:
        """Make a project. `overlap`: raters per prompt; `price`: dollars per rating, one response placed.

        `prompts` come in with it, both or none; see `add_prompts`. Raises InputError when the name is taken,
        a text cannot be stored, or a number is out of range.
        """
        rules = queries.checked_rules(name, instructions, overlap, price, lease_seconds)
        with self._writing() as session:
            row = queries.new_project(session, rules, self._clock())
            self._add_prompts(session, row, prompts, origins)
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

    def check_writable(self, project: str) -> None:
        """Raise InputError where the database cannot be written: SQLite says so at the first change only."""
        with self._writing() as session:
            queries.project_row(session, project)
            session.execute(update(ProjectRow).where(ProjectRow.name == project).values(name=project))

    def set_overlap(self, project: str, overlap: int) -> None:
        """Change how many raters rank each prompt that has no number of its own, from now on."""
        queries.check_overlap(overlap, f"project {project!r}")
        with self._writing() as session:
            queries.project_row(session, project).overlap = overlap

    def set_instructions(self, project: str, instructions: str) -> None:
        """Change what raters are told to look for, from now on."""
        queries.check_text(instructions, "instructions")
        with self._writing() as session:
            queries.project_row(session, project).instructions = instructions

    def set_lease(self, project: str, lease_seconds: float) -> None:
        """Change how long a rater may hold a prompt, for leases from now on."""
        queries.check_lease(lease_seconds, f"project {project!r}")
        with self._writing() as session:
            queries.project_row(session, project).lease_seconds = float(lease_seconds)

    def add_prompts(
        self, project: str, prompts: Iterable[NewPrompt], origins: Sequence[str] = ()
    ) -> list[str]:
        """Add prompts with their responses, all or none; returns the prompts' ids in order.

        A prompt whose id is there already must have the same text; responses it lacks are added to it as
        long as nobody has it leased or ranked. `origins` runs parallel to the prompts: where each one stands,
        which errors begin with.
        Raises InputError naming the prompt for fewer than two or more than 500 responses, the same response
        id twice, a known id with another text, or new responses to a prompt that raters have seen.
        """
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            return self._add_prompts(session, owner, prompts, origins)

    def _add_prompts(
        self, session: Session, owner: ProjectRow, prompts: Iterable[NewPrompt], origins: Sequence[str]
    ) -> list[str]:
        known = queries.prompts_by_key(session, owner)
        keys = []
        for number, item in enumerate(prompts):
            with queries.placed(origins[number] if origins else ""):
                keys.append(queries.add_prompt(session, owner, known, item, self._clock()))
        return keys

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
            owner = queries.project_row(session, project, lock=True)
            return queries.rater_record(queries.made_rater(session, owner, name, data or {}, self._clock()))

    def invite(self, project: str, names: Sequence[str], seconds: float) -> list[Link]:
        """A new personal link for each rater, added where missing: all or none. Earlier links are cancelled.

        The links are good for `seconds`. Raises InputError naming a name that cannot be a rater's.
        """
        for name in names:
            queries.check_text(name, f"rater name {name!r}", filled=True)
        with self._writing() as session:
            owner, now = queries.project_row(session, project, lock=True), self._clock()
            links = []
            for name in names:
                row = queries.made_rater(session, owner, name, {}, now)
                row.link, row.link_expires = secrets.token_urlsafe(9), float(int(now + seconds))
                links.append(Link(name, row.link, row.link_expires))
            return links

    def link_of(self, project: str, rater: str) -> Link | None:
        """The link of a rater that is good now, None without one."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            row = session.scalar(queries.rater_named(owner, rater))
            if row is None or row.link is None or (row.link_expires or 0.0) <= self._clock():
                return None
            return Link(row.name, row.link, row.link_expires or 0.0)

    def may_enter(self, project: str, nonce: str, rater: str = "", link: str = "") -> bool:
        """Whether a session was not logged out of and, for a rater's, its link was not cancelled since."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            ended = select(EndedSessionRow.id).where(
                EndedSessionRow.project_id == owner.id, EndedSessionRow.nonce == nonce
            )
            if session.scalar(ended) is not None:
                return False
            if not rater:
                return True
            row = session.scalar(queries.rater_named(owner, rater))
            return row is not None and row.link in (None, link)

    def end_session(self, project: str, nonce: str, expires: float) -> None:
        """Make a session worthless from now on; `expires` is when it would have ended by itself."""
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            session.execute(delete(EndedSessionRow).where(EndedSessionRow.expires < self._clock()))
            mine = (EndedSessionRow.project_id == owner.id) & (EndedSessionRow.nonce == nonce)
            if session.scalar(select(EndedSessionRow.id).where(mine)) is None:
                session.add(EndedSessionRow(project_id=owner.id, nonce=nonce, expires=expires))

    def raters(self, project: str) -> list[Rater]:
        """All raters of a project, in the order they were added."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            found = select(RaterRow).where(RaterRow.project_id == owner.id).order_by(RaterRow.id)
            return [queries.rater_record(row) for row in session.scalars(found)]

    def set_active(self, project: str, rater: str, active: bool) -> None:
        """Let a rater work, or close them out (a spammer): no more prompts, and what they ranked stays."""
        with self._writing() as session:
            queries.rater_row(session, queries.project_row(session, project), rater).active = active

    # ---------------------------------------------------------------------------- assignments: who does what

    def lease(self, project: str, rater: str) -> Assignment | None:
        """The next prompt for a rater, or None when nothing is left for them now.

        A live lease is returned again with new time (a page reloaded shows the same prompt in the same
        order). Otherwise: a prompt this rater never had, of the highest priority, that others have begun
        rather than an untouched one, and that still wants a rater, counting live leases as taken.
        Raises InputError for an unknown project or rater, ClosedError for a closed rater.
        """
        leased = self.lease_many(project, rater, 1)
        return leased[0] if leased else None

    def lease_many(self, project: str, rater: str, count: int) -> list[Assignment]:
        """Up to `count` assignments at once, in one transaction, as `lease` gives one at a time."""
        with self._writing() as session:
            # On PostgreSQL the lock on the project keeps two raters from taking the last place on a prompt.
            owner = queries.project_row(session, project, lock=True)
            who = queries.rater_row(session, owner, rater, active=True)
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
                row = AssignmentRow(
                    project_id=owner.id,
                    prompt_id=prompt_id,
                    rater_id=who.id,
                    shown=self._order_shown(session, owner, who, prompt_id),
                    state="open",
                    leased=now,
                    expires=expires,
                )
                session.add(row)
                rows.append(row)
            session.flush()
            return queries.assignment_records(session, owner, who, rows)

    def _order_shown(self, session: Session, owner: ProjectRow, who: RaterRow, prompt_id: int) -> list[int]:
        """Response row ids in a random order that hangs on seed, project, rater and prompt alone."""
        prompt = session.get_one(PromptRow, prompt_id)
        found = select(ResponseRow.key, ResponseRow.id).where(ResponseRow.prompt_id == prompt_id)

        def drawn(key: str) -> bytes:
            names = "\x1f".join((owner.name, who.name, prompt.key, key)).encode()
            return hashlib.blake2b(names, key=self._key[:64]).digest()

        rows = session.execute(found.order_by(ResponseRow.place)).all()
        return [number for key, number in sorted(rows, key=lambda row: drawn(row.key))]

    def assignment(self, project: str, rater: str, assignment_id: int) -> Assignment:
        """An assignment as it stands. Raises InputError when this rater has none of that number."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            who = queries.rater_row(session, owner, rater)
            row = queries.own_assignment(session, owner, who, assignment_id)
            return queries.assignment_records(session, owner, who, [row])[0]

    def check_active(self, project: str, rater: str) -> None:
        """Raise ClosedError for a rater whom the owner has closed."""
        with self._reading() as session:
            queries.rater_row(session, queries.project_row(session, project), rater, active=True)

    def submit(
        self,
        project: str,
        rater: str,
        assignment_id: int,
        tiers: Tiers,
        seconds: float | None = None,
        flags: Collection[tuple[str, str]] | None = None,
    ) -> int:
        """Record a ranking, see `Answer`; returns its number.

        Once it returns, the ranking and its flags are on the disk and its pay is in the ledger. The same
        ranking again (a double click) returns the same number. A ranking that comes after its lease ran out
        still counts.
        Raises InputError naming the response that is unknown, left out or named twice, for an assignment
        that is another rater's or project's, skipped, or already ranked otherwise (`correct` changes it).
        """
        return self.submit_many(project, rater, [Answer(assignment_id, tiers, seconds, flags)])[0]

    def submit_many(self, project: str, rater: str, answers: Sequence[Answer]) -> list[int]:
        """Several rankings of one rater with their flags in one transaction: all are kept, or none."""
        with self._writing() as session:
            owner = queries.project_row(session, project)
            who = queries.rater_row(session, owner, rater, active=True)
            return [self._submit(session, owner, who, answer) for answer in answers]

    def _submit(self, session: Session, owner: ProjectRow, who: RaterRow, answer: Answer) -> int:
        assignment = queries.own_assignment(session, owner, who, answer.assignment_id, lock=True)
        queries.check_seconds(answer.seconds)
        ranks = queries.ranks_of(answer.tiers, queries.ids_shown(session, assignment))
        head = queries.head_ranking(session, assignment.id)
        if head is not None and not head.retracted:
            if head.ranks == ranks:
                return head.id
            raise InputError(f"assignment {assignment.id} is ranked already: correct ranking {head.id}")
        if assignment.state == "skipped":
            raise InputError(f"assignment {assignment.id} was skipped: undo the skip first")
        self._set_flags(session, who, assignment, answer.flags)
        row = self._append(session, assignment, ranks, answer.seconds, head)
        assignment.state, assignment.acted = "done", row.created
        self._book(session, owner, who, row, "earned", len(row.shown))
        return row.id

    def correct(self, project: str, rater: str, ranking_id: int, answer: Answer) -> int:
        """Supersede a rater's current ranking by a better one; returns the new number, pay stays as it was.

        Raises InputError as `submit` does, and when the ranking is not the current one.
        """
        with self._writing() as session:
            owner = queries.project_row(session, project)
            who = queries.rater_row(session, owner, rater, active=True)
            assignment = queries.own_assignment(session, owner, who, answer.assignment_id, lock=True)
            queries.check_seconds(answer.seconds)
            ranks = queries.ranks_of(answer.tiers, queries.ids_shown(session, assignment))
            head = queries.head_ranking(session, assignment.id)
            if head is None or head.id != ranking_id or head.retracted:
                raise InputError(f"ranking {ranking_id} was corrected or undone already: reload the page")
            self._set_flags(session, who, assignment, answer.flags)
            row = self._append(session, assignment, ranks, answer.seconds, head)
            assignment.acted = row.created
            return row.id

    def undo(self, project: str, rater: str, key: str = "") -> Assignment | None:
        """Take back a rater's last ranking or skip: the assignment is open again, its history stays.

        A `key` that this rater has used before does nothing and returns None, even after a restart.
        Raises InputError when there is nothing to undo.
        """
        queries.check_text(key, "key")
        with self._writing() as session:
            owner = queries.project_row(session, project, lock=True)
            who = queries.rater_row(session, owner, rater, active=True)
            done = select(UndoRow.id).where(UndoRow.rater_id == who.id, UndoRow.key == key)
            if key and session.scalar(done) is not None:
                return None
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
                # What was imported has earned nothing here.
                self._book(session, owner, who, row, "reversed", -queries.ratings_paid(session, last))
            last.state, last.acted, last.expires = "open", now, now + owner.lease_seconds
            session.add(UndoRow(assignment_id=last.id, rater_id=who.id, key=key or None, created=now))
            session.flush()
            return queries.assignment_records(session, owner, who, [last])[0]

    def skip(
        self,
        project: str,
        rater: str,
        assignment_id: int,
        reason: str,
        flags: Collection[tuple[str, str]] | None = None,
    ) -> None:
        """Hand a prompt back unranked, for good, with the reason; `flags` as in `Answer`.

        Raises InputError for an empty reason and for an assignment that is another's or not open.
        """
        queries.check_text(reason, "reason", filled=True)
        with self._writing() as session:
            owner = queries.project_row(session, project)
            who = queries.rater_row(session, owner, rater, active=True)
            assignment = queries.own_assignment(session, owner, who, assignment_id, lock=True)
            if assignment.state != "open":
                raise InputError(f"assignment {assignment_id} is {assignment.state}, not open: undo it first")
            now = self._clock()
            self._set_flags(session, who, assignment, flags)
            session.add(SkipRow(assignment_id=assignment.id, reason=reason, created=now))
            assignment.state, assignment.acted = "skipped", now

    def flag(
        self,
        project: str,
        rater: str,
        assignment_id: int,
        response_id: str,
        kind: str,
        *,
        raised: bool = True,
    ) -> None:
        """Mark a response as `nonsense` or `unsafe`, or take the mark back with raised=False.

        Raises InputError for another kind, or a response that is not of this assignment.
        """
        with self._writing() as session:
            owner = queries.project_row(session, project)
            who = queries.rater_row(session, owner, rater, active=True)
            assignment = queries.own_assignment(session, owner, who, assignment_id, lock=True)
            ids = queries.ids_shown(session, assignment)
            ((number, kind),) = queries.ids_marked(ids, [(response_id, kind)], assignment_id)
            self._flag(session, who, number, kind, raised)

    def _set_flags(
        self,
        session: Session,
        who: RaterRow,
        assignment: AssignmentRow,
        flags: Collection[tuple[str, str]] | None,
    ) -> None:
        """Raise and lower flags until they are as wanted; None leaves them as they are."""
        if flags is None:
            return
        ids = queries.ids_shown(session, assignment)
        wanted = queries.ids_marked(ids, flags, assignment.id)
        for number, kind in sorted(wanted ^ queries.marked_now(session, who, ids.values())):
            self._flag(session, who, number, kind, (number, kind) in wanted)

    def _flag(self, session: Session, who: RaterRow, response: int, kind: str, raised: bool) -> None:
        row = FlagRow(response_id=response, rater_id=who.id, kind=kind, raised=raised, created=self._clock())
        session.add(row)

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
        self, session: Session, owner: ProjectRow, who: RaterRow, ranking: RankingRow, kind: str, ratings: int
    ) -> None:
        if not ratings:
            return
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

    def import_rankings(
        self,
        project: str,
        rankings: Iterable[Ranking],
        origins: Sequence[str] = (),
        digest: str = "",
        *,
        create: bool = False,
    ) -> int:
        """Add rankings made elsewhere, with their prompts, responses and raters; returns how many were new.

        One that is there already is left alone: the same rater on the same prompt, or the same `id`, which
        every export carries. A ranking without rater is an anonymous vote, and each one counts. `digest`
        names the whole batch: one that was imported before adds nothing. `origins` runs parallel to the
        rankings: where each one stands, which errors begin with. `create` makes a missing project with them.
        They cost nothing here: the ledger has no line for them. All or none.
        Raises InputError when one differs from the ranking this rater has given on this prompt.
        """
        with self._writing() as session:
            if create and session.scalar(queries.project_named(project)) is None:
                queries.new_project(session, queries.checked_rules(project), self._clock())
            owner = queries.project_row(session, project, lock=True)
            if digest:
                if queries.imported(session, owner, digest) is not None:
                    return 0
                session.add(ImportRow(project_id=owner.id, digest=digest, created=self._clock()))
            batch = importing.Batch(session, owner, self._clock())
            added = 0
            for number, ranking in enumerate(rankings):
                with queries.placed(origins[number] if origins else ""):
                    added += batch.add(ranking)
            return added

    def imported(self, project: str, digest: str) -> float | None:
        """When a batch of this digest was imported, in seconds since 1970; None when it never was."""
        with self._reading() as session:
            return queries.imported(session, queries.project_row(session, project), digest)

    def rankings(self, project: str) -> list[Ranking]:
        """The current ranking of every assignment, oldest first, without what was corrected or undone."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            return list(queries.current_rankings(session, owner))

    def history(self, project: str, rater: str, assignment_id: int) -> list[Revision]:
        """Everything a rater ever submitted for an assignment, oldest first."""
        with self._reading() as session:
            owner = queries.project_row(session, project)
            who = queries.rater_row(session, owner, rater)
            assignment = queries.own_assignment(session, owner, who, assignment_id)
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
