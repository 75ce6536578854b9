"""Matrices among the trees of answers: their rows, factors and sums of them, their determinants."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from practicum.exact.maths_trees import Apply, Group, Matrix, Number, Symbol, Tree, walk

_ONE, _NONE = Number(Fraction(1)), Number(Fraction(0))


def rows_of(tree: Tree) -> list[list[Tree]] | None:
    """The rows of a matrix or a list of lists; a point is one row. None for anything else."""
    if isinstance(tree, Matrix):
        return [list(row) for row in tree.rows]
    if not isinstance(tree, Group) or tree.opening not in ("(", "[", "⟨", "{", ""):
        return None
    inner = [one for one in tree.members if isinstance(one, Group) and one.opening in ("(", "[", "{", "⟨")]
    if len(inner) == len(tree.members):
        return [list(one.members) for one in inner]
    return [list(tree.members)] if not inner and tree.opening in ("(", "[", "⟨") else None


_AXES = (("i", "j", "k"), ("i_hat", "j_hat", "k_hat"))


def as_vector(tree: Tree, other: Tree) -> Tree:
    """2i - j + 4k as ⟨2, -1, 4⟩ where another answer is a vector with as many parts; else the tree itself."""
    rows = rows_of(other)
    if rows is None or not isinstance(tree, Apply):
        return tree
    size = len(rows[0]) if len(rows) == 1 else len(rows)
    terms = tree.arguments if tree.operation == "+" else (tree,)
    for axes in _AXES:
        found = [_along(term, axes[:size]) for term in terms]
        parts = dict(one for one in found if one is not None)
        # A term with i alone may be an imaginary number, and one with k a whole number's.
        is_vector = "j" in parts or axes is not _AXES[0]
        if size in (2, 3) and len(parts) == len(terms) and is_vector:
            return Group("⟨", "⟩", tuple(parts.get(axis, _NONE) for axis in axes[:size]))
    return tree


def _along(term: Tree, axes: Sequence[str]) -> tuple[str, Tree] | None:
    """The axis of a term and its factor; None where it has none of these axes, or not as a factor."""
    if isinstance(term, Symbol):
        return (term.name, _ONE) if term.name in axes else None
    if not isinstance(term, Apply) or term.operation not in ("neg", "*", "/"):
        return None
    held = [
        place for place, one in enumerate(term.arguments) if {Symbol(axis) for axis in axes} & set(walk(one))
    ]
    found = _along(term.arguments[held[0]], axes) if len(held) == 1 else None
    if found is None or (term.operation == "/" and held != [0]):
        return None
    factors = tuple(found[1] if place in held else one for place, one in enumerate(term.arguments))
    return found[0], Apply(term.operation, factors)


def spread(tree: Tree) -> Tree:
    """A matrix in place of a number times a matrix and of a sum of matrices; else the tree itself."""
    if not isinstance(tree, Apply):
        return tree
    arguments = [spread(one) for one in tree.arguments]
    matrices = [one for one in arguments if isinstance(one, Matrix)]
    if tree.operation == "abs" and matrices:
        return _determinant(matrices[0])
    if tree.operation == "^" and tree.arguments[1] == Symbol("T"):
        base = arguments[0]
        if isinstance(base, Matrix):
            return Matrix(tuple(zip(*base.rows, strict=True)))
        if isinstance(base, Group) and base.opening in ("(", "[") and base.closing in (")", "]"):
            return Matrix(tuple((one,) for one in base.members))
    if not matrices:
        return tree
    if (
        tree.operation in ("*", "/", "neg")
        and len(matrices) == 1
        and (tree.operation != "/" or arguments[0] is matrices[0])
    ):
        place = next(place for place, one in enumerate(arguments) if isinstance(one, Matrix))

        def with_factor(cell: Tree) -> Tree:
            return Apply(
                tree.operation, tuple(cell if index == place else one for index, one in enumerate(arguments))
            )

        return Matrix(tuple(tuple(with_factor(cell) for cell in row) for row in matrices[0].rows))
    shapes = {(len(one.rows), len(one.rows[0])) for one in matrices}
    if tree.operation == "+" and len(matrices) == len(arguments) and len(shapes) == 1:
        return Matrix(
            tuple(
                tuple(Apply("+", cells) for cells in zip(*rows, strict=True))
                for rows in zip(*(one.rows for one in matrices), strict=True)
            )
        )
    return tree


def _determinant(matrix: Matrix) -> Tree:
    rows = matrix.rows
    if len(rows) != len(rows[0]) or len(rows) > 4:
        return Apply("abs", (matrix,))
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Tree] = []
    for place, cell in enumerate(rows[0]):
        minor = Matrix(
            tuple(tuple(one for index, one in enumerate(row) if index != place) for row in rows[1:])
        )
        term: Tree = Apply("*", (cell, _determinant(minor)))
        terms.append(Apply("neg", (term,)) if place % 2 else term)
    return Apply("+", tuple(terms))
