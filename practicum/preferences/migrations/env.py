"""What Alembic runs for a migration: on the connection that `database.migrate` hands over, nothing else."""

from __future__ import annotations

from alembic import context

from practicum.preferences.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # The caller's transaction holds the lock that keeps two processes from migrating at once.
    transactional_ddl=False,
)
context.run_migrations()
