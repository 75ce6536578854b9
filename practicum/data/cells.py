"""A cell of a table as people write it."""

from __future__ import annotations


def as_written(value: object) -> str:
    """A value as text; a whole number without `.0`, also from a column of floats (18.0 is "18")."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
