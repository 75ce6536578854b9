"""A user's own Python file or module, imported: one way for tasks, rewards and potentials.

Nothing heavy is imported here, since the process that holds a reward function starts with it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any


def load_file(path: Path) -> ModuleType:
    """A .py file as a module, as if it were run: those beside it are found first. Raises what it raises."""
    see_first(path.resolve().parent)
    name = _free_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:  # half a module must not be found by the next import
        del sys.modules[name]
        raise
    return module


def load_module(name: str) -> ModuleType:
    """An importable module, seen from the current folder. Raises what importing it raises."""
    see_first(Path.cwd())
    return importlib.import_module(name)


def named(module: ModuleType, name: str) -> Any:
    """What a module holds under a name, with dots for what is inside. Raises AttributeError without it."""
    return reduce(getattr, name.split("."), module)


def see_first(folder: Path) -> None:
    """Look for modules in a folder before all others."""
    place = str(folder)
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)


def _free_name(path: Path) -> str:
    """A file's own name, or one that no other module has."""
    known = getattr(sys.modules.get(path.stem), "__file__", None)
    if path.stem not in sys.modules or (known and os.path.realpath(known) == os.path.realpath(path)):
        return path.stem
    return f"_{path.stem}_{hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:12]}"
