"""Judge an answer to an equation by substitution and exact algebra: the verifier trusts no answer key.

>>> verify("3 - (3+y)/y = y", "1, 3").outcome.value
'wrong'
>>> verify("3 - (3+y)/y = y", "no real solutions").outcome.value
'correct'
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product

from flint import fmpq, fmpz, fmpz_poly

from practicum.errors import InputError
from practicum.exact import algebra, bounds, quick, reals
from practicum.exact.algebra import Root
from practicum.exact.answers import (
    MAX_MEMBERS,
    Answer,
    Range,
    Value,
    extract_answer,
    parse_answer,
    with_signs,
)
from practicum.exact.characters import with_decimal_points, without_thousands_commas
from practicum.exact.expression import (
    Equation,
    Expression,
    LimitError,
    ParseError,
    parse_equation,
    parse_expression,
)
from practicum.exact.extraction import MAX_TEXT
from practicum.exact.parametric import ParametricSum, equals_sum, sum_of_solutions
from practicum.exact.reals import Real, UndefinedError, UnknownNameError
from practicum.exact.realsets import EVERYTHING, Piece, compare, contains, ordered, point, same_set
from practicum.exact.verdict import (
    Outcome,
    Verdict,
    why_all_fail,
    why_fails,
    why_missing,
    why_no_root,
    why_solutions,
    why_undefined,
)
from practicum.exact.workload import HEAVY, answer_work, equation_work

__all__ = [
    "Outcome",
    "SolutionSet",
    "Verdict",
    "count_outcomes",
    "extract_answer",
    "is_heavy",
    "solve",
    "verify",
    "verify_batch",
    "verify_completion",
    "verify_in_general",
]


@dataclass(frozen=True)
class SolutionSet:
    """The real solutions of an equation: `roots` ascending, or `pieces` (points and intervals) when
    infinitely many.

    `rejected` holds the candidates that clearing denominators and roots adds, `polynomial` what it leads to.
    """

    equation: Equation
    unknown: str | None
    roots: tuple[Root, ...]
    pieces: tuple[Piece, ...] | None
    rejected: tuple[Root, ...]
    polynomial: fmpz_poly | None
    texts: tuple[str, ...]


class _Judged(Exception):  # noqa: N818 - carries a verdict reached early, it is not an error
    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def solve(equation: str) -> SolutionSet:
    """Solve an equation in one unknown over the real numbers, exactly.

    Raises InputError for text that is no equation, for a second letter, and over a limit.
    """
    parsed = _parsed(equation)
    if len(parsed.names) > 1:
        raise InputError(
            f"the equation has the letters {' and '.join(parsed.names)}: expected one unknown "
            "(a parameter is allowed only where the sum of the solutions is asked for)"
        )
    return _solved(equation)


def verify(equation: str, answer: str, ask: str = "solve") -> Verdict:
    """Judge `answer` as the set of real solutions of `equation` (ask "solve") or as their sum (ask "sum").

    Raises InputError for a bad equation or `ask`; a bad answer is a verdict with its own outcome, never an
    exception. Any other exception is a bug of the verifier.
    """
    if ask not in ("solve", "sum"):
        raise InputError(f"ask is {ask!r}: expected 'solve' or 'sum'")
    for name, text in (("equation", equation), ("answer", answer)):
        if not isinstance(text, str):
            raise InputError(f"{name} is {text!r:.60}: expected a text")
    given = quick.read_answer(answer) if ask == "solve" else None
    if given is None:
        return verify_in_general(equation, answer, ask)
    solved = quick.solve(equation) or _quickly(equation)
    names = _parsed(equation).names if solved is None else (solved.name,)
    if given.label not in ("", *names):
        return verify_in_general(equation, answer, ask)
    verdict = None if solved is None else quick.judge(solved, given)
    return verdict or _judged(lambda: _judge_set(solve(equation), _as_answer(given)), solve(equation).texts)


def _as_answer(given: quick.Given) -> Answer:
    values = [Value((parse_expression(text),), 0, text) for text, _ in given.members]
    return Answer(values=values, says_none=not values)


def verify_completion(equation: str, completion: str, ask: str = "solve") -> Verdict:
    """Judge the answer that a whole solution gives, taken from it by `extract_answer`.

    A solution that names no answer is unparseable. Raises as `verify` does.
    """
    answer = extract_answer(completion)
    if answer is None:
        judged = verify(equation, "", ask)
        return replace(judged, reason="the text names no answer: expected 'answer: ...' or \\boxed{...}")
    return verify(equation, answer, ask)


def verify_in_general(equation: str, answer: str, ask: str = "solve") -> Verdict:
    """The same verdict as `verify`, without the short way for common cases."""
    parsed = _parsed(equation)
    if ask == "sum" and len(parsed.names) == 2:
        parametric = _parametric(equation)
        texts: tuple[str, ...] = (parametric.text,)
        judge = partial(_judge_parametric, parametric)
    else:
        solved = solve(equation)
        texts = solved.texts
        judge = partial(_judge_sum if ask == "sum" else _judge_set, solved)
    return _judged(lambda: _judge_readings(judge, answer, parsed.names, ask == "sum"), texts)


def _judged(judge: Callable[[], Verdict], texts: tuple[str, ...]) -> Verdict:
    """The verdict of a judge, also where the answer cannot be judged."""
    try:
        return judge()
    except LimitError as error:
        return Verdict(Outcome.OVER_LIMITS, f"the answer is over the limits: {error}", solutions=texts)
    except ParseError as error:
        return Verdict(Outcome.UNPARSEABLE, f"the answer cannot be read: {error}", solutions=texts)
    except _Judged as judged:
        return Verdict(judged.outcome, judged.reason, solutions=texts)


def _judge_readings(
    judge: Callable[[Answer], Verdict], answer: str, names: tuple[str, ...], is_sum: bool
) -> Verdict:
    """Judge an answer. 12,345 without a space may be a list or one number, and "0,5; 3" may hold a decimal
    comma; either may be the solution."""
    parametric = len(names) == 2
    read = partial(parse_answer, parametric=parametric, is_sum=is_sum, names=names)
    if "," not in answer or len(answer) > MAX_TEXT:
        return judge(read(answer))
    others = [without_thousands_commas(answer), with_decimal_points(answer)]
    last = next((text for text in reversed(others) if text != answer), None)
    if last is None:
        return judge(read(answer))
    for text in (answer, *others):
        try:
            verdict = judge(read(text))
            if verdict.outcome is Outcome.CORRECT:
                return verdict
        except (InputError, _Judged):
            pass
    return judge(read(last))


def verify_batch(
    items: Iterable[tuple[str, str] | tuple[str, str, str]], processes: int = 0
) -> list[Verdict]:
    """Judge (equation, answer[, ask]) items; the verdicts come in the order of the items, always.

    With `processes`, heavy items (estimated from their parsed size, see `workload.py`) go to that many worker
    processes, which start once and stay; the rest, at some 0.05 ms each, are judged here meanwhile. Any
    thread and any process may call this; a script that is run as a file needs `if __name__ == "__main__":`
    around the call, as always with processes. What `verify` raises is raised here, for the first bad item.
    """
    batch = list(items)
    if processes < 1 or multiprocessing.current_process().daemon:
        return [verify(*item) for item in batch]
    pool = _pool(processes, os.getpid())
    begun = [pool.submit(verify, *item) if is_heavy(*item) else None for item in batch]
    try:
        return [
            verify(*item) if future is None else future.result()
            for item, future in zip(batch, begun, strict=True)
        ]
    finally:
        for future in begun:
            if future is not None:
                future.cancel()


@lru_cache(maxsize=4)
def _pool(processes: int, _process_id: int) -> ProcessPoolExecutor:
    """Workers of this process; a forked child must not use those of its parent.

    Spawned, since a fork of a process with threads may hang.
    """
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))


def is_heavy(equation: str, answer: str, ask: str = "solve") -> bool:
    """Whether judging may take over 2 ms; texts that cannot be read are not heavy."""
    if ask == "solve" and quick.solve(equation) is not None and quick.read_answer(answer) is not None:
        return False
    try:
        parsed = _parsed(equation)
        return max(equation_work(parsed), answer_work(parse_answer(answer, names=parsed.names))) >= HEAVY
    except InputError:
        return False


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How often each outcome occurred; every outcome is a key."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    return {outcome.value: counts[outcome] for outcome in Outcome}


@lru_cache(maxsize=8192)
def _parsed(equation: str) -> Equation:
    try:
        parsed = parse_equation(equation)
    except (ParseError, LimitError) as error:
        shown = equation if len(equation) <= 80 else equation[:77] + "..."
        raise InputError(f"equation {shown!r}: {error}") from error
    if len(parsed.names) > 2:
        raise InputError(f"the equation has the letters {', '.join(parsed.names)}: expected one unknown")
    return parsed


@lru_cache(maxsize=8192)
def _solved(equation: str) -> SolutionSet:
    parsed = _parsed(equation)
    unknown = parsed.names[0] if parsed.names else None
    try:
        found = algebra.solve_equation(parsed, unknown)
    except LimitError as error:
        raise InputError(f"equation {equation!r} is over the limits: {error}") from error
    return SolutionSet(
        parsed, unknown, found.roots, found.pieces, found.rejected, found.polynomial, found.texts
    )


@lru_cache(maxsize=8192)
def _quickly(equation: str) -> quick.Solved | None:
    """What the general way found, for the quick way of judging; None for candidates of higher degree."""
    solved = solve(equation)
    roots = [root.number for root in solved.roots if root.number]
    rejected = [root.number for root in solved.rejected if root.number]
    if (
        solved.unknown is None
        or solved.polynomial is None
        or len(roots) + len(rejected) != len(solved.roots) + len(solved.rejected)
    ):
        return None
    sides = partial(bounds.sides, solved.equation, solved.unknown)
    return quick.Solved(solved.unknown, solved.polynomial, tuple(roots), tuple(rejected), solved.texts, sides)


def choose_unknown(names: tuple[str, ...]) -> str:
    """Which of several letters is the unknown: x, else y, z, t, u, v, w in this order, else the last by
    alphabet.
    """
    for name in ("x", "y", "z", "t", "u", "v", "w"):
        if name in names:
            return name
    return max(names)


@lru_cache(maxsize=1024)
def _parametric(equation: str) -> ParametricSum:
    parsed = _parsed(equation)
    unknown = choose_unknown(parsed.names)
    parameter = next(name for name in parsed.names if name != unknown)
    try:
        return sum_of_solutions(parsed, unknown, parameter)
    except InputError as error:
        raise InputError(f"equation {equation!r}: {error}") from error


# -- judging -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Member:
    text: str
    value: Real


def _judge_set(solved: SolutionSet, given: Answer) -> Verdict:
    members = _claimed(given)
    if (
        members
        and solved.unknown
        and not all(_is_solved(one, solved.unknown, members) for one in given.solved)
    ):
        raise _contradiction("it names an equation that none of its numbers solves")
    if solved.pieces is not None:
        return _judge_infinite(solved, solved.pieces, given, members)
    if given.says_all or given.ranges or given.exclusions:
        _judge_claim_of_many(solved, given, members)
    remaining = list(solved.roots)
    extraneous = []
    for member in members:
        root = next((root for root in remaining if _is_root(member.value, root)), None)
        if root is None:
            extraneous.append(member)
        else:
            remaining.remove(root)
    if not extraneous and not remaining:
        return Verdict(Outcome.CORRECT, _why_correct(solved), solutions=solved.texts)
    reasons = [_why_extraneous(solved, member) for member in extraneous[:3]]
    if remaining:
        reasons.append(why_missing(tuple(root.text for root in remaining)))
    if not solved.roots:
        reasons.append(_why_correct(solved))
    return Verdict(
        Outcome.WRONG,
        "; ".join(reasons),
        tuple(root.text for root in remaining),
        tuple(member.text for member in extraneous),
        solved.texts,
    )


def _claimed(given: Answer) -> list[_Member]:
    """The distinct numbers that an answer claims. Raises _Judged where it contradicts itself."""
    members = _members(given.values)
    if given.estimates and not members:
        text = given.estimates[0].text
        raise _Judged(Outcome.WRONG, f"{text!r} is an approximation: expected exact numbers")
    if given.says_none and (members or given.ranges or given.says_all or given.exclusions):
        raise _contradiction("it names numbers and says there are none")
    if given.says_all and members:
        raise _contradiction("it names numbers and says that all solve it")
    if given.rejected:
        members = _without_rejected(given, members)
    if given.premises and not _same_numbers(given, members):
        raise _contradiction("what it names last is not what it named before")
    _check_parts(given, members)
    if given.remarks:
        inside = all(_is_within(member.value, one) for member in members for one in given.remarks)
        given.ranges += [] if inside else given.remarks
        given.remarks = []
    _check_remarks(given, members)
    return members


def _is_solved(sides: tuple[Value, Value], unknown: str, members: list[_Member]) -> bool:
    """Whether a member solves an equation that the answer names."""
    for member in members:
        values = {unknown: member.value}
        with suppress(UndefinedError):
            left, right = (reals.evaluate(side.forms[0], values, (), {}) for side in sides)
            if compare(left, right) == 0:
                return True
    return False


def _same_numbers(given: Answer, members: list[_Member]) -> bool:
    """Whether the conclusion names the numbers that came before "so", but for rejected ones."""
    before = _members(given.premises)
    gone = _members(given.rejected)
    kept = [one for one in before if not any(compare(one.value, other.value) == 0 for other in gone)]
    return len(kept) == len(members) and all(
        any(compare(one.value, other.value) == 0 for other in members) for one in kept
    )


def _contradiction(why: str) -> _Judged:
    return _Judged(Outcome.WRONG, f"the answer contradicts itself: {why}")


def _without_rejected(given: Answer, members: list[_Member]) -> list[_Member]:
    """Candidates that the answer goes on to reject are not claimed."""
    rejected = _members(given.rejected)
    kept = [one for one in members if not any(compare(one.value, other.value) == 0 for other in rejected)]
    if not kept and not (given.says_none or given.ranges or given.says_all):
        raise ParseError("it only says what is no solution")
    return kept


def _check_remarks(given: Answer, members: list[_Member]) -> None:
    """Counts, conditions, decimals and reasons beside the claim must agree with it."""
    if given.says_none and any(_is_real(value) for value in given.beside_none):
        raise _contradiction("it names a number and says there is none")
    counts = [count for count in given.counts if count != len(members)]
    if counts and not given.says_none and (members or any(given.counts)):
        raise _contradiction(f"it counts {counts[0]} solutions and names {len(members)}")
    for member in members:
        if not all(_is_within(member.value, one) for one in given.conditions):
            raise _contradiction(f"{member.text} is outside the range it gives")
    for estimate in given.estimates:
        for near in _members([estimate]):
            if not any(_is_rounded(near.value, member.value) for member in members):
                raise _contradiction(f"{near.text} is near none of the numbers it names")


def _check_parts(given: Answer, members: list[_Member]) -> None:
    """What is said in checks, reasons and lists beside the claim must be true and about its numbers."""
    _check_equalities(given)
    for one, other in itertools.pairwise(given.sides):
        if not _holds(one, "=", other):
            raise ParseError(f"it says that the two sides are {one.text} and {other.text}")
    for named, listed in given.listings:
        if not _are_same(_members([named]), _members(listed)):
            raise _contradiction(f"{named.text} is set equal to other numbers")
    rejected = _members(given.rejected)
    known = _members(given.candidates)
    if known and not all(_is_among(one, known) for one in members):
        raise _contradiction("it names a number that is not among its candidates")
    for value, before in given.after_rejected:
        if any(_is_among(one, _members(list(before))) for one in _members([value])):
            raise _contradiction("it names a number that it rejected before")
    if not all(_is_among(one, [*members, *rejected]) for one in _members(given.named_again)):
        raise _contradiction("it checks a number that it does not name")


def _check_equalities(given: Answer) -> None:
    for left, relation, right in given.equalities:
        if not _holds(left, relation, right):
            raise ParseError(f"it says that {left.text} {relation} {right.text}, which is not true")


def _holds(left: Value, relation: str, right: Value) -> bool:
    """Whether a relation is true for constants; with a ± it is not clear for which."""
    if left.choices or right.choices:
        return False
    order = compare(_value_of(left.forms[0], (), left.text), _value_of(right.forms[0], (), right.text))
    return {
        "=": order == 0,
        "≠": order != 0,
        "<": order < 0,
        ">": order > 0,
        "≤": order <= 0,
        "≥": order >= 0,
    }[relation]


def _is_among(one: _Member, others: list[_Member]) -> bool:
    return any(compare(one.value, other.value) == 0 for other in others)


def _are_same(some: list[_Member], others: list[_Member]) -> bool:
    return len(some) == len(others) and all(_is_among(one, others) for one in some)


def _is_real(value: Value) -> bool:
    try:
        _members([value])
    except (_Judged, UnknownNameError):
        return False
    return True


def _is_within(value: Real, limits: Range) -> bool:
    low, high = _range_end(limits.low), _range_end(limits.high)
    return contains([Piece(low, limits.low_closed, high, limits.high_closed)], value)


def _is_rounded(value: Real, exact: Real) -> bool:
    """Whether a decimal may be a number rounded: within a hundredth of it, or within 0.06."""
    distance = abs(value.approximate() - exact.approximate())
    return distance <= max(0.06, 0.01 * abs(exact.approximate()))


def _judge_claim_of_many(solved: SolutionSet, given: Answer, members: list[_Member]) -> None:
    """Refuse ranges for a finite set; exclusions beside numbers ("3, x ≠ 0") are remarks and only must not
    clash.
    """
    excluded = _members(given.exclusions)
    if members and not given.ranges and not given.says_all:
        for member in members:
            if any(compare(member.value, other.value) == 0 for other in excluded):
                raise _Judged(
                    Outcome.WRONG, f"the answer contradicts itself: it names and excludes {member.text}"
                )
        return
    truth = f"the real solutions are only {', '.join(solved.texts)}" if solved.roots else _why_correct(solved)
    raise _Judged(Outcome.WRONG, f"the answer names a range of numbers (write sets as {{1, 3}}); {truth}")


def _judge_infinite(
    solved: SolutionSet, pieces: tuple[Piece, ...], given: Answer, members: list[_Member]
) -> Verdict:
    truth = solved.texts[0]
    excluded = [member.value for member in _members(given.exclusions)]
    claimed = [point(member.value) for member in members]
    for one in _ranges(given):
        low, high = _range_end(one.low), _range_end(one.high)
        if low is not None and high is not None and compare(low, high) > 0:
            raise _Judged(Outcome.WRONG, "an interval of the answer runs backwards")
        if (
            low is not None
            and high is not None
            and compare(low, high) == 0
            and not (one.low_closed and one.high_closed)
        ):
            continue
        claimed.append(Piece(low, one.low_closed, high, one.high_closed))
    if given.says_all or (given.exclusions and not claimed):
        claimed.append(EVERYTHING)
    if same_set(pieces, claimed, excluded):
        return Verdict(Outcome.CORRECT, f"the equation holds for {truth}", solutions=solved.texts)
    extraneous = tuple(member.text for member in members if not contains(pieces, member.value))
    reason = f"the equation holds for {truth}, and the answer names another set"
    return Verdict(Outcome.WRONG, reason, (truth,), extraneous, solved.texts)


def _ranges(given: Answer) -> list[Range]:
    """The ranges claimed: "x > 1, x < 3" is what they share, "x < 1, x > 3" is both."""
    both = given.overlap
    if both is None:
        return given.ranges
    low, high = _range_end(both.low), _range_end(both.high)
    assert low is not None
    assert high is not None
    order = compare(low, high)
    empty = order > 0 or (order == 0 and not (both.low_closed and both.high_closed))
    return given.ranges if empty else [both]


def _range_end(end: Expression | None) -> Real | None:
    return None if end is None else _value_of(end, (), "the end of an interval")


def _judge_sum(solved: SolutionSet, given: Answer) -> Verdict:
    if solved.pieces is not None:
        raise InputError("infinitely many numbers solve this equation: its solutions have no sum")
    if given.sums:
        _check_equalities(given)
        if any(count != len(solved.roots) for count in given.counts):
            raise _contradiction(f"it adds up {given.counts[0]} solutions, and there are {len(solved.roots)}")
        given = _named_sum(given)
    members = _claimed(given)
    if given.ranges or given.says_all or (given.exclusions and not members):
        raise _Judged(Outcome.WRONG, "a range of numbers is no sum")
    if not solved.roots:
        if given.says_none:
            return Verdict(Outcome.CORRECT, _why_correct(solved), solutions=solved.texts)
        given_texts = tuple(member.text for member in members)
        return Verdict(
            Outcome.WRONG, f"{_why_correct(solved)}, so there is no sum", (), given_texts, solved.texts
        )
    total, text = _sum_of(solved.roots)
    what = f"the real solutions are {', '.join(solved.texts)}, their sum is {text}"
    if len(members) == 1 and compare(members[0].value, total) == 0:
        return Verdict(Outcome.CORRECT, what, solutions=solved.texts)
    wrong = [member.text for member in members if compare(member.value, total) != 0]
    missing = (text,) if len(wrong) == len(members) else ()
    return Verdict(Outcome.WRONG, what, missing, tuple(wrong), solved.texts)


def _named_sum(given: Answer) -> Answer:
    """Where a number is called the sum, it is the answer; the solutions named beside it must add up to it."""
    sums = _members(given.sums)
    members = (
        _claimed(replace(given, sums=[], counts=[] if not given.values else given.counts))
        if given.values
        else []
    )
    if given.rejected and not given.values:
        raise _contradiction("it adds up what it rejects")
    if members and len(sums) == 1:
        total = reals.add([member.value for member in members])
        if compare(total, sums[0].value) != 0:
            raise _contradiction("the solutions it names do not add up to its sum")
    return Answer(values=given.sums, says_none=given.says_none)


def _sum_of(roots: tuple[Root, ...]) -> tuple[Real, str]:
    """The sum and its text; all roots of one polynomial together give a rational number (Vieta)."""
    constant = fmpq(0)
    others: list[Root] = []
    groups: dict[str, list[Root]] = {}
    for root in roots:
        groups.setdefault(str(root.polynomial), []).append(root)
    for group in groups.values():
        polynomial = group[0].polynomial
        if len(group) == polynomial.degree():
            constant -= fmpq(polynomial[len(group) - 1], polynomial[len(group)])
        else:
            others.extend(group)
    parts = [root.text for root in others] + ([str(constant)] if constant or not others else [])
    text = " + ".join(parts).replace("+ -", "- ")
    return reals.add([reals.rational(constant), *(root.value for root in others)]), text


def _judge_parametric(solved: ParametricSum, given: Answer) -> Verdict:
    texts = (solved.text,)
    _check_equalities(given)
    if given.sums:
        given = Answer(values=given.sums, says_none=given.says_none)
    if given.estimates or given.ranges or given.says_all or given.rejected:
        raise _Judged(Outcome.WRONG, "expected one exact expression for the sum")
    if solved.numerator is None and solved.branch is None:
        if given.says_none and not given.values:
            return Verdict(Outcome.CORRECT, f"no real solutions: {solved.conditions}", solutions=())
        raise _Judged(Outcome.WRONG, f"no real solutions: {solved.conditions}")
    what = f"the real solutions for {solved.unknown} sum to {solved.text}"
    what += f" ({solved.conditions})" if solved.conditions else ""
    if given.says_none:
        return Verdict(Outcome.WRONG, what, texts, (), texts)
    if any(value.choices for value in given.values):
        raise _Judged(Outcome.WRONG, f"± names two values, the sum is one; {what}")
    forms = [(value.text, form) for value in given.values for form in value.forms]
    if not forms:
        raise ParseError("it names no sum")
    wrong = tuple(dict.fromkeys(text for text, form in forms if not equals_sum(solved, form)))
    if wrong:
        missing = texts if len(wrong) == len({text for text, _ in forms}) else ()
        return Verdict(Outcome.WRONG, what, missing, wrong, texts)
    return Verdict(Outcome.CORRECT, what, solutions=texts)


def _members(values: list[Value]) -> list[_Member]:
    """The distinct members, each ± expanded. Raises _Judged where a member is no real number."""
    members: list[_Member] = []
    rationals = set()
    for value in values:
        for signs in product((1, -1), repeat=value.choices):
            real = _value_of(value.forms[0], signs, value.text)
            if real.kind == "rational":
                key = (int(real.number.p), int(real.number.q))
                if key in rationals:
                    continue
                rationals.add(key)
            elif any(other.value.kind != "rational" and compare(real, other.value) == 0 for other in members):
                continue
            members.append(_Member(with_signs(value.text, signs), real))
            if len(members) > MAX_MEMBERS:
                raise LimitError(f"a list of over {MAX_MEMBERS} members")
        for form in value.forms[1:]:
            _check_equal_forms(value, form)
    return members


def _check_equal_forms(value: Value, form: Expression) -> None:
    """In "x = 6/2 = 3" both sides must be the same numbers."""
    signs = list(product((1, -1), repeat=value.choices))
    first = ordered([_value_of(value.forms[0], choice, value.text) for choice in signs])
    other = ordered([_value_of(form, choice, value.text) for choice in signs])
    if len(first) != len(other) or any(compare(a, b) for a, b in zip(first, other, strict=True)):
        raise _Judged(
            Outcome.WRONG, f"the answer contradicts itself: {value.text} is set equal to something else"
        )


def _value_of(expression: Expression, signs: tuple[int, ...], text: str) -> Real:
    try:
        return reals.evaluate(expression, {}, signs)
    except UnknownNameError as error:
        if error.name in ("i", "j"):
            raise _Judged(
                Outcome.WRONG, f"{text} is a complex number, and complex numbers are no real solutions"
            ) from error
        raise
    except UndefinedError as error:
        raise _Judged(Outcome.WRONG, f"{text} is no real number: {error}") from error


def _is_root(value: Real, root: Root) -> bool:
    """Whether a number is this root; exact."""
    other = root.value
    if value.kind == "rational" or other.kind == "rational":
        if value.kind == other.kind:
            return bool(value.number == other.number)
        if root.polynomial.degree() > 1:
            return False
    near, far = value.enclosure(64), other.enclosure(64)
    if near is not None and far is not None and (near[1] < far[0] or far[1] < near[0]):
        return False
    if other.kind != "algebraic":
        return reals.subtract(value, other).sign() == 0
    bits, low, high = reals.isolating_interval(other)
    unit = fmpq(1, fmpz(1) << bits)
    return (
        reals.polynomial_value(root.polynomial, value).sign() == 0
        and compare(reals.rational(low * unit), value) < 0
        and compare(value, reals.rational(high * unit)) < 0
    )


# -- explaining --------------------------------------------------------------------------------------------


def _why_correct(solved: SolutionSet) -> str:
    name = solved.unknown or "x"
    if solved.roots:
        return why_solutions(solved.texts)
    if solved.unknown is None:
        return "no real solutions: the equation is false"
    if solved.polynomial is None:
        return "no real solutions: the equation is defined and true nowhere"
    if solved.polynomial.degree() < 1:
        return "no real solutions: the two sides always differ"
    if not solved.rejected:
        discriminant = str(solved.polynomial.discriminant()) if solved.polynomial.degree() == 2 else None
        return why_no_root(algebra.show_polynomial(solved.polynomial, name), discriminant)
    reasons = [_why_fails(solved, root.text, root.value) for root in solved.rejected[:3]]
    return why_all_fail(algebra.show_polynomial(solved.polynomial, name), reasons)


def _why_extraneous(solved: SolutionSet, member: _Member) -> str:
    for root in solved.roots:
        if member.value.kind == "rational" and _is_near(member.value, root.value):
            return f"{member.text} is near {root.text}, but an approximation is no exact solution"
    return _why_fails(solved, member.text, member.value)


def _is_near(value: Real, root: Real) -> bool:
    distance = abs(value.approximate() - root.approximate())
    return distance <= 0.002 * max(abs(root.approximate()), 1e-3)


def _why_fails(solved: SolutionSet, text: str, value: Real) -> str:
    """Substitute a number and say what goes wrong."""
    name = solved.unknown
    if name is None:
        return f"{text} cannot make the equation true"
    memo: dict[Expression, Real] = {}
    try:
        left = reals.evaluate(solved.equation.left, {name: value}, (), memo)
        right = reals.evaluate(solved.equation.right, {name: value}, (), memo)
        is_candidate = any(value is root.value or _is_root(value, root) for root in solved.rejected)
    except UndefinedError as error:
        return why_undefined(name, text, str(error))
    except LimitError:
        return f"{name} = {text} does not satisfy the equation"
    return why_fails(name, text, is_candidate, _show_value(left), _show_value(right))


def _show_value(value: Real) -> str:
    return (
        str(value.number)
        if value.kind == "rational" and value.log_u < 60
        else f"about {value.approximate():.6g}"
    )
