"""Off-policy estimators: unbiased by enumeration, equal to a slow computation, and with intervals that
cover."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from practicum.applications.ads.estimators import (
    ESTIMATORS,
    Evidence,
    cut_of,
    difference,
    direct,
    doubly_robust,
    effective_size,
    ips,
    lift,
    paired_lift,
    snips,
    switch,
    weighted_rate,
)
from practicum.stats import Estimate


@st.composite
def problems(draw: st.DrawFn) -> dict[str, list[list[Fraction]]]:
    """Two contexts with up to three items: propensities, a policy, chances of a click and a click model's."""
    items = 2

    def shares() -> list[Fraction]:
        parts = draw(st.lists(st.integers(1, 9), min_size=items, max_size=items))
        return [Fraction(part, sum(parts)) for part in parts]

    def chances() -> list[Fraction]:
        return [Fraction(draw(st.integers(0, 10)), 10) for _ in range(items)]

    return {
        "logging": [shares(), shares()],
        "policy": [shares(), shares()],
        "chance": [chances(), chances()],
        "model": [chances(), chances()],
    }


def logs_of(problem: dict[str, list[list[Fraction]]]) -> list[tuple[Fraction, list[tuple[int, int, int]]]]:
    """Every log of two rows, one of each context, with its probability: (context, item, click) a row."""
    items = range(len(problem["logging"][0]))
    outcomes = []
    for context in (0, 1):
        row = []
        for item, click in product(items, (0, 1)):
            chance = problem["chance"][context][item]
            share = problem["logging"][context][item] * (chance if click else 1 - chance)
            row.append((share, (context, item, click)))
        outcomes.append(row)
    return [(one[0] * two[0], [one[1], two[1]]) for one, two in product(*outcomes)]


def evidence_of(problem: dict[str, list[list[Fraction]]], rows: list[tuple[int, int, int]]) -> Evidence:
    policy, logging, model = problem["policy"], problem["logging"], problem["model"]
    return Evidence(
        np.array([float(click) for _, _, click in rows]),
        np.array([float(policy[x][a] / logging[x][a]) for x, a, _ in rows]),
        np.array([float(model[x][a]) for x, a, _ in rows]),
        np.array([float(sum(p * q for p, q in zip(policy[x], model[x], strict=True))) for x, _, _ in rows]),
    )


def true_value(problem: dict[str, list[list[Fraction]]]) -> Fraction:
    return (
        sum(
            (p * q for x in (0, 1) for p, q in zip(problem["policy"][x], problem["chance"][x], strict=True)),
            Fraction(0),
        )
        / 2
    )


@settings(max_examples=15, deadline=None)
@given(problems())
def test_ips_and_doubly_robust_are_right_on_average_over_every_log(
    problem: dict[str, list[list[Fraction]]],
) -> None:
    for estimator in (ips, doubly_robust):
        mean = sum(
            float(share) * estimator(evidence_of(problem, rows)).value for share, rows in logs_of(problem)
        )
        assert mean == pytest.approx(float(true_value(problem)), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(problems())
def test_with_an_exact_click_model_the_direct_method_is_right_and_doubly_robust_agrees_on_average(
    problem: dict[str, list[list[Fraction]]],
) -> None:
    exact = {**problem, "model": problem["chance"]}
    logs = logs_of(exact)
    for _, rows in logs:
        assert direct(evidence_of(exact, rows)).value == pytest.approx(float(true_value(problem)))
    # Clicks that are certain leave nothing to correct: then they are equal on every log.
    certain = {**problem, "chance": [[Fraction(a % 2) for a in range(len(row))] for row in problem["chance"]]}
    certain["model"] = certain["chance"]
    for share, rows in logs_of(certain):
        if share:
            evidence = evidence_of(certain, rows)
            assert doubly_robust(evidence).value == pytest.approx(direct(evidence).value)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    rows = draw(st.integers(2, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weight_N = random.choice([0.0, 0.3, 1.0, 7.0, 300.0], rows)
    assume(weight_N.sum() > 0)
    click_N = (random.random(rows) < 0.3).astype(float)
    return Evidence(click_N, weight_N, random.random(rows), random.random(rows), 0.01, 1.0)


@settings(max_examples=40, deadline=None)
@given(evidences())
def test_each_estimate_is_that_of_a_slow_exact_computation(evidence: Evidence) -> None:
    rows = [
        tuple(map(Fraction, map(float, row)))
        for row in zip(evidence.click_N, evidence.weight_N, evidence.model_N, evidence.value_N, strict=True)
    ]
    count = len(rows)
    cut = Fraction(cut_of(evidence)) if np.isfinite(cut_of(evidence)) else max(w for _, w, _, _ in rows)
    wanted = {
        "ips": sum(w * r for r, w, _, _ in rows) / count,
        "snips": sum(w * r for r, w, _, _ in rows) / sum(w for _, w, _, _ in rows),
        "direct": sum(v for *_, v in rows) / count,
        "dr": sum(v + w * (r - q) for r, w, q, v in rows) / count,
        "switch": sum(v + (w * (r - q) if w <= cut else 0) for r, w, q, v in rows) / count,
    }
    for name, estimator in ESTIMATORS.items():
        assert estimator(evidence).value == pytest.approx(float(wanted[name]), rel=1e-9, abs=1e-12)
    weights = [w for _, w, _, _ in rows]
    effective = sum(weights) ** 2 / sum(w * w for w in weights)
    assert effective_size(evidence.weight_N) == pytest.approx(float(effective))


@settings(max_examples=30, deadline=None)
@given(evidences(), st.floats(0.01, 0.5))
def test_snips_moves_with_the_clicks_and_ips_does_not(evidence: Evidence, shift: float) -> None:
    moved = Evidence(evidence.click_N + shift, evidence.weight_N, evidence.model_N, evidence.value_N)
    assert snips(moved).value - snips(evidence).value == pytest.approx(shift)
    change = ips(moved).value - ips(evidence).value
    assert change == pytest.approx(shift * evidence.weight_N.mean())


@settings(max_examples=40, deadline=None)
@given(evidences())
def test_an_interval_holds_its_estimate_where_that_is_a_share(evidence: Evidence) -> None:
    for estimator in ESTIMATORS.values():
        found = estimator(evidence)
        assert 0 <= found.low <= 1
        assert 0 <= found.high <= 1
        if 0 <= found.value <= 1:
            assert found.low <= found.value + 1e-9
            assert found.value <= found.high + 1e-9


@settings(max_examples=30, deadline=None)
@given(evidences())
def test_a_policy_has_no_lift_over_itself(evidence: Evidence) -> None:
    if switch(evidence).value <= 0:
        return
    found = paired_lift(evidence, evidence)
    assert found.value == pytest.approx(0)
    assert found.low <= 1e-6
    assert found.high >= -1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(0.01, 1) for _ in range(2)]),
    st.tuples(*[st.floats(0, 0.9) for _ in range(4)]),
)
def test_a_lift_is_the_ratio_and_its_ends_are_those_of_the_difference(
    values: tuple[float, float], reach: tuple[float, float, float, float]
) -> None:
    """A lift at an end of its interval makes the difference's interval end at 0."""
    one, other = (
        Estimate(value, value * (1 - reach[2 * k]), value * (1 + reach[2 * k + 1]), 100)
        for k, value in enumerate(values)
    )
    found = lift(one, other)
    assert found.value == pytest.approx(values[0] / values[1] - 1)
    for end, at in ((found.low, "low"), (found.high, "high")):
        ratio = 1 + end
        scaled = Estimate(ratio * other.value, ratio * other.low, ratio * other.high, 100)
        assert getattr(difference(one, scaled), at) == pytest.approx(0, abs=1e-6)


def test_the_gamma_interval_is_fay_and_feuers() -> None:
    """With equal weights it is the exact Poisson interval (Garwood 1936): 10 events, 4.80 to 18.39."""
    found = weighted_rate(np.full(10, 1.0), 1.0)
    assert [found.low, found.high] == pytest.approx([4.795, 18.390], abs=1e-3)
    nothing = weighted_rate(np.zeros(5), 1.0)
    assert [nothing.low, nothing.high] == pytest.approx([0.0, 3.689], abs=1e-3)


@pytest.mark.parametrize("skew", [0.0, 1.5], ids=["even", "skewed"])
def test_the_intervals_cover(skew: float) -> None:
    """60 logs of 1,000 rows with few clicks; the study of ads makes 200. A share of 95% may show as 52 of
    60."""
    random = np.random.default_rng(5)
    rows, items = 1000, 8
    chance_NA = 0.02 * np.exp(0.7 * random.standard_normal((rows, items)))
    model_NA = chance_NA * np.exp(0.5 * random.standard_normal((rows, items)))
    logging_A = np.exp(skew * random.standard_normal(items))
    logging_A /= logging_A.sum()
    policy_NA = np.eye(items)[model_NA.argmax(1)]
    truth = float((policy_NA * chance_NA).sum(1).mean())
    practice = float((logging_A * chance_NA).sum(1).mean())
    every = np.arange(rows)
    held = dict.fromkeys([*ESTIMATORS, "lift"], 0)
    for _ in range(60):
        action_N = random.choice(items, rows, p=logging_A)
        evidence = Evidence(
            (random.random(rows) < chance_NA[every, action_N]).astype(float),
            policy_NA[every, action_N] / logging_A[action_N],
            model_NA[every, action_N],
            (policy_NA * model_NA).sum(1),
            0.0,
            float(model_NA.max(1).mean()),
        )
        for name, estimator in ESTIMATORS.items():
            found = estimator(evidence)
            held[name] += found.low <= truth <= found.high
        own = Evidence(evidence.click_N, np.ones(rows), np.zeros(rows), np.zeros(rows))
        found = paired_lift(evidence, own)
        held["lift"] += found.low <= truth / practice - 1 <= found.high
    assert min(held.values()) >= 52, held


def test_a_row_of_a_millionth_is_felt_and_the_switch_says_what_it_leaves_out() -> None:
    random = np.random.default_rng(0)
    rows = 5000
    weight_N = np.ones(rows)
    weight_N[17] = 20_000.0
    click_N = (random.random(rows) < 0.01).astype(float)
    click_N[17] = 0.0
    evidence = Evidence(click_N, weight_N, np.full(rows, 0.01), np.full(rows, 0.01), 0.0, 0.03)
    assert effective_size(weight_N) < 2
    assert ips(evidence).high == 1.0
    assert doubly_robust(evidence).value < -0.02
    found = switch(evidence)
    assert cut_of(evidence) == 1.0
    assert 0.005 < found.low < found.value < found.high < 0.02
