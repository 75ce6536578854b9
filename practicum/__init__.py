"""Teach a language model the way people learn, and show honestly what it learned.

`import practicum as pr`: `pr.train`, `pr.Policy`, `pr.verify` and `pr.find_exploits` (`practicum.api`). They
are loaded when they are first used; importing the package loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from practicum.api import Policy, find_exploits, train, verify

__version__ = "0.1.0"
__all__ = ["Policy", "__version__", "find_exploits", "train", "verify"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("practicum.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
