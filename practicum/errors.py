"""The one exception for bad input: the command line prints its single line and exits with code 2."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input from a person: one line naming the file, line or field, what was expected, what to do."""
