"""Linear equations with long numbers: every written line is checked by exact arithmetic of its own."""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from math import gcd
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.exact.verifier import Outcome, verify
from practicum.tasks.equations.columns import (
    PLACES,
    difference_columns,
    division_lines,
    hinted,
    product_columns,
    quotient_lines,
    read_text,
    sign_line,
    sum_columns,
    sum_lines,
)
from practicum.tasks.equations.generator import LEVELS, draw
from practicum.tasks.equations.long_linear import canonical_terms, collected_lines, drills, sides_of
from practicum.tasks.equations.pen import Habits
from practicum.tasks.equations.problems import split_of
from practicum.tasks.equations.solutions import solve_by_hand
from practicum.tasks.equations.task import EquationsConfig, EquationsTask

NUMBERS = st.integers(0, 10**9)
PLAIN = "9261c22bdb0452613277d2fd5ba351e9fb33005738ea8524453677ef15fa0182"
"""SHA-256 of what the plain task drew before this family was."""


def number_of(text: str) -> int:
    """The number that a hinted text spells, with its sign; every letter must be the one of its place."""
    sign, letters, digits = (
        text[0] if text[0] in "+-" else "",
        re.sub("[^a-l]", "", text),
        re.sub("[^0-9]", "", text),
    )
    assert letters == PLACES[: len(letters)][::-1], text
    assert re.fullmatch(r"[+-]?([a-l]\d)+", text), text
    assert str(int(digits)) == digits, text
    return int(sign + digits)


def columns_of(text: str) -> list[str]:
    """The digits of each column, units first."""
    found = re.findall(r"([a-l])(\d+)", text)
    assert "".join(map("".join, found)) == text
    assert "".join(letter for letter, _ in found) == PLACES[: len(found)], text
    return [digits for _, digits in found]


def value_of(text: str) -> int:
    """What columns come to: the last digit but one of each, or the only one."""
    return sum(int(digits[-2:][0]) * 10**place for place, digits in enumerate(columns_of(text)))


def row_of(text: str, row: int) -> int:
    """The number that the columns have in a row, above their results."""
    columns = [digits for digits in columns_of(text) if len(digits) > 1]
    return sum(int(digits[row]) * 10**place for place, digits in enumerate(columns))


def carried(text: str) -> list[int]:
    """What is carried or borrowed, by place; a last carry that stands alone carries nothing."""
    return [int(digits[-1]) for digits in columns_of(text) if len(digits) > 1]


@given(NUMBERS, NUMBERS)
def test_columns_of_a_sum_and_a_difference(first: int, second: int) -> None:
    text = sum_columns(first, second)
    assert (value_of(text), row_of(text, 0), row_of(text, 1)) == (first + second, first, second)
    for place, carry in enumerate(carried(text)):
        below = 10 ** (place + 1)
        assert carry == (first % below + second % below) // below
    text = difference_columns(first, second)
    assert (row_of(text, 0), row_of(text, 1)) == (first, second)
    for place, borrow in enumerate(carried(text)):
        assert borrow == (first % 10 ** (place + 1) < second % 10 ** (place + 1))
    # What is left to borrow says that the second number was the larger one.
    assert carried(text)[-1] == (first < second)
    if first >= second:
        assert value_of(text) == first - second


@given(NUMBERS, st.integers(1, 9))
def test_columns_of_a_product(number: int, digit: int) -> None:
    text = product_columns(number, digit)
    assert (value_of(text), row_of(text, 0)) == (number * digit, number)
    for place, carry in enumerate(carried(text)):
        assert carry == number % 10 ** (place + 1) * digit // 10 ** (place + 1)


@given(NUMBERS, NUMBERS)
def test_reading_counts_digits_from_the_front(first: int, second: int) -> None:
    text = read_text(f"{first}x-{second}=-x")
    assert re.sub("[a-l]", "", text) == f"{first}x-{second}=-x"
    for part, number in zip(re.split("x-|=", text), (first, second), strict=False):
        assert re.sub("[0-9]", "", part) == PLACES[: len(str(number))]


@given(NUMBERS)
def test_hints_name_the_places(number: int) -> None:
    assert number_of(hinted(number)) == number


@given(st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=4))
def test_sums_are_written_two_numbers_at_a_time(terms: list[int]) -> None:
    lines, total = sum_lines("left", terms)
    assert total == sum(terms)
    check_sums(lines, total)


def check_sums(lines: list[str], total: int) -> None:
    """Pairs with their columns and results, each pair beginning with the result before it; ends in total."""
    if len(lines) == 1:
        assert number_of(lines[0].split(": ")[1]) == total
        return
    known = None
    for pair, work in zip(lines[::2], lines[1::2], strict=True):
        first, second = (number_of(text) for text in re.findall(r"[+-][a-l0-9]+", pair.split(": ")[1]))
        assert known in (None, first)
        word, _, columns = work.partition(": ")
        columns, _, result = columns.partition("=")
        known = number_of(result)
        assert known == first + second
        assert value_of(columns) == abs(known)
        assert word == (
            "plus" if (first < 0) == (second < 0) else "minus" if abs(first) >= abs(second) else "back"
        )
    assert known == total


def check_division(lines: list[str], top: int, bottom: int) -> list[str]:
    """One division from `divide` to `gives`; the lines behind it."""
    word, _, maths = lines[0].partition(": ")
    assert word == "divide"
    assert [number_of(text) for text in maths.split("/")] == [top, bottom]
    quotient, left, index, digits = 0, 0, 1, str(top)
    used = min(len(digits), len(str(bottom)))
    left, first = int(digits[:used]), True
    while lines[index].startswith("down: "):
        maths, _, digit = lines[index].removeprefix("down: ").partition(":")
        if not first:
            left, used = 10 * left + int(digits[used]), used + 1
            so_far, _, maths = maths.partition(",")
            assert int(so_far) == quotient
        assert number_of(maths) == left
        first, index, fits = False, index + 1, digit == "0"
        while not fits:
            if lines[index].startswith("times: "):
                factor, _, columns = lines[index].removeprefix("times: ").partition(",")
                product = value_of(columns)
                assert (factor, product) == (digit, bottom * int(digit))
                columns, _, rest = lines[index + 1].removeprefix("minus: ").partition("=")
                assert columns == difference_columns(left, product)
                assert bool(rest) == (product <= left)
                assert not rest or number_of(rest) == left - product
                fits, index = bool(rest) and left - product < bottom, index + 2
            else:
                digit, fits = lines[index].removeprefix("again: "), lines[index] == "again: 0"
                index += 1
        if lines[index].startswith("again: "):
            assert lines[index] == "again: 0"
            assert left < bottom
            digit, index = "0", index + 1
        left -= bottom * int(digit)
        assert 0 <= left < bottom
        quotient = 10 * quotient + int(digit)
    assert used == len(digits)
    assert lines[index] == f"gives: {quotient},{hinted(left)}"
    assert (quotient, left) == divmod(top, bottom)
    return lines[index + 1 :]


@given(st.integers(1, 10**8), st.integers(1, 10**6), st.integers(0, 99))
def test_long_division_finds_quotient_and_remainder(top: int, bottom: int, seed: int) -> None:
    lines, quotient, remainder = division_lines(top, bottom, Random(seed))
    assert (quotient, remainder) == divmod(top, bottom)
    assert check_division(lines, top, bottom) == []


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(0, 99))
def test_fractions_come_to_lowest_terms_in_writing(top: int, bottom: int, seed: int) -> None:
    lines, value = quotient_lines(top, bottom, Random(seed))
    assert value == Fraction(top, bottom)
    check_quotient(lines, top, bottom)


def check_quotient(lines: list[str], top: int, bottom: int) -> None:
    rest = check_division(lines, top, bottom)
    larger, smaller = bottom, top % bottom
    if smaller == 0:
        assert rest == []
        return
    while smaller > 1:
        rest = check_division(rest, larger, smaller)
        larger, smaller = smaller, larger % smaller
    common = gcd(top, bottom)
    assert rest[0] == f"common: {hinted(common)}"
    rest = rest[1:]
    for number in (top, bottom) if common != 1 else ():
        rest = check_division(rest, number, common)
    assert rest == []


@pytest.mark.parametrize("level", LEVELS)
def test_every_line_of_a_worked_solution_is_right(level: int) -> None:
    random = Random(level)
    kinds = set()
    for _ in range(150):
        problem = draw("long_linear", level, "solve", random)
        kinds.add(problem.kind)
        first, *lines, answer = solve_by_hand(problem, Habits(), random, 10**6).split("\n")
        assert first == f"read: {read_text(problem.equation)}"
        left, right = sides_of(problem.equation)
        factor = sum(v for v, x in left if x) - sum(v for v, x in right if x)
        constant = sum(v for v, x in right if not x) - sum(v for v, x in left if not x)
        assert Fraction(constant, factor) == problem.roots[0]
        sums = [index for index, line in enumerate(lines) if line.startswith(("left: ", "right: "))]
        begin = next(index for index, line in enumerate(lines) if line.startswith("right: "))
        work = next((index for index, line in enumerate(lines) if line.startswith("divide: ")), len(lines))
        assert max(sums) < work
        check_sums(lines[:begin], factor)
        signed = [index for index, line in enumerate(lines) if line.startswith("sign: ")]
        check_sums(lines[begin : min(signed, default=work)], constant)
        assert len(signed) == bool(constant)
        if constant:
            check_sign(lines[signed[0]], constant, factor)
        if constant and abs(factor) != 1:
            check_quotient(lines[work:], abs(constant), abs(factor))
        else:
            assert work == len(lines)
        assert answer == f"answer: {problem.answer}"
        assert verify(problem.equation, problem.answer).outcome is Outcome.CORRECT
    assert kinds == {"integer", "zero", "rational"}


def check_sign(line: str, top: int, bottom: int) -> None:
    found = re.fullmatch(r"sign: ([+-])/([+-])=([+-])", line)
    assert found
    assert [sign == "-" for sign in found.groups()] == [top < 0, bottom < 0, top * bottom < 0]


def test_what_does_not_change_the_work_keeps_the_canonical_form() -> None:
    same = ["3x-20=5x+7", "-20+3x=5x+7", "7+5x=3x-20", "-3x+20=-5x-7", "3t-20=5t+7"]
    assert len({canonical_terms(equation) for equation in same}) == 1
    others = ["3x=5x+27", "6x-40=10x+14", "3x-20=5x-7", "19x=0", "7x=0", "x-20=5x+7"]
    assert len({canonical_terms(equation) for equation in [same[0], *others]}) == 7


def test_no_root_is_held_out_as_a_whole() -> None:
    """Each split has the root 0, and most whole roots to 100."""
    for split in ("train", "validation", "test"):
        random = Random(3)
        problems = [draw("long_linear", 1, "solve", random, split) for _ in range(600)]
        assert all(split_of(problem.canonical) == split for problem in problems)
        roots = {problem.roots[0] for problem in problems}
        assert 0 in roots
        assert len(roots & set(range(1, 101))) > 80


def test_the_textbook_drills_in_columns_only_where_such_equations_are_asked() -> None:
    plain, off = (
        EquationsTask(),
        EquationsTask(EquationsConfig(families={"rational": 0.56, "long_linear": 0})),
    )
    alone = EquationsTask(EquationsConfig(families={"long_linear": 1.0}))
    mixed = EquationsTask(EquationsConfig(families={"rational": 1.0, "long_linear": 1.0}))
    words = re.compile("^(left|right|divide|sign): |times: |read: ", re.M)
    for task, share in ((plain, 0.0), (off, 0.0), (alone, 1.0), (mixed, 0.5)):
        passages = task.exposition(300, 1)
        assert sum(bool(words.search(text)) for text in passages) / 300 == pytest.approx(share, abs=0.1)
        assert not any(word in text for text in passages for word in ("solve:", "sum:", "answer:"))
    # Chance is drawn on as before, so that what was trained without this family is trained again alike.
    only = EquationsTask(EquationsConfig(families={"rational": 0.56}))
    assert off.exposition(20, 5) == only.exposition(20, 5)
    assert off.prompts("train", 20, 5) == only.prompts("train", 20, 5)
    assert off.demonstrations(20, 5) == only.demonstrations(20, 5)


def test_drill_is_true() -> None:
    random = Random(0)
    for _ in range(200):
        lines = drills(random).split("\n")
        while lines:
            lines = checked(lines)


def checked(lines: list[str]) -> list[str]:
    """The lines behind the first piece of a drill, which is right."""
    first = lines[0]
    if named := re.fullmatch(r"(\d+) read: (\S+) is (\S+)", first):
        assert named[2] == read_text(named[1])
        assert number_of(named[3]) == int(named[1])
        return lines[1:]
    if times := re.fullmatch(r"(\S+) times: (\d),(\S+)", first):
        assert value_of(times[3]) == number_of(times[1]) * int(times[2])
        return lines[1:]
    if first.startswith(("left: ", "right: ")):
        check_sums(lines[:2], number_of(lines[1].partition("=")[2]))
        return lines[2:]
    if first.startswith("sign: "):
        check_sign(first, int(f"{first[6]}1"), int(f"{first[8]}1"))
        return lines[1:]
    if first.startswith("common: "):
        return lines[1:]
    return check_division(lines, *map(number_of, first.removeprefix("divide: ").split("/")))


def test_draws_without_this_family_are_what_they_were() -> None:
    task = EquationsTask()
    texts = [
        *(prompt.text for prompt in task.prompts("test", 50, 1)),
        *(one.completion for one in task.demonstrations(50, 2)),
        *task.exposition(50, 3),
    ]
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest() == PLAIN


def test_the_example_of_the_page_is_what_is_written() -> None:
    page = (Path(__file__).parents[3] / "docs" / "equations.md").read_text(encoding="utf-8")
    equation = "4931x-20387=-45042"
    shown = page.partition(f"solve: {equation}\n")[2].partition("\n```")[0]
    lines, factor, constant = collected_lines(equation)
    for seed in range(20):
        division, value = quotient_lines(abs(constant), abs(factor), Random(seed))
        worked = [*lines, sign_line(constant, factor), *division, f"answer: -{value}"]
        if "again" not in "".join(worked):
            assert shown == "\n".join(worked)
            break
    else:
        pytest.fail("every seed guesses wrong")
