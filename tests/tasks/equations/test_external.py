"""Equations nobody here wrote: the verifier must agree with the answers of both sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from practicum.errors import InputError
from practicum.exact.verifier import Outcome, solve, verify
from practicum.tasks.equations.external import ExternalProblem, read_external

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "math"
DEEPMIND, GYM = DATA / "deepmind_mathematics.jsonl", DATA / "reasoning_gym.jsonl"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data/math beside the repository")


def _outcomes(problems: list[ExternalProblem]) -> set[Outcome]:
    return {verify(problem.equation, problem.answer).outcome for problem in problems}


@needs_data
def test_agrees_with_every_equation_of_deepmind_mathematics() -> None:
    problems = read_external(DEEPMIND)
    modules = [problem.module for problem in problems]
    assert modules.count("algebra__linear_1d") == 154
    assert modules.count("algebra__polynomial_roots") == 92
    assert _outcomes(problems) == {Outcome.CORRECT}


@needs_data
def test_agrees_with_every_simple_equation_of_reasoning_gym() -> None:
    problems = [problem for problem in read_external(GYM) if problem.module == "simple_equations"]
    assert len(problems) == 135
    assert _outcomes(problems) == {Outcome.CORRECT}


@needs_data
def test_polynomial_equations_of_reasoning_gym_are_right_or_rounded() -> None:
    """50 of 164 answers are exact. The other 114 round to four decimals, so they are wrong as exact answers,
    and each decimal lies within half a unit of its fourth place of the root the verifier found.
    """
    problems = [problem for problem in read_external(GYM) if problem.module == "polynomial_equations"]
    exact, rounded = 0, 0
    for problem in problems:
        if verify(problem.equation, problem.answer).outcome is Outcome.CORRECT:
            exact += 1
            continue
        given = sorted(float(text) for text in problem.answer.split(","))
        found = [root.value.approximate() for root in solve(problem.equation).roots]
        assert len(given) == len(found), problem
        assert all(abs(one - other) <= 0.5001e-4 for one, other in zip(given, found, strict=True)), problem
        rounded += 1
    assert (exact, rounded) == (50, 114)


def test_reads_both_forms_and_leaves_out_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(
        '{"source": "m", "module": "algebra__linear_1d", "question": "Solve 3*x = 6 for x.", "answer": "2"}\n'
        '{"source": "m", "module": "algebra__polynomial_roots", "question": "Factor x**2 - 1.",'
        ' "answer": "(x-1)*(x+1)"}\n'
        '{"source": "m", "module": "algebra__polynomial_roots", "question": "Let t**2 = 4. What is t?",'
        ' "answer": "-2, 2"}\n'
        '{"source": "m", "module": "numbers__gcd", "question": "gcd of 4 and 6?", "answer": "2"}\n'
        '{"source": "g", "dataset": "polynomial_equations", "question": "?", "answer": "",'
        ' "metadata": {"polynomial_expr": "x**2 + 1"}}\n'
    )  # fmt: skip
    assert read_external(path) == [
        ExternalProblem("3*x = 6", "2", "m", "algebra__linear_1d"),
        ExternalProblem("t**2 = 4", "-2, 2", "m", "algebra__polynomial_roots"),
        ExternalProblem("x**2 + 1 = 0", "no real solutions", "g", "polynomial_equations"),
    ]
    path.write_text("{}\n")
    with pytest.raises(InputError, match=":1: expected an object with question and answer"):
        read_external(path)


@pytest.mark.parametrize("line", [b'{"id": ' + b"9" * 5000 + b"}", b'{"question": "\xff"}', b"[" * 5000, b""])
def test_a_line_that_is_no_json_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "odd.jsonl"
    good = b'\xef\xbb\xbf{"source": "m", "module": "other", "question": "x", "answer": "2"}\n'
    path.write_bytes(good + line + b"\n")
    with pytest.raises(InputError, match=r"odd\.jsonl:2: .*expected an object with question and answer"):
        read_external(path)
