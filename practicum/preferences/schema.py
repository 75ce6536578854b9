"""The tables of a preference store, the same on SQLite and PostgreSQL.

Rankings, flags, skips, payments and undos are append-only: migrations 0002 and 0003 add triggers that refuse
to change or delete their rows. Money is kept in whole millionths of a dollar, times in seconds since 1970
(UTC).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# The newest migration; a database that names another one is older (upgraded) or newer (refused).
HEAD = "0003"

APPEND_ONLY = ("rankings", "flags", "skips", "payments", "undos")


class Base(DeclarativeBase):
    """Common settings of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, list[int]: JSON, float: Double}  # noqa: RUF012


class ProjectRow(Base):
    """A set of prompts that people rank under one set of rules.

    `uid` is random, so that a ranking exported from this project is known again wherever it comes back.
    """

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    instructions: Mapped[str]
    overlap: Mapped[int]
    price_micros: Mapped[int] = mapped_column(BigInteger)
    lease_seconds: Mapped[float]
    created: Mapped[float]


class PromptRow(Base):
    """A prompt; `overlap` None means the project's, a higher `priority` is leased first."""

    __tablename__ = "prompts"
    __table_args__ = (UniqueConstraint("project_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    key: Mapped[str]
    text: Mapped[str]
    data: Mapped[dict[str, Any]]
    overlap: Mapped[int | None]
    priority: Mapped[float]
    created: Mapped[float]


class ResponseRow(Base):
    """A response to a prompt; `place` is its place in the order in which it was added."""

    __tablename__ = "responses"
    __table_args__ = (UniqueConstraint("prompt_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"))
    key: Mapped[str]
    place: Mapped[int]
    text: Mapped[str]
    model: Mapped[str]
    checkpoint: Mapped[str]
    sampling: Mapped[dict[str, Any]]
    attributes: Mapped[dict[str, Any]]


class RaterRow(Base):
    """A person, or a simulated one, who ranks within one project.

    `link` and `link_expires` are the newest personal link, the only one that is good. A null link is of the
    time before links could be cancelled: any that was signed is good until a new one is made.
    """

    __tablename__ = "raters"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    active: Mapped[bool]
    data: Mapped[dict[str, Any]]
    created: Mapped[float]
    link: Mapped[str | None]
    link_expires: Mapped[float | None]


class AssignmentRow(Base):
    """A prompt given to a rater, once ever; `shown` holds response row ids in the order on the screen.

    `state` is `open` (a lease until `expires`), `done` or `skipped`. `acted` is when it last changed state.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("prompt_id", "rater_id"),
        Index(None, "project_id", "state"),
        Index(None, "rater_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"))
    rater_id: Mapped[int] = mapped_column(ForeignKey("raters.id"))
    shown: Mapped[list[int]]
    state: Mapped[str]
    leased: Mapped[float]
    expires: Mapped[float]
    acted: Mapped[float | None]


class RankingRow(Base):
    """One submission: `ranks` runs parallel to `shown` (response row ids), 1 is best, equal is a tie.

    A correction `supersedes` an earlier row, and so does an undo, whose `retracted` is true; each row is
    superseded at most once and each assignment has one first row, so its rows form one chain. `source` is
    the identity under which an imported ranking was exported elsewhere.
    """

    __tablename__ = "rankings"
    __table_args__ = (
        Index(
            "uq_rankings_first",
            "assignment_id",
            unique=True,
            sqlite_where=text("supersedes IS NULL"),
            postgresql_where=text("supersedes IS NULL"),
        ),
        Index(None, "project_id"),
        Index(None, "project_id", "source"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("rankings.id"), unique=True)
    shown: Mapped[list[int]]
    ranks: Mapped[list[int]]
    retracted: Mapped[bool]
    seconds: Mapped[float | None]
    created: Mapped[float]
    source: Mapped[str | None]


class FlagRow(Base):
    """A rater's mark on a response (`nonsense`, `unsafe`); the newest row of a kind counts."""

    __tablename__ = "flags"
    __table_args__ = (Index(None, "response_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    response_id: Mapped[int] = mapped_column(ForeignKey("responses.id"))
    rater_id: Mapped[int] = mapped_column(ForeignKey("raters.id"))
    kind: Mapped[str]
    raised: Mapped[bool]
    created: Mapped[float]


class SkipRow(Base):
    """A rater would not rank a prompt, and why."""

    __tablename__ = "skips"
    __table_args__ = (Index(None, "assignment_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    reason: Mapped[str]
    created: Mapped[float]


class PaymentRow(Base):
    """A line of the ledger: `earned` for a ranking, `reversed` for an undone one, `paid` out to a rater.

    One rating is one response placed; amounts earned are positive, reversed and paid ones negative, so the
    sum over a rater is what is owed.
    """

    __tablename__ = "payments"
    __table_args__ = (Index(None, "project_id", "rater_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    rater_id: Mapped[int] = mapped_column(ForeignKey("raters.id"))
    ranking_id: Mapped[int | None] = mapped_column(ForeignKey("rankings.id"))
    kind: Mapped[str]
    ratings: Mapped[int]
    amount_micros: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[float]


class UndoRow(Base):
    """A rater took an assignment back; `key` is what the request was known by, so that it is done once."""

    __tablename__ = "undos"
    __table_args__ = (UniqueConstraint("rater_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    rater_id: Mapped[int] = mapped_column(ForeignKey("raters.id"))
    key: Mapped[str | None]
    created: Mapped[float]


class ImportRow(Base):
    """A file that was imported whole, by the digest of its rows."""

    __tablename__ = "imports"
    __table_args__ = (UniqueConstraint("project_id", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    digest: Mapped[str]
    created: Mapped[float]


class EndedSessionRow(Base):
    """A session that was logged out of before it ran out; kept until `expires`."""

    __tablename__ = "ended_sessions"
    __table_args__ = (UniqueConstraint("project_id", "nonce"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    nonce: Mapped[str]
    expires: Mapped[float]
