"""What an answer says, as a small frozen tree: values, lists, sets, intervals, matrices, relations, words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True)
class Number:
    """A rational number as it is written; `decimals` digits behind its point, -1 without a point.

    `base` is the base it is written in ("1010_2"), with its digits in `digits`.
    """

    value: Fraction
    decimals: int = -1
    base: int = 10
    digits: str = ""


@dataclass(frozen=True)
class Symbol:
    """A letter, a Greek letter, or a constant: pi, e, i, ∞, ℝ, ℤ, ∅."""

    name: str


@dataclass(frozen=True)
class Apply:
    """An operation on values or sets: + - * / ^ neg root log sin ! ± ∪ ∩ ∖ and so on."""

    operation: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True)
class Group:
    """Members between brackets: ( [ { ⟨, or none: a point, an interval, a set, a vector, a list.

    `joint` is the word that joins the last two of a list: "", "and", "or".
    """

    opening: str
    closing: str
    members: tuple[Tree, ...]
    joint: str = ""


@dataclass(frozen=True)
class Matrix:
    """Rows of values."""

    rows: tuple[tuple[Tree, ...], ...]


@dataclass(frozen=True)
class Relation:
    """Sides with the signs between them: x = 3, 1 < x ≤ 3, x ∈ S."""

    sides: tuple[Tree, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Quantity:
    """A value with its unit."""

    value: Tree
    unit: str


@dataclass(frozen=True)
class Words:
    """A text without mathematics, in lower case."""

    text: str


Tree: TypeAlias = Number | Symbol | Apply | Group | Matrix | Relation | Quantity | Words

LOG_BASE = "log base"
"""The base of a logarithm that is written without one: e or 10."""
CONSTANTS = frozenset(("pi", "e", "i", "∞", "ℝ", "ℤ", "ℕ", "ℚ", "ℂ", "∅", LOG_BASE))


def parts(tree: Tree) -> tuple[Tree, ...]:
    """The trees directly below one."""
    if isinstance(tree, Apply):
        return tree.arguments
    if isinstance(tree, Group):
        return tree.members
    if isinstance(tree, Matrix):
        return tuple(cell for row in tree.rows for cell in row)
    if isinstance(tree, Relation):
        return tree.sides
    return (tree.value,) if isinstance(tree, Quantity) else ()


def walk(tree: Tree) -> Iterator[Tree]:
    """The tree and all below it."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += parts(one)


def names(tree: Tree) -> set[str]:
    """The letters in a tree that stand for no constant."""
    found = (one.name for one in walk(tree) if isinstance(one, Symbol))
    return {name for name in found if name not in CONSTANTS}


def replaced(tree: Tree, name: str, value: Tree) -> Tree:
    """The tree with a value in place of a letter."""
    if isinstance(tree, Symbol):
        return value if tree.name == name else tree
    if isinstance(tree, Apply):
        return Apply(tree.operation, tuple(replaced(one, name, value) for one in tree.arguments))
    if isinstance(tree, Group):
        members = tuple(replaced(one, name, value) for one in tree.members)
        return Group(tree.opening, tree.closing, members, tree.joint)
    if isinstance(tree, Relation):
        return Relation(tuple(replaced(one, name, value) for one in tree.sides), tree.signs)
    if isinstance(tree, Matrix):
        return Matrix(tuple(tuple(replaced(cell, name, value) for cell in row) for row in tree.rows))
    if isinstance(tree, Quantity):
        return Quantity(replaced(tree.value, name, value), tree.unit)
    return tree


def decimals_of(tree: Tree) -> int:
    """Digits behind the point of a decimal, -1 for anything else."""
    while isinstance(tree, Apply) and tree.operation == "neg":
        tree = tree.arguments[0]
    return tree.decimals if isinstance(tree, Number) else -1
