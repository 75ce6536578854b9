"""Projects and imported rankings have identities; links, sessions and undos are known to the database.

Revision 0003, after 0002.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and tables; every project gets an identity."""
    connection = op.get_bind()
    op.add_column("projects", sa.Column("uid", sa.String(), nullable=False, server_default=""))
    for (number,) in connection.execute(sa.text("SELECT id FROM projects")).all():
        named = {"uid": secrets.token_hex(8), "id": number}
        connection.execute(sa.text("UPDATE projects SET uid = :uid WHERE id = :id"), named)
    op.add_column("raters", sa.Column("link", sa.String(), nullable=True))
    op.add_column("raters", sa.Column("link_expires", sa.Double(), nullable=True))
    op.add_column("rankings", sa.Column("source", sa.String(), nullable=True))
    op.create_index("ix_rankings_project_id_source", "rankings", ["project_id", "source"], unique=False)
    op.create_table(
        "undos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("rater_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name="fk_undos_assignment_id_assignments"
        ),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.id"], name="fk_undos_rater_id_raters"),
        sa.PrimaryKeyConstraint("id", name="pk_undos"),
        sa.UniqueConstraint("rater_id", "key", name="uq_undos_rater_id_key"),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_imports_project_id_projects"),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
        sa.UniqueConstraint("project_id", "digest", name="uq_imports_project_id_digest"),
    )
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_ended_sessions_project_id_projects"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ended_sessions"),
        sa.UniqueConstraint("project_id", "nonce", name="uq_ended_sessions_project_id_nonce"),
    )
    if connection.dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER undos_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON undos "
            "FOR EACH STATEMENT EXECUTE FUNCTION practicum_append_only()"
        )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER undos_append_only_{event.lower()} BEFORE {event} ON undos "
            "BEGIN SELECT RAISE(ABORT, 'undos is append-only'); END"
        )
