from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from practicum.audit import budget
from practicum.audit.budget import (
    STRATEGIES,
    BudgetConfig,
    LabelCurve,
    Pool,
    gold_reached,
    jokes_pool,
    label_curve,
    mean_curve,
    savings,
    simulated_pool,
)
from practicum.audit.linear_reward import LinearReward, fit_linear, text_features
from practicum.errors import InputError
from studies.planted import gold, honest_set, preferences


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_more_rankings_buy_more_gold(strategy: str) -> None:
    pool, test = simulated_pool(80, 8, 20, 0), simulated_pool(80, 20, 20, 1)
    curve = label_curve(strategy, pool, test, BudgetConfig(rankings=120, batch=40, first=20))  # type: ignore[arg-type]
    assert curve.rankings == (20, 60, 100, 120)
    assert curve.gold[0] < curve.gold[-1]
    assert curve.gold[-1] > 0.85
    again = label_curve(strategy, pool, test, BudgetConfig(rankings=120, batch=40, first=20))  # type: ignore[arg-type]
    assert again == curve


@pytest.mark.slow
def test_information_needs_at_most_half_of_the_random_rankings() -> None:
    def curves(strategy: str, rankings: int) -> LabelCurve:
        return mean_curve(
            [
                label_curve(
                    strategy,  # type: ignore[arg-type]
                    simulated_pool(400, 12, 40, seed, taste_seed=seed),
                    simulated_pool(200, 32, 40, seed + 1000, taste_seed=seed),
                    BudgetConfig(rankings=rankings, batch=50, first=50, seed=seed),
                )
                for seed in range(3)
            ]
        )

    level, needed, used = savings(curves("random", 1000), curves("information", 500))
    assert used == 1000
    assert needed is not None, level
    assert needed <= 500


def test_gold_reached_runs_from_average_to_best() -> None:
    pool = simulated_pool(50, 10, 8, 0)
    taste = np.random.default_rng(0).normal(0.0, 1.0, 8)
    perfect = LinearReward(taste, text_features, np.eye(8))
    assert gold_reached(perfect, pool) == pytest.approx(1.0)
    assert gold_reached(LinearReward(-taste, text_features, np.eye(8)), pool) < 0


def test_what_a_level_needs() -> None:
    curve = LabelCurve("random", (10, 20, 30, 40), (0.5, 0.9, 0.8, 0.95))
    assert (curve.needed(0.5), curve.needed(0.85), curve.needed(0.99)) == (10, 40, None)
    assert savings(curve, LabelCurve("information", (10, 20), (0.8, 0.9)))[1] == 20
    with pytest.raises(InputError, match="one strategy"):
        mean_curve([curve, LabelCurve("information", (10,), (0.5,))])


def test_bad_budgets_are_named() -> None:
    pool = simulated_pool(10, 3, 8, 0)
    with pytest.raises(InputError, match="4 responses to rank together but 3 a prompt: lower --ranked"):
        label_curve("random", pool, pool, BudgetConfig(rankings=40))
    with pytest.raises(InputError, match="strategy 'magic'"):
        label_curve("magic", pool, pool)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="fewer than the first"):
        BudgetConfig(rankings=5)
    with pytest.raises(InputError, match="pool: features"):
        Pool(np.zeros((2, 3)), np.zeros((2, 3)))


def test_the_jokes_pool_has_the_jokes_own_gold() -> None:
    pool = jokes_pool(6, 5, 0)
    assert pool.features_PRF.shape[:2] == pool.gold_PR.shape == (6, 5)
    assert -6 < pool.gold_PR.min() < pool.gold_PR.max() < 3.5
    curve = label_curve("random", jokes_pool(40, 6, 1), pool, BudgetConfig(rankings=60, batch=30))
    assert curve.gold[-1] > 0.7


def test_the_linear_reward_model_learns_what_people_like() -> None:
    rankings = preferences(count=150)
    model = fit_linear(rankings)
    prompts, honest = honest_set(15, responses=2)
    texts = [text for group in honest for text in group]
    asked = [prompt for prompt in prompts for _ in range(2)]
    broken = [" ".join(text.split()[:4]) for text in texts]
    assert (model(asked, texts) > model(asked, broken)).mean() > 0.7
    assert (gold(asked, texts) > gold(asked, broken)).all()
    members = model.drawn(4, seed=0)
    scores = np.stack([member(asked, texts) for member in members])
    assert scores.std(0).min() > 0
    with pytest.raises(InputError, match="at least one ranking"):
        fit_linear([])


def test_budget_compares_strategies(tmp_path: Path) -> None:
    config = budget.Config(rankings=60, batch=30, prompts=40, report=tmp_path)
    result = budget.audit(config)
    assert [curve["strategy"] for curve in result["curves"]] == ["random", "disagreement", "information"]
    assert (tmp_path / "audit.html").exists()
    with pytest.raises(InputError, match="seeds is 0; it must be at least 1"):
        budget.audit(budget.Config(seeds=0))
