"""JSON that a model wrote, and the part of JSON Schema that says whether it has a form.

Source: JSON Schema, draft 2020-12 (validation vocabulary). Keywords that are not known are refused when the
schema is read, so that none is passed over; those that only describe are allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isfinite
from typing import Any
from urllib.parse import unquote

DESCRIBES = {"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default"}
DESCRIBES |= {"examples", "deprecated", "readOnly", "writeOnly"}
HOLD_ONE = ("items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames")
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and value == int(value),
}
FENCE = re.compile(r"```(?:json)?[ \t]*\r?\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)


def parsed(text: str) -> Any:
    """The value that a whole text holds, alone or in one fenced block.

    Raises ValueError for anything else: text around it, a name twice in an object, NaN, numbers without end.
    """
    text = text.strip()
    fenced = FENCE.fullmatch(text)
    try:
        return json.loads(
            fenced[1] if fenced else text,
            object_pairs_hook=_object,
            parse_constant=_refused,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def schema_of(given: Any) -> Any:
    """A schema, or one written as JSON, that was checked. Raises ValueError where it is none."""
    try:
        schema = json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise ValueError(f"schema: {error}") from None
    check_schema(schema)
    return schema


def check_schema(schema: Any, path: str = "schema", root: Any = None) -> None:
    """Raise ValueError for a schema with a keyword that is not known, or with a value it cannot have; `root`
    is what $ref points into, the schema itself if none is given.
    """
    root = schema if root is None else root
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ValueError(f"{path}: expected an object, got {schema!r:.60}")
    for name, value in schema.items():
        if name not in DESCRIBES and name not in KEYWORDS and name not in ("then", "else"):
            raise ValueError(f"{path}: unknown keyword {name!r}")
        for names, wanted, holds in VALUES:
            if name in names and not holds(value):
                raise ValueError(f"{path}.{name}: expected {wanted}, got {value!r:.60}")
        inner: Mapping[str, Any] = {}
        if name in ("properties", "$defs", "definitions", "patternProperties"):
            inner = {f"{path}.{name}.{key}": item for key, item in value.items()}
        elif name in ("anyOf", "allOf", "oneOf", "prefixItems"):
            inner = {f"{path}.{name}[{place}]": item for place, item in enumerate(value)}
        elif name in HOLD_ONE:
            inner = {f"{path}.{name}": value}
        elif name == "type" and not set([value] if isinstance(value, str) else value) <= set(TYPES):
            raise ValueError(f"{path}: unknown type {value!r}")
        elif name == "$ref":
            _pointed(value, root, path)
        patterns = [value] if name == "pattern" else value if name == "patternProperties" else ()
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{path}.{name}: {error}") from None
        for place, item in inner.items():
            check_schema(item, place, root)


def fits(value: Any, schema: Any, root: Any) -> bool:
    """Whether a value has the form that a checked schema asks for; `root` is what $ref points into."""
    if isinstance(schema, bool):
        return schema
    return all(
        KEYWORDS[name](value, wanted, schema, root) for name, wanted in schema.items() if name in KEYWORDS
    )


def equal(one: Any, other: Any) -> bool:
    """Whether two values of JSON are equal: 1 is 1.0, and neither is true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _type(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    return any(TYPES[name](value) for name in ([wanted] if isinstance(wanted, str) else wanted))


def _properties(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    return not isinstance(value, dict) or all(
        fits(value[name], inner, root) for name, inner in wanted.items() if name in value
    )


def _patterns(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    return not isinstance(value, dict) or all(
        fits(item, inner, root)
        for pattern, inner in wanted.items()
        for name, item in value.items()
        if re.search(pattern, name)
    )


def _additional(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    if not isinstance(value, dict):
        return True
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    others = [
        item
        for name, item in value.items()
        if name not in known and not any(re.search(pattern, name) for pattern in patterns)
    ]
    return all(fits(item, wanted, root) for item in others)


def _items(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    first = len(schema.get("prefixItems", ()))
    return not isinstance(value, list) or all(fits(item, wanted, root) for item in value[first:])


def _prefix(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    return not isinstance(value, list) or all(
        fits(item, inner, root) for item, inner in zip(value, wanted, strict=False)
    )


def _unique(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    if not wanted or not isinstance(value, list):
        return True
    return not any(equal(one, other) for place, one in enumerate(value) for other in value[:place])


def _reference(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    return fits(value, _pointed(wanted, root, "schema"), root)


def _pointed(wanted: str, root: Any, path: str) -> Any:
    """What a $ref points at. Raises ValueError where that is nothing in the schema."""
    found = root
    try:
        if not wanted.startswith("#") or wanted[1:2] not in ("", "/"):
            raise KeyError(wanted)
        for part in wanted[2:].split("/") if wanted[1:] else ():
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
    except (LookupError, ValueError, TypeError):
        raise ValueError(f"{path}: $ref {wanted!r} points at nothing in the schema") from None
    return found


def _condition(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
    return fits(value, schema.get("then" if fits(value, wanted, root) else "else", True), root)


def _bound(kind: type | tuple[type, ...], test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """A keyword that holds for values of one kind only; all others fit."""

    def keyword(value: Any, wanted: Any, schema: Any, root: Any) -> bool:
        return not isinstance(value, kind) or isinstance(value, bool) or test(value, wanted)

    return keyword


NUMBER = (int, float)
COUNTS = ("minProperties", "maxProperties", "minItems", "maxItems", "minLength", "maxLength")
VALUES: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (COUNTS, "a whole number from 0", lambda value: TYPES["integer"](value) and value >= 0),
    (
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        "a number",
        lambda value: _is_number(value),
    ),
    (("multipleOf",), "a number above 0", lambda value: _is_number(value) and value > 0),
    (("pattern", "$ref"), "a text", lambda value: isinstance(value, str)),
    (("enum",), "a list", lambda value: isinstance(value, list)),
    (("uniqueItems",), "true or false", lambda value: isinstance(value, bool)),
    (("required",), "a list of names", lambda value: _are_texts(value)),
    (("type",), "a name or a list of names", lambda value: isinstance(value, str) or _are_texts(value)),
    (("anyOf", "allOf", "oneOf", "prefixItems"), "a list of schemas", lambda value: isinstance(value, list)),
    (
        ("properties", "patternProperties", "$defs", "definitions"),
        "an object",
        lambda value: isinstance(value, dict),
    ),
)
"""What keywords may have as their value."""
KEYWORDS: Mapping[str, Callable[[Any, Any, Any, Any], bool]] = {
    "type": _type,
    "enum": lambda value, wanted, schema, root: any(equal(value, one) for one in wanted),
    "const": lambda value, wanted, schema, root: equal(value, wanted),
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _additional,
    "propertyNames": lambda value, wanted, schema, root: (
        not isinstance(value, dict) or all(fits(name, wanted, root) for name in value)
    ),
    "required": _bound(dict, lambda value, wanted: set(wanted) <= value.keys()),
    "minProperties": _bound(dict, lambda value, wanted: len(value) >= wanted),
    "maxProperties": _bound(dict, lambda value, wanted: len(value) <= wanted),
    "items": _items,
    "prefixItems": _prefix,
    "contains": lambda value, wanted, schema, root: (
        not isinstance(value, list) or any(fits(item, wanted, root) for item in value)
    ),
    "minItems": _bound(list, lambda value, wanted: len(value) >= wanted),
    "maxItems": _bound(list, lambda value, wanted: len(value) <= wanted),
    "uniqueItems": _unique,
    "minimum": _bound(NUMBER, lambda value, wanted: value >= wanted),
    "maximum": _bound(NUMBER, lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _bound(NUMBER, lambda value, wanted: value > wanted),
    "exclusiveMaximum": _bound(NUMBER, lambda value, wanted: value < wanted),
    # As the numbers are written: 0.3 is a multiple of 0.1, which their floats are not.
    "multipleOf": _bound(NUMBER, lambda value, wanted: Fraction(str(value)) % Fraction(str(wanted)) == 0),
    "minLength": _bound(str, lambda value, wanted: len(value) >= wanted),
    "maxLength": _bound(str, lambda value, wanted: len(value) <= wanted),
    "pattern": _bound(str, lambda value, wanted: re.search(wanted, value) is not None),
    "anyOf": lambda value, wanted, schema, root: any(fits(value, one, root) for one in wanted),
    "allOf": lambda value, wanted, schema, root: all(fits(value, one, root) for one in wanted),
    "oneOf": lambda value, wanted, schema, root: sum(fits(value, one, root) for one in wanted) == 1,
    "not": lambda value, wanted, schema, root: not fits(value, wanted, root),
    "if": _condition,
    "$ref": _reference,
}
