"""The texts and numbers that a function's code compares with: what a fuzzer calls its dictionary.

Read from code objects, of the function and of those of the user's own that it names: what it never runs, and
comments, are no part of them.
"""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from itertools import chain
from types import CodeType, FunctionType, MethodType
from typing import Any

MOST = 400
LONGEST = 120
MOST_ITEMS = 100
"""Members of one list, set or dict that are looked at."""
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Folders whose functions are not the user's own."""


def constants_of(function: Any) -> list[str | int | float]:
    """Constants in the order in which they are met, each once; at most `MOST`, texts of at most `LONGEST`."""
    found: dict[tuple[type, Any], str | int | float] = {}
    seen: set[int] = set()
    waiting = [function]
    while waiting and len(found) < MOST:
        value = waiting.pop(0)
        if isinstance(value, str) and len(value.strip()) > 0 and len(value) <= LONGEST:
            found.setdefault((str, value), value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            # What JSON cannot carry, or no reply would spell out, is left out.
            if abs(value) < 10**15:
                found.setdefault((type(value), value), value)
        elif id(value) not in seen:
            seen.add(id(value))
            waiting += _inside(value)
    return list(found.values())


def _inside(value: Any) -> list[Any]:
    """What a value that is no constant itself is made of, as far as it is the user's own."""
    if isinstance(value, Mapping):
        items = list(value.items())[:MOST_ITEMS]
        return list(chain.from_iterable(items))
    if isinstance(value, (tuple, list, set, frozenset)):
        # The order of a set of texts changes from process to process.
        members: Iterable[Any] = value if isinstance(value, (tuple, list)) else sorted(value, key=repr)
        return list(members)[:MOST_ITEMS]
    if isinstance(value, re.Pattern):
        return [value.pattern]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__func__, *_attributes(value.__self__)]
    if isinstance(value, CodeType):
        return _of_code(value, None)
    if isinstance(value, FunctionType):
        return _of_function(value)
    if isinstance(value, type):
        own = not _library(sys.modules.get(value.__module__), "")
        return [one for one in vars(value).values() if _useful(one)] if own else []
    call = getattr(type(value), "__call__", None)  # noqa: B004 - its code is wanted, not whether there is one
    return [call, *_attributes(value)] if isinstance(call, FunctionType) else []


def _attributes(value: Any) -> list[Any]:
    return list(filter(_useful, getattr(value, "__dict__", {}).values()))


def _of_function(function: FunctionType) -> list[Any]:
    if _library(None, function.__code__.co_filename):
        return []
    cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    named = [function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__]
    wrapped = getattr(function, "__wrapped__", None)
    known = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *cells, *named]
    return [*_of_code(function.__code__, function.__doc__), *filter(_useful, known), wrapped]


def _of_code(code: CodeType, doc: str | None) -> list[Any]:
    """The constants of a code object, nested ones too, without its docstring."""
    return [one for one in code.co_consts if one is not None and (doc is None or one != doc)]


def _names(code: CodeType) -> list[str]:
    """Global names that a code object and those inside of it read, in order."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return list(dict.fromkeys(chain(code.co_names, *map(_names, inner))))


def _useful(value: Any) -> bool:
    kinds = (str, int, float, list, tuple, set, frozenset, Mapping, re.Pattern, FunctionType, MethodType)
    if isinstance(value, (classmethod, staticmethod, type, functools.partial, *kinds)):
        return True
    return isinstance(getattr(type(value), "__call__", None), FunctionType)  # noqa: B004


def _library(module: Any, file: str) -> bool:
    """Whether code comes with Python or from an installed package."""
    name = file or str(getattr(module, "__file__", "") or "")
    return not name or name.startswith(("<", *LIBRARIES))


def is_library(file: str) -> bool:
    """Whether a file of code comes with Python or from an installed package."""
    return _library(None, file)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
