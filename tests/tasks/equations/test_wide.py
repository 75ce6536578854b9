import re
from fractions import Fraction
from random import Random

import pytest

from practicum.exact.verifier import solve, verify
from practicum.tasks.equations.generator import draw
from practicum.tasks.equations.problems import split_of
from practicum.tasks.equations.solutions import MAX_TOKENS, Habits, solve_by_hand, token_count
from practicum.tasks.equations.wide import equation_text, terms_of


@pytest.mark.parametrize("level", [1, 2, 3])
def test_solutions_are_right_whatever_is_tried_in_a_division(level):
    random = Random(level)
    habits = Habits(**{**vars(Habits.perfect()), "trial_slip": 0.5})
    for _ in range(300):
        problem = draw("wide", level, "solve", random)
        text = solve_by_hand(problem, habits, random, 10**6)
        assert verify(problem.equation, text.rpartition("answer: ")[2]).verdict == "correct", text
        assert solve(problem.equation).texts == problem.solutions
        assert equation_text(terms_of(problem), problem.variable) == problem.equation


def test_most_solutions_fit_and_slips_cost_the_answer():
    random = Random(5)
    problems = [draw("wide", 1 + index % 2, "solve", random, "train") for index in range(500)]
    texts = [solve_by_hand(problem, Habits.perfect(), random) for problem in problems]
    assert max(map(token_count, texts)) <= MAX_TOKENS
    careless = Habits(**{**vars(Habits.perfect()), "sign_slip": 0.5})
    wrong = [
        verify(problem.equation, solve_by_hand(problem, careless, random).rpartition("answer: ")[2]).verdict
        for problem in problems
    ]
    assert 0.2 < wrong.count("wrong") / len(wrong) < 0.8


def test_forms_and_sizes_are_those_of_exercise_collections():
    random = Random(6)
    problems = [draw("wide", 1 + index % 2, "solve", random, "test") for index in range(1500)]
    assert all(split_of(problem.canonical) == "test" for problem in problems)
    shapes = {
        re.sub(r"[1-9]\d*", "N", problem.equation.replace(problem.variable, "x")) for problem in problems
    }
    assert {"Nx+N=N", "Nx-N=N", "N-Nx=-N", "Nx=N", "Nx+N=0", "N=Nx", "Nx=Nx+N", "Nx-Nx=-N"} <= shapes
    assert len(shapes) > 100
    assert len({problem.variable for problem in problems}) > 20
    assert max(len(number) for problem in problems for number in re.findall(r"\d+", problem.equation)) >= 6
    roots = [problem.roots[0] for problem in problems]
    exact = [root for root in roots if isinstance(root, Fraction)]
    assert len(exact) == len(roots)
    assert any(root.denominator > 1 for root in exact)
    assert min(exact) < -50 < 50 < max(exact)
