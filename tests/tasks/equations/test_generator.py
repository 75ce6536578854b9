from collections import Counter
from fractions import Fraction
from math import prod
from random import Random
from typing import Any

import pytest
import sympy

from practicum.errors import InputError
from practicum.exact.expression import Name, Negative, Number, Power, Product, Sum, parse_equation
from practicum.exact.verifier import Outcome, verify
from practicum.tasks.equations.families import rational_equation
from practicum.tasks.equations.generator import FAMILIES, KINDS, LEVELS, draw
from practicum.tasks.equations.problems import SPLITS, canonical_form, split_of
from practicum.tasks.equations.task import EquationsConfig, EquationsTask, distinct_problems
from practicum.tasks.explanations.task import ExplanationsTask

X = sympy.Symbol("x")


def draws(count, seed, split=None, families=tuple(FAMILIES), parametric=0.1):
    random = Random(seed)
    return [
        draw(
            random.choice(families),
            random.choice(LEVELS),
            random.choice(("solve", "sum")),
            random,
            split,
            parametric,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("level", LEVELS)
def test_the_known_answer_of_every_problem_is_right(family, level):
    random = Random(level)
    for _ in range(60):
        problem = draw(family, level, random.choice(("solve", "sum")), random, parametric=0.2)
        verdict = verify(problem.equation, problem.answer, problem.ask)
        assert verdict.outcome is Outcome.CORRECT, (problem.text, problem.answer, verdict.reason)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_root_is_drawn_about_as_often_as_its_share_says(family):
    random = Random(5)
    found = Counter(draw(family, 2, "solve", random, "train").kind for _ in range(1500))
    drawn = sum(KINDS[family][kind] for kind in found)
    for kind, count in found.items():
        assert count / 1500 == pytest.approx(KINDS[family][kind] / drawn, abs=0.12)


def test_the_opening_equation_belongs_to_the_rational_family():
    assert rational_equation(3, 3, "y", 0) == "3-(3+y)/y=y"
    texts = {draw("rational", 1, "solve", Random(seed)).equation for seed in range(3000)}
    assert any(text.startswith("3-(") for text in texts)


def test_moving_renaming_and_rearranging_keep_the_canonical_form():
    problems = draws(4000, 1, families=("rational",), parametric=0)
    by_numbers: dict[Any, Any] = {}
    for problem in problems:
        forms = by_numbers.setdefault(problem.numbers, set())
        forms.add(problem.canonical)
    assert len({problem.layout for problem in problems}) == 5
    assert all(len(forms) == 1 for forms in by_numbers.values())
    assert len({form for forms in by_numbers.values() for form in forms}) == len(by_numbers)


def test_scaling_keeps_the_canonical_form():
    assert canonical_form((2, -4, 6)) == canonical_form((-1, 2, -3)) == canonical_form((1, -2, 3))
    assert canonical_form((1, -2, 3)) != canonical_form((1, -2, 3), "excluded 0")


def as_fraction(node):
    """Numerator and denominator as SymPy polynomials, nothing cancelled."""
    one = sympy.Poly(1, X)
    match node:
        case Number():
            return sympy.Poly(node.numerator, X), sympy.Poly(node.denominator, X)
        case Name():
            return sympy.Poly(X, X), one
        case Negative():
            top, bottom = as_fraction(node.inner)
            return -top, bottom
        case Power():
            top, bottom = as_fraction(node.base)
            return top**node.numerator, bottom**node.numerator
        case Product():
            tops = [as_fraction(factor) for factor in node.factors]
            tops += [as_fraction(divisor)[::-1] for divisor in node.divisors]
            return prod((top for top, _ in tops), start=one), prod((bottom for _, bottom in tops), start=one)
        case Sum():
            parts = [as_fraction(term) for term in node.terms]
            shared = prod({bottom for _, bottom in parts}, start=one)
            return sum((top * shared.div(bottom)[0] for top, bottom in parts), start=one * 0), shared


def independent_key(problem):
    """The monic numerator of left-right and the zeros of its denominator, from the text alone."""
    parsed = parse_equation(problem.equation)
    numerator, denominator = as_fraction(Sum((parsed.left, Negative(parsed.right))))
    zeros = sympy.roots(denominator) if denominator.degree() else {}
    return tuple(numerator.monic().all_coeffs()), tuple(sorted(map(str, zeros)))


def test_canonical_forms_agree_with_an_independent_reduction():
    problems = draws(250, 3, families=("linear", "quadratic", "rational", "cancelled"), parametric=0)
    keys: dict[Any, Any] = {}
    for problem in problems:
        keys.setdefault(problem.canonical, set()).add(independent_key(problem))
    assert all(len(found) == 1 for found in keys.values())
    assert len({key for found in keys.values() for key in found}) == len(keys)


def test_splits_share_no_problem_and_no_reduced_polynomial():
    canonical, kernels = {}, {}
    for split in SPLITS:
        problems = draws(1_500 if split == "validation" else 10_000, 7, split)
        canonical[split] = {problem.canonical for problem in problems}
        kernels[split] = {form.partition(" | ")[0] for form in canonical[split]}
        assert all(split_of(problem.canonical) == split for problem in problems)
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not canonical[one] & canonical[other]
        assert not kernels[one] & kernels[other]


def test_splits_have_their_shares():
    forms = {problem.canonical for problem in draws(12_000, 11)}
    found = Counter(split_of(form) for form in forms)
    for split, share in SPLITS.items():
        assert found[split] / len(forms) == pytest.approx(share, abs=0.03)


def test_drawing_is_deterministic():
    assert draws(200, 4, "test") == draws(200, 4, "test")
    assert draws(200, 4, "test") != draws(200, 5, "test")


def test_roots_outside_the_domain_are_no_solutions():
    for problem in draws(
        800, 9, families=("rational", "cancelled", "radical", "nested", "absolute"), parametric=0
    ):
        assert not any(problem.outside(root) for root in problem.roots)
    excluded = [problem for problem in draws(800, 9, families=("rational",)) if problem.kind == "excluded"]
    assert excluded
    assert all(problem.outside(Fraction(0)) for problem in excluded)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("cubic", 1, "solve"), "family"),
        (("linear", 4, "solve"), "level"),
        (("linear", 1, "product"), "ask"),
    ],
)
def test_unknown_names_are_refused_by_name(arguments, named):
    family, level, ask = arguments
    with pytest.raises(InputError, match=named):
        draw(family, level, ask, Random(0))
    with pytest.raises(InputError, match="split"):
        draw("linear", 1, "solve", Random(0), "exam")


@pytest.mark.parametrize("seed", [1, 2, 20261123])
@pytest.mark.parametrize("families", [None, {"rational": 1.0}])
def test_a_thousand_test_prompts_ask_for_nearly_a_thousand_problems(families, seed):
    config = EquationsConfig() if families is None else EquationsConfig(families=families)
    prompts = EquationsTask(config).prompts("test", 1000, seed)
    assert len(prompts) == 1000
    assert distinct_problems(prompts) >= 950
    explained = ExplanationsTask(equations=config).prompts("test", 1000, seed)
    assert len({prompt.problem for prompt in explained}) >= 950


@pytest.mark.parametrize("family", FAMILIES)
def test_a_held_out_problem_repeats_only_when_hardly_any_is_left(family):
    task = EquationsTask(EquationsConfig(families={family: 1.0}, levels={"1": 1.0, "2": 1.0}))
    for split in ("validation", "test"):
        assert distinct_problems(task.prompts(split, 20, 3)) == 20


def test_every_family_and_kind_is_still_asked():
    """Without repeats the rarer kinds run out, yet each is still asked, and so is each family."""
    prompts = EquationsTask().prompts("test", 1000, 1)
    for family, weight in EquationsConfig().families.items():
        count = sum(prompt.data["family"] == family for prompt in prompts)
        assert count / 1000 == pytest.approx(weight, abs=0.08)
    kinds = Counter(prompt.data["kind"] for prompt in prompts if prompt.data["family"] == "rational")
    assert {kind for kind, share in KINDS["rational"].items() if share > 0} == set(kinds)


def test_kinds_of_root_are_left_out_or_drawn_more_often() -> None:
    families = {"absolute": 1.0, "radical": 1.0}

    def kinds(**factors: float) -> Counter[str]:
        task = EquationsTask(EquationsConfig(families=families, kinds=factors))
        return Counter(prompt.data["kind"] for prompt in task.prompts("train", 300, 4))

    assert "extraneous" not in kinds(extraneous=0)
    assert kinds(extraneous=5)["extraneous"] > kinds()["extraneous"] > 0
    with pytest.raises(InputError, match="unknown kind 'extranous'"):
        kinds(extranous=0)
    with pytest.raises(InputError, match="no kind of linear is left"):
        EquationsConfig(families={"linear": 1.0}, kinds={"integer": 0, "rational": 0})
