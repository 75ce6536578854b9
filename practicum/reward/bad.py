"""What a worker tells its parent in one line, without a traceback: the words say it all."""

from __future__ import annotations


class BadFunction(Exception):  # noqa: N818 - told to the parent as text
    """A function that cannot be called."""


class BadReward(Exception):  # noqa: N818 - told to the parent as text
    """What a function returned is no reward, or a sample is none that it can judge."""
