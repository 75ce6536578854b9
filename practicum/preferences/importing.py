"""Rankings made elsewhere come into a project: each one once, whoever made it and however often it is sent.

A ranking is known again by its rater and prompt, or by its id, which exports carry: `UID:NUMBER`, the project
it was made in and its row there. A pair of a ranking, as TRL's format has them, adds a digest of the pair to
that, after a space. Without rater and id a ranking is an anonymous vote; two votes alike are two votes.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from practicum.errors import InputError
from practicum.preferences import queries
from practicum.preferences.records import NewPrompt
from practicum.preferences.schema import (
    AssignmentRow,
    FlagRow,
    ProjectRow,
    PromptRow,
    RankingRow,
    RaterRow,
    ResponseRow,
)
from practicum.types import Ranking


class Batch:
    """What an import needs to know of its project, read once; `add` takes the rankings one by one."""

    def __init__(self, session: Session, owner: ProjectRow, now: float) -> None:
        self._session, self._owner, self._now = session, owner, now
        self._prompts = queries.prompts_by_key(session, owner)
        self._raters: dict[str, RaterRow] = {}
        found = select(RankingRow.source, RankingRow.id).where(
            RankingRow.project_id == owner.id, RankingRow.source.is_not(None)
        )
        self._sources = {str(source): number for source, number in session.execute(found)}
        self._whole = {source.partition(" ")[0] for source in self._sources}

    def add(self, ranking: Ranking) -> int:
        """Add a ranking unless it is known; returns 1 for a new one.

        Raises InputError for a ranking that cannot be kept or that contradicts the one that is known.
        """
        for kind in {kind for kinds in ranking.flags for kind in kinds}:
            queries.check_text(kind, "flags")
        if self._known(ranking):
            return 0
        queries.check_text(ranking.prompt.text, "prompt")
        responses = queries.with_ids(ranking.responses)
        key = ranking.prompt_id or queries.digest(
            ranking.prompt.text, *sorted(item.text for item in responses)
        )
        item = NewPrompt(ranking.prompt, responses, key)
        queries.add_prompt(self._session, self._owner, self._prompts, item, self._now)
        prompt = self._prompts[key]
        found = select(ResponseRow.key, ResponseRow.id).where(ResponseRow.prompt_id == prompt.id)
        ids = dict(self._session.execute(found).all())
        if len(ids) != len(responses):
            raise InputError(
                f"prompt {key!r} has {len(ids)} responses, this ranking places {len(responses)}: "
                "give it another prompt_id"
            )
        shown = [ids[response.id] for response in responses]
        who = self._rater(ranking.rater) if ranking.rater else self._anonymous(prompt)
        mine = (AssignmentRow.prompt_id == prompt.id) & (AssignmentRow.rater_id == who.id)
        assignment = self._session.scalar(select(AssignmentRow).where(mine))
        if assignment is None:
            self._keep(ranking, prompt, who, shown)
            return 1
        head = queries.head_ranking(self._session, assignment.id)
        given = dict(zip(shown, ranking.ranks, strict=True))
        if head is None or dict(zip(head.shown, head.ranks, strict=True)) != given:
            raise InputError(f"rater {who.name!r} has another ranking of prompt {key!r} in this project")
        return 0

    def _known(self, ranking: Ranking) -> bool:
        """Whether the project has this ranking, by its id; raises InputError if it has it otherwise."""
        if not ranking.id:
            return False
        queries.check_text(ranking.id, "id")
        whole, _, pair = ranking.id.partition(" ")
        uid, _, number = whole.partition(":")
        row = None
        if uid == self._owner.uid and number.isascii() and number.isdecimal() and len(number) < 10:
            own = (RankingRow.project_id == self._owner.id) & (RankingRow.id == int(number))
            row = self._session.scalar(select(RankingRow).where(own))
        for source in (whole, ranking.id):
            if row is None and source in self._sources:
                row = self._session.get(RankingRow, self._sources[source])
        if row is not None and not self._agrees(row, ranking):
            raise InputError(
                f"ranking {whole} is in project {self._owner.name!r} with another order: "
                "take its id out of the row to add it as a new one"
            )
        return row is not None or (not pair and whole in self._whole)

    def _agrees(self, row: RankingRow, ranking: Ranking) -> bool:
        """Whether a row of the project orders the texts as `ranking` does, which may be a pair of it."""
        found = select(ResponseRow.id, ResponseRow.text).where(ResponseRow.id.in_(row.shown))
        texts = dict(self._session.execute(found).all())
        ours = [(texts[number], rank) for number, rank in zip(row.shown, row.ranks, strict=True)]
        given = [(one.text, rank) for one, rank in zip(ranking.responses, ranking.ranks, strict=True)]
        return _orders(given) <= _orders(ours) and (" " in ranking.id or sorted(given) == sorted(ours))

    def _rater(self, name: str) -> RaterRow:
        queries.check_text(name, "rater name", filled=True)
        if name not in self._raters:
            self._raters[name] = queries.made_rater(self._session, self._owner, name, {}, self._now)
        return self._raters[name]

    def _anonymous(self, prompt: PromptRow) -> RaterRow:
        """A nameless rater who has not ranked this prompt: as many are kept as one prompt has votes."""
        found = select(AssignmentRow.rater_id).where(AssignmentRow.prompt_id == prompt.id)
        taken = set(self._session.scalars(found))
        number = 1
        while True:
            name = f"anonymous-{number}"
            if name not in self._raters:
                self._raters[name] = queries.made_rater(
                    self._session, self._owner, name, {"anonymous": True}, self._now
                )
            row = self._raters[name]
            if row.id not in taken and row.data.get("anonymous"):
                return row
            number += 1

    def _keep(self, ranking: Ranking, prompt: PromptRow, who: RaterRow, shown: list[int]) -> None:
        when = self._now if ranking.time is None else ranking.time
        assignment = AssignmentRow(
            project_id=self._owner.id,
            prompt_id=prompt.id,
            rater_id=who.id,
            shown=shown,
            state="done",
            leased=when,
            expires=when,
            acted=when,
        )
        self._session.add(assignment)
        self._session.flush()
        row = RankingRow(
            project_id=self._owner.id,
            assignment_id=assignment.id,
            shown=shown,
            ranks=list(ranking.ranks),
            retracted=False,
            seconds=ranking.seconds,
            created=when,
            source=ranking.id or None,
        )
        self._session.add(row)
        self._session.add_all(
            FlagRow(response_id=response, rater_id=who.id, kind=kind, raised=True, created=when)
            for response, kinds in zip(shown, ranking.flags, strict=False)
            for kind in kinds
        )
        self._session.flush()
        if ranking.id:
            self._sources[ranking.id] = row.id
            self._whole.add(ranking.id.partition(" ")[0])


def _orders(ranked: list[tuple[str, int]]) -> set[tuple[str, str]]:
    """(better, worse) texts of every pair that is no tie."""
    return {(better, worse) for better, high in ranked for worse, low in ranked if high < low}
