import re
from random import Random

import pytest
from flint import fmpq

from practicum.exact.expression import parse_expression
from practicum.exact.reals import evaluate, rational, subtract
from practicum.tasks.equations.generator import FAMILIES
from practicum.tasks.equations.notation import primitive
from practicum.tasks.equations.problems import canonical_form, split_of
from practicum.tasks.equations.textbook import PROSE, passage


@pytest.fixture(scope="module")
def passages():
    random = Random(0)
    return [passage(random, FAMILIES) for _ in range(3000)]


def test_passages_have_100_to_250_characters_and_never_pose_the_task(passages):
    assert all(100 <= len(text) <= 250 for text in passages)
    assert not any(word in text for text in passages for word in ("solve:", "sum:", "answer:"))


def sentences(passages):
    for text in passages:
        for sentence in re.split(r"\.(?: |$)", text):
            if sentence and sentence + "." not in PROSE:
                yield sentence


def sides_agree(left, right):
    for sign in ("+", "-"):
        at = {letter: rational(fmpq(7, 3)) for letter in "xyztnmkpqrsuvw"}
        values = [evaluate(parse_expression(side.replace("+-", sign)), at, ()) for side in (left, right)]
        if subtract(*values).sign() != 0:
            return False
    return True


def test_every_identity_is_true(passages):
    checked = 0
    for sentence in sentences(passages):
        maths = sentence.partition(" at ")[2].partition(": ")[2] or sentence
        if "!=" in maths or re.search(r"[a-z]{2,}", maths.replace("sqrt", "")):
            continue
        for chain in maths.split(", "):
            steps = chain.split("=")
            assert len(steps) > 1, sentence
            assert all(sides_agree(steps[0], step) for step in steps[1:]), sentence
            checked += 1
    assert checked > 3000


def test_claims_in_words_are_true(passages):
    seen = set()
    for sentence in sentences(passages):
        if found := re.fullmatch(r"(-?\d+) is (not )?(negative|a square.*)", sentence):
            number, denied, claim = found.groups()
            truth = int(number) < 0 if claim == "negative" else int(number) in {n * n for n in range(50)}
            assert truth != bool(denied), sentence
            seen.add(claim[:8])
        if found := re.fullmatch(r"numbers with sum (.*) and product (.*): (.*)", sentence):
            square, *halves = found[3].split(", ")
            first, second = (int(half.rpartition("=")[2]) for half in halves)
            assert (first + second, first * second) == (int(found[1]), int(found[2])), sentence
            assert square == f"{(second - first) ** 2}={second - first}^2", sentence
            seen.add("numbers")
        if found := re.fullmatch(r"sqrt\((\d+)\) stays", sentence):
            assert all(int(found[1]) % (n * n) for n in range(2, 20))
            seen.add("stays")
    assert {"negative", "a square", "numbers", "stays"} <= seen


def monic_quadratic(text):
    """(1, b, c) of a text like x^2-2x+3."""
    letter = re.findall(r"[a-z]", text)[0]
    at = [evaluate(parse_expression(text), {letter: rational(fmpq(n))}, ()).rational for n in (0, 1)]
    c, total = (int(value) for value in at if value is not None)
    return 1, total - 1 - c, c


def test_worked_polynomials_come_from_the_train_split_only(passages):
    found = 0
    patterns = (r"(\w\^2\S*) has discriminant", r"gives (\w\^2\S*)=0", r"roots of (\w\^2\S*) is")
    for sentence in sentences(passages):
        for pattern in patterns:
            for text in re.findall(pattern, sentence):
                assert split_of(canonical_form(primitive(monic_quadratic(text)))) == "train", sentence
                found += 1
    assert found > 500


def test_families_choose_what_is_taught():
    random = Random(3)
    linear_only = " ".join(passage(random, ("linear",)) for _ in range(500))
    assert "discriminant 4" not in linear_only
    assert "^2-" not in linear_only
    assert "gives" in linear_only


def test_the_textbook_is_deterministic():
    assert [passage(Random(5)) for _ in range(3)] == [passage(Random(5)) for _ in range(3)]
