r"""Whether two answers say the same: numbers by value, expressions by identity, lists and sets by members.

Equations are the same by their solutions. What is equal to what is stated in docs/verifier.md.

Expressions are compared at points: rational numbers drawn by the letters' names, exactly where the values are
rational, else by balls (`balls.py`). Different values prove that expressions differ; equal values at every
point are taken for identity.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor
from random import Random

from practicum.exact import balls, realline
from practicum.exact.balls import NoValueError, Point
from practicum.exact.expression import LimitError
from practicum.exact.labels import Labelled, by_name, is_tuple_of_names, unlabelled
from practicum.exact.maths_trees import (
    LOG_BASE,
    Apply,
    Group,
    Matrix,
    Number,
    Quantity,
    Relation,
    Symbol,
    Tree,
    Words,
    decimals_of,
    names,
    replaced,
    walk,
)
from practicum.exact.matrices import as_vector, rows_of, spread
from practicum.exact.measures import measure
from practicum.exact.members import members_of
from practicum.exact.numerators import numerator
from practicum.exact.piecewise import is_piecewise, same_pieces
from practicum.exact.realline import NotASetError, is_region, same_region

ROUNDED_FROM = 6
"""Digits behind the point from which on a decimal stands for every number that rounds to it."""
MAX_NAMES = 12
_RANGES = ((1, 3), (3, 9), (-2, 3), (-9, -1), (0, 1), (8, 40))
_WHOLE = ((2, 9), (3, 12), (5, 20), (1, 6), (10, 30), (4, 15))
_INTEGER_NAMES = frozenset("nkmNj")
_COUNTERS = frozenset("nkm")
_BRANCHED = frozenset(("root", "ln", "log", "^"))
"""Operations that may leave the real line."""
_BENT = frozenset(("abs", "min", "max", "floor", "ceil", "sgn", "root"))
"""Operations whose values may agree on one side of a number only."""
_SYMBOL = re.compile(r"[A-Za-zµμΩ]{1,3}(?:[/*^ -][\wµμΩ/*^ -]*)?")
"""A unit as a symbol, in which case counts."""
_ANGLES = {(("angle", 1),), (("radian", 1),)}
"""Degrees and radians."""
MOST_BEYOND = 10**12
"""Largest number in an expression beyond which it is looked at."""


def same(gold: Tree, given: Tree) -> bool:
    """Whether an answer's tree says what the gold tree says. Raises LimitError where that takes too long."""
    if gold == given:
        return True
    has_log = any(one == Symbol(LOG_BASE) for tree in (gold, given) for one in walk(tree))
    return any(_Comparison(common_log).same(gold, given) for common_log in (False, True)[: 1 + has_log])


class _Comparison:
    """The rules, with one meaning of log."""

    def __init__(self, common_log: bool) -> None:
        self.common_log = common_log
        self.work = 0

    def same(self, gold: Tree, given: Tree) -> bool:
        self.work += 1
        if self.work > 600:
            raise LimitError("too many members to be compared")
        if gold == given:
            return True
        gold, given = _plain(gold), _plain(given)
        had_ordinal = isinstance(gold, Apply) and gold.operation == "th"
        if isinstance(gold, Words) or isinstance(given, Words):
            return gold == given
        if is_piecewise(gold) and is_piecewise(given):
            return same_pieces(gold, given, self.same)
        gold, given = as_vector(gold, given), as_vector(given, gold)
        for rule in (self._congruences, self._regions, self._named):
            found = rule(gold, given)
            if found is not None:
                return found
        if isinstance(gold, Relation) or isinstance(given, Relation):
            return self._relations(gold, given)
        if isinstance(gold, Matrix) or isinstance(given, Matrix):
            return self._matrices(gold, given)
        if isinstance(gold, Apply) and gold.operation == "≈":
            return self._is_estimate(gold.arguments[0], _without(given, "≈"))
        given = _without(given, "≈")
        gold = _without(gold, "th") if isinstance(gold, Apply) and gold.operation == "th" else gold
        given = _without(given, "th") if had_ordinal else given
        golds, givens = members_of(gold), members_of(given)
        if len(golds) != 1 or len(givens) != 1 or isinstance(gold, Group) or isinstance(given, Group):
            return self._lists(gold, given, golds, givens)
        return self._quantities(golds[0], givens[0])

    # -- sets on the line and relations ------------------------------------------------------------------

    def _congruences(self, gold: Tree, given: Tree) -> bool | None:
        gold, given = _as_congruence(gold, given), _as_congruence(given, gold)
        both = [tree for tree in (gold, given) if isinstance(tree, Relation) and tree.signs[:1] == ("≡",)]
        if not both:
            return None
        if len(both) < 2 or not isinstance(gold, Relation) or not isinstance(given, Relation):
            return False
        if len(gold.sides) != 3 or len(given.sides) != 3 or gold.sides[0] != given.sides[0]:
            return False
        values = [balls.exact(side) for side in (*gold.sides[1:], *given.sides[1:])]
        if any(value is None or value.denominator != 1 for value in values):
            return self.value(gold.sides[1], given.sides[1]) and self.value(gold.sides[2], given.sides[2])
        one, modulus, other, its_modulus = (int(value) for value in values if value is not None)
        return modulus == its_modulus and modulus != 0 and (one - other) % modulus == 0

    def _regions(self, gold: Tree, given: Tree) -> bool | None:
        """Compare as sets on the line where one of both can be nothing else; None where that is not so."""
        if not (is_region(gold) or is_region(given)):
            return None
        lists = [isinstance(tree, Group) and not tree.opening and not tree.joint for tree in (gold, given)]
        ways = [("and", "or") if is_list else ("or",) for is_list in lists]
        for joints in itertools.product(*ways):
            try:
                if same_region(gold, given, (joints[0], joints[1])):
                    return True
            except NotASetError:
                return None
        return False

    def _relations(self, gold: Tree, given: Tree) -> bool:
        """One of both is a relation: labels go, equations are compared by what solves them."""
        one, other = unlabelled(gold, self.same), unlabelled(given, self.same)
        if isinstance(gold, Relation) and isinstance(given, Relation):
            if one and other and self._labels_agree(one, other) and self.same(one.body, other.body):
                return True
            return self._equations(gold, given)
        labelled, bare = (one, given) if isinstance(gold, Relation) else (other, gold)
        if labelled is None or isinstance(bare, Words):
            return False
        if labelled.label is not None and names(labelled.label) & names(labelled.body):
            return False
        first, second = (labelled.body, bare) if isinstance(gold, Relation) else (bare, labelled.body)
        return self.same(first, second)

    def _labels_agree(self, one: Labelled, other: Labelled) -> bool:
        if one.label == other.label or one.label is None or other.label is None:
            return True
        (is_y, primes), (is_y_too, its_primes) = _function_kind(one), _function_kind(other)
        return is_y != is_y_too and primes == its_primes >= 0

    def _equations(self, gold: Relation, given: Relation) -> bool:
        """Whether two equations or inequalities are one, up to a factor that is a number."""
        if names(gold) != names(given):
            return False
        if len(gold.signs) != 1 or len(given.signs) != 1:
            return self._same_chains(gold, given) or self._same_chains(gold, _turned(given))
        sign, other_sign = gold.signs[0], given.signs[0]
        left, right = _difference(gold), _difference(given)
        if sign != other_sign and realline.TURNED.get(sign) != other_sign:
            return False
        if sign not in realline.TURNED:
            return gold.sides == given.sides
        one_is_solved = isinstance(gold.sides[0], Symbol) != isinstance(given.sides[0], Symbol)
        if (
            one_is_solved
            and sign == "="
            and len(names(gold)) == 1
            and any(map(_solves_nothing, (gold, given)))
        ):
            return False
        ratio = self._constant_ratio(left, right)
        if ratio is None and sign in ("=", "≠"):
            return self._same_numerators(left, right)
        if ratio is None:
            return False
        return sign in ("=", "≠") or (ratio > 0) == (sign == other_sign)

    def _same_chains(self, gold: Relation, given: Relation) -> bool:
        """Whether "a < b ≤ c" has the same sides with the same signs."""
        return gold.signs == given.signs and all(map(self.value, gold.sides, given.sides))

    def _constant_ratio(self, left: Tree, right: Tree) -> int | None:
        """The sign of left/right where that is a number other than zero; None where it is none."""
        letters = sorted(names(left) | names(right))
        start = next(_points(letters, _RANGES))
        at = [_substituted(tree, start) for tree in (left, right)]
        try:
            if not balls.differ(at[0], Number(Fraction(0)), {}, self.common_log):
                return None
            if not balls.differ(at[1], Number(Fraction(0)), {}, self.common_log):
                return None
            crossed = [Apply("*", (left, at[1])), Apply("*", (right, at[0]))]
            if not self.value(crossed[0], crossed[1]):
                return None
            return balls.order(Apply("*", (at[0], at[1])), Number(Fraction(0)))
        except NoValueError:
            return None

    def _same_numerators(self, left: Tree, right: Tree) -> bool:
        """Whether two fractions of polynomials have the same zeros, with the same powers."""
        one, other = numerator(left), numerator(right)
        return one is not None and other is not None and self._constant_ratio(one, other) is not None

    # -- lists -------------------------------------------------------------------------------------------

    def _named(self, gold: Tree, given: Tree) -> bool | None:
        """Compare numbers that belong to names: x = 1, y = 2; None where the gold answer has no names."""
        one, other = by_name(gold, self.same), by_name(given, self.same)
        one, other = _merged(one, given), _merged(other, gold)
        if one is not None and other is not None:
            return sorted(one) == sorted(other) and all(
                self._same_sets(one[name], other[name]) for name in one
            )
        named, bare = (one, given) if one is not None else (other, gold)
        if named is None:
            return None
        if len(named) == 1:
            values = next(iter(named.values()))
            listed = values[0] if len(values) == 1 else Group("", "", tuple(values), "or")
            return self.same(listed, bare) if one is not None else self.same(bare, listed)
        is_point = isinstance(bare, Group) and (bare.opening, bare.closing) == ("(", ")")
        in_order = list(named) == sorted(named) or is_tuple_of_names(gold if one is not None else given)
        if not is_point or not in_order or any(len(values) != 1 for values in named.values()):
            return False
        assert isinstance(bare, Group)
        return self._in_order([values[0] for values in named.values()], bare.members)

    def _lists(self, gold: Tree, given: Tree, golds: list[Tree], givens: list[Tree]) -> bool:
        if any(map(is_region, golds)) and (_joint(gold) == "or") != (_joint(given) == "or"):
            return False
        kinds = [_bracket(tree) for tree in (gold, given)]
        ordered = ("(", "[", "⟨")
        if kinds[0] in ordered:
            if kinds[1] in ordered and not self._same_brackets(gold, given):
                return False
            mixed = isinstance(gold, Group) and (gold.opening + gold.closing) in ("(]", "[)")
            if kinds[1] == "" and mixed:
                return False
            return kinds[1] != "{" and _joint(given) != "or" and self._in_order(golds, givens)
        if kinds[1] in ordered:
            return kinds[0] == "" and _joint(gold) != "or" and self._in_order(golds, givens)
        if "{" in kinds or "or" in (_joint(gold), _joint(given)):
            return self._same_sets(golds, givens)
        return len(golds) == len(givens) and self._same_sets(golds, givens)

    def _same_brackets(self, gold: Tree, given: Tree) -> bool:
        assert isinstance(gold, Group)
        assert isinstance(given, Group)
        if (gold.opening, gold.closing) == (given.opening, given.closing):
            return True
        kinds = {gold.opening + gold.closing, given.opening + given.closing}
        return kinds == {"()", "⟨⟩"} or (kinds <= {"()", "[]", "⟨⟩"} and len(gold.members) > 2)

    def _in_order(self, golds: Sequence[Tree], givens: Sequence[Tree]) -> bool:
        return len(golds) == len(givens) and all(map(self.same, golds, givens))

    def _same_sets(self, golds: Sequence[Tree], givens: Sequence[Tree]) -> bool:
        """Whether each member of one is one of the other, each used once where both have equally many."""
        if len(golds) == len(givens):
            left = list(givens)
            for member in golds:
                found = next((place for place, one in enumerate(left) if self.same(member, one)), None)
                if found is None:
                    return False
                left.pop(found)
            return True
        return all(any(self.same(one, other) for other in givens) for one in golds) and all(
            any(self.same(other, one) for other in golds) for one in givens
        )

    def _matrices(self, gold: Tree, given: Tree) -> bool:
        one, other = rows_of(gold), rows_of(given)
        if one is None or other is None:
            return False
        if len(one) == 1 and len(other) > 1 and not isinstance(gold, Matrix):
            one = [[cell] for cell in one[0]]
        if len(other) == 1 and len(one) > 1 and not isinstance(given, Matrix):
            other = [[cell] for cell in other[0]]
        return len(one) == len(other) and all(
            len(left) == len(right) and all(map(self.same, left, right))
            for left, right in zip(one, other, strict=True)
        )

    # -- numbers and expressions -------------------------------------------------------------------------

    def _quantities(self, gold: Tree, given: Tree) -> bool:
        """Compare two values with their units; a unit that one of both lacks is understood."""
        (one, unit), (other, its_unit) = _with_unit(gold), _with_unit(given)
        if unit is None and its_unit is None:
            return self.value(one, other)
        if unit is None or its_unit is None:
            known = unit if unit is not None else its_unit
            if known == "M":  # moles in a litre, or millions
                return False
            if self.value(one, other):
                return True
            if known not in ("%", "°"):
                return False
            if unit is None:
                other = Apply(str(its_unit), (other,))
            else:
                one = Apply(unit, (one,))
            return self.value(one, other)
        sizes = measure(unit), measure(its_unit)
        if sizes[0] is None or sizes[1] is None:
            symbols = all(_SYMBOL.fullmatch(name) for name in (unit, its_unit))
            both_unknown = sizes[0] is None and sizes[1] is None and not symbols
            is_same = (
                unit == its_unit or (not symbols and _singular(unit) == _singular(its_unit)) or both_unknown
            )
            return is_same and self.value(one, other)
        if {size[0] for size in sizes if size} == _ANGLES:
            return self.value(_in_radians(one, unit), _in_radians(other, its_unit))
        if sizes[0][0] != sizes[1][0]:
            return False
        if sizes[0][1] == sizes[1][1]:
            return self.value(one, other)
        return self.value(Apply("*", (one, Number(sizes[0][1]))), Apply("*", (other, Number(sizes[1][1]))))

    def value(self, gold: Tree, given: Tree) -> bool:
        """Whether two expressions have the same value wherever both are real."""
        if gold == given:
            return True
        if isinstance(gold, Number) and isinstance(given, Number) and {gold.base, given.base} != {10}:
            return _same_in_base(gold, given)
        if isinstance(gold, Apply) and isinstance(given, Apply) and _are_ratios(gold, given):
            return all(map(self.value, gold.arguments, given.arguments))
        letters = sorted(names(gold) | names(given))
        if any(name in ("∞", "ℝ", "∅", "ℤ") for tree in (gold, given) for name in _symbols(tree)):
            return _same_infinity(gold, given)
        if len(letters) > MAX_NAMES:
            raise LimitError(f"an expression in more than {MAX_NAMES} letters")
        if not letters:
            return self._same_constant(gold, given)
        if len(letters) == 2 and _are_families(gold, given):  # kπ and nπ, for every whole number
            return self.value(gold, replaced(given, names(given).pop(), Symbol(names(gold).pop())))
        points = itertools.chain(_points(letters, _RANGES), _beyond(letters, gold, given))
        if self._agree(gold, given, points):
            return True
        points = itertools.chain(_points(letters, _WHOLE), _beyond(letters, gold, given, whole=True))
        return _INTEGER_NAMES.issuperset(letters) and self._agree(gold, given, points)

    def _same_constant(self, gold: Tree, given: Tree) -> bool:
        try:
            found = balls.differ(gold, given, {}, self.common_log)
            return found is False or (found is True and self._rounds(gold, given))
        except NoValueError:
            return False

    def _rounds(self, gold: Tree, given: Tree) -> bool:
        """Whether one is a decimal of enough digits and the other rounds to it."""
        digits = [places for tree in (gold, given) if (places := decimals_of(tree)) >= ROUNDED_FROM]
        if not digits or _is_short_decimal(gold) or _is_short_decimal(given):
            return False
        half = Number(Fraction(1, 2 * 10 ** min(digits)))
        distance = Apply("abs", (Apply("+", (gold, Apply("neg", (given,)))),))
        return balls.order(distance, half) <= 0

    def _is_estimate(self, gold: Tree, given: Tree) -> bool:
        """Whether a number rounds to a gold answer that says it is rounded."""
        if self.same(gold, given):
            return True
        half = Number(Fraction(1, 2 * 10 ** max(0, decimals_of(gold))))
        distance = Apply("abs", (Apply("+", (gold, Apply("neg", (given,)))),))
        try:
            exceeds = decimals_of(given) > decimals_of(gold) or decimals_of(given) < 0
            return exceeds and not names(distance) and balls.order(distance, half) <= 0
        except NoValueError:
            return False

    def _real_within(self, tree: Tree, point: Point) -> bool:
        """Whether a real value is made of real parts: not √x √y with both below zero."""
        roots = [one for one in walk(tree) if isinstance(one, Apply) and one.operation in _BRANCHED]
        try:
            return all(balls.is_real_at(one, point, self.common_log) for one in roots)
        except NoValueError:
            return False

    def _agree(self, gold: Tree, given: Tree, points: Iterator[Point]) -> bool:
        real: list[bool] = []
        unreal: list[bool] = []
        # √x √y is √(xy) where both are real; but |x| is not e^(ln x).
        imaginary = any(one == Symbol("i") for tree in (gold, given) for one in walk(tree))
        has_roots = not imaginary and any(
            isinstance(one, Apply) and one.operation in ("root", "ln", "log") and names(one)
            for one in walk(gold)
        )
        for point in points:
            try:
                found = balls.differ(gold, given, point, self.common_log)
                if found is None:
                    continue
                is_real = balls.is_real_at(gold, point, self.common_log)
            except NoValueError:
                continue
            if found and has_roots and not self._real_within(given, point):
                continue
            if is_real and found:
                return False
            (real if is_real else unreal).append(not found)
        return len(real) >= 2 or (not real and len(unreal) >= 2 and all(unreal))


# -- what a tree is ----------------------------------------------------------------------------------------


def _plain(tree: Tree) -> Tree:
    """The tree without conditions on whole numbers, lists of one and factors of matrices."""
    if isinstance(tree, Group) and not tree.opening:
        kept = tuple(one for one in tree.members if not _is_condition(one))
        if len(kept) == 1:
            return _plain(kept[0])
        if kept:
            tree = _with_excluded(Group("", "", kept, tree.joint))
    if isinstance(tree, Group) and tree.opening == "{" and len(tree.members) == 1:
        only = tree.members[0]
        if isinstance(only, Apply) and only.operation in ("±", "∓"):
            return only
        if not isinstance(only, Apply) or only.operation != "such":
            return _plain(only) if isinstance(only, Number | Apply | Symbol) else tree
    if isinstance(tree, Relation) and len(tree.signs) == 1 and tree.signs[0] == "∈":
        inside = tree.sides[1]
        if isinstance(inside, Group) and inside.opening in ("{",) and isinstance(tree.sides[0], Symbol):
            return _plain(inside)
    if isinstance(tree, Relation) and len(tree.signs) == 1 and tree.signs[0] == "=":
        name, body = tree.sides
        is_set = is_region(body) or (isinstance(body, Group) and body.opening == "{")
        if isinstance(name, Symbol) and is_set:
            return _plain(body)
    transposed = isinstance(tree, Apply) and tree.operation == "^" and tree.arguments[1] == Symbol("T")
    if isinstance(tree, Apply) and (transposed or any(isinstance(one, Matrix) for one in walk(tree))):
        return spread(tree)
    return tree


def _with_excluded(tree: Group) -> Group:
    """ "x ≠ 2, 3" as "x ≠ 2 and x ≠ 3"."""
    first = tree.members[0]
    if not isinstance(first, Relation) or first.signs != ("≠",) or not isinstance(first.sides[0], Symbol):
        return tree
    if any(isinstance(one, Relation) for one in tree.members[1:]):
        return tree
    others = (Relation((first.sides[0], one), ("≠",)) for one in tree.members[1:])
    return Group("", "", (first, *others), "and")


def _without(tree: Tree, operation: str) -> Tree:
    return tree.arguments[0] if isinstance(tree, Apply) and tree.operation == operation else tree


def _is_condition(tree: Tree) -> bool:
    return (
        isinstance(tree, Relation)
        and tree.signs == ("∈",)
        and tree.sides[1] in (Symbol("ℤ"), Symbol("ℕ"))
        and isinstance(tree.sides[0], Symbol)
    )


def _symbols(tree: Tree) -> set[str]:
    return {one.name for one in walk(tree) if isinstance(one, Symbol)}


def _merged(named: dict[str, list[Tree]] | None, other: Tree) -> dict[str, list[Tree]] | None:
    """Values of a_1 and a_2 as those of a, where another answer calls them so."""
    stems = {name.partition("_")[0] for name in named or ()}
    indexed = all(name.partition("_")[2].isdigit() for name in named or ())
    if named is None or len(named) < 2 or len(stems) != 1 or not indexed:
        return named
    stem = stems.pop()
    if Symbol(stem) not in walk(other):
        return named
    return {stem: [value for values in named.values() for value in values]}


def _as_congruence(tree: Tree, other: Tree) -> Tree:
    """7 (mod 12) as "x ≡ 7 (mod 12)" where another answer is a congruence or has a modulus too."""
    if not (isinstance(tree, Apply) and tree.operation == "mod"):
        return tree
    if isinstance(other, Relation) and other.signs[:1] == ("≡",):
        return Relation((other.sides[0], *tree.arguments), ("≡", "mod"))
    if isinstance(other, Apply) and other.operation == "mod":
        return Relation((Symbol("x"), *tree.arguments), ("≡", "mod"))
    return tree


def _function_kind(one: Labelled) -> tuple[bool, int]:
    """(whether the label is y itself, how many primes it has); -1 for what names no function."""
    label = one.label
    if not isinstance(label, Symbol) or not names(one.body):
        return False, -1
    is_function = "(" in label.name and "^" not in label.name
    is_y = label.name.rstrip("'") == "y"
    return is_y, label.name.count("'") if is_y or is_function else -1


def _solves_nothing(tree: Relation) -> bool:
    """Whether an equation of one letter is neither solved nor linear: x^2 = 4 names no number."""
    try:
        realline.end_of_relation(tree.sides[0], "=", tree.sides[1])
    except NotASetError:
        return True
    return False


def _turned(tree: Relation) -> Relation:
    """The chain read from its end: "c ≥ b > a" for "a < b ≤ c"."""
    signs = (realline.TURNED.get(sign, sign) for sign in reversed(tree.signs))
    return Relation(tree.sides[::-1], tuple(signs))


def _are_ratios(gold: Apply, given: Apply) -> bool:
    """Whether both are a : b; or one is, and the other is a / b, with two numbers."""
    operations = {gold.operation, given.operation}
    numbers = all(isinstance(one, Number) for tree in (gold, given) for one in tree.arguments)
    return operations == {":"} or (operations == {":", "/"} and numbers)


def _are_families(gold: Tree, given: Tree) -> bool:
    """Whether two angles are each written with one whole number of their own, as π/4 + kπ is."""
    return all(
        Symbol("pi") in walk(tree)
        and len(names(tree)) == 1
        and names(tree) <= _COUNTERS
        and all(one.operation in ("+", "neg", "*", "/") for one in walk(tree) if isinstance(one, Apply))
        for tree in (gold, given)
    )


def _difference(tree: Relation) -> Tree:
    return Apply("+", (tree.sides[0], Apply("neg", (tree.sides[1],))))


def _bracket(tree: Tree) -> str:
    return tree.opening if isinstance(tree, Group) else ""


def _joint(tree: Tree) -> str:
    return tree.joint if isinstance(tree, Group) else ""


def _with_unit(tree: Tree) -> tuple[Tree, str | None]:
    if isinstance(tree, Quantity):
        return tree.value, tree.unit
    if isinstance(tree, Apply) and tree.operation in ("%", "°"):
        return tree.arguments[0], tree.operation
    if isinstance(tree, Apply) and tree.operation == "neg":
        inner, unit = _with_unit(tree.arguments[0])
        return (Apply("neg", (inner,)), unit) if unit else (tree, None)
    return tree, None


def _in_radians(value: Tree, unit: str) -> Tree:
    return Apply("°", (value,)) if measure(unit) == measure("°") else value


def _singular(unit: str) -> str:
    return " ".join(word.removesuffix("s") for word in unit.lower().split())


def _is_short_decimal(tree: Tree) -> bool:
    return 0 <= decimals_of(tree) < ROUNDED_FROM


def _same_in_base(gold: Number, given: Number) -> bool:
    """Whether numbers have the same digits in the same base, which one may leave out."""
    if gold.base == given.base:
        return gold.value == given.value
    written = [number.digits or str(number.value) for number in (gold, given)]
    if written[0] == written[1] and 10 in (gold.base, given.base):
        return not (gold.digits and given.digits)
    return gold.base == 10 and gold.value == given.value


def _same_infinity(gold: Tree, given: Tree) -> bool:
    return gold == given


def _points(letters: Sequence[str], ranges: Sequence[tuple[int, int]]) -> Iterator[Point]:
    """Rational points, drawn by the letters' names; whole numbers for _WHOLE."""
    for place, (low, high) in enumerate(ranges):
        point = {}
        for name in letters:
            random = Random(f"{name} {place} {ranges is _WHOLE}")
            point[name] = (
                Fraction(random.randint(low, high))
                if ranges is _WHOLE
                else low + Fraction(random.randint(1, 4095) * (high - low), 4096)
            )
        yield point
    if ranges is _RANGES and len(letters) > 1:
        yield {name: Fraction((-1) ** place * (11 * place + 2), 7) for place, name in enumerate(letters)}
        yield {name: Fraction((-1) ** place * -(17 * place + 5), 9) for place, name in enumerate(letters)}
    if ranges is _RANGES:
        yield {name: Fraction(-(2 * place + 5), 2 * place + 11) for place, name in enumerate(letters)}


def _beyond(letters: Sequence[str], gold: Tree, given: Tree, *, whole: bool = False) -> Iterator[Point]:
    """Points beyond every number in two trees that bend somewhere: |x - 100| is not 100 - x there."""
    both = [one for tree in (gold, given) for one in walk(tree)]
    if not any(isinstance(one, Apply) and one.operation in _BENT for one in both):
        return
    values = {abs(value) for one in both if not names(one) and (value := _known_value(one))}
    largest, smallest = max(values, default=Fraction(1)), min(values, default=Fraction(1))
    largest = max(largest, largest / smallest)
    if largest > MOST_BEYOND:
        return
    part = 1 if whole else 7
    for size in (2 * floor(largest) + 7, 5 * floor(largest) + 11):
        for signs in ((1, 1),) if whole else ((1, 1), (-1, -1), (1, -1), (-1, 1)):
            yield {
                name: signs[place % 2] * (size + Fraction(place, part))
                for place, name in enumerate(letters, start=1)
            }


def _known_value(tree: Tree) -> Fraction | None:
    """The rational value of a tree without letters, None where it has none that is short."""
    try:
        return balls.exact(tree) if isinstance(tree, Number | Apply) else None
    except (NoValueError, LimitError):
        return None


def _substituted(tree: Tree, point: Point) -> Tree:
    for name, value in point.items():
        tree = replaced(tree, name, Number(value))
    return tree
