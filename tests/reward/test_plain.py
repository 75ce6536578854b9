from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from practicum.errors import InputError
from practicum.reward.plain import BudgetSpent, Examined, checked
from practicum.types import Prompt

PROMPTS = [Prompt("a"), Prompt("b"), Prompt("a")]
TEXTS = ["x", "yy", "x"]


def lengths(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
    return np.array([float(len(text)) for text in texts])


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        (
            np.ones((3, 1)),
            r"reward: returned shape \(3, 1\) for 3 texts: return shape \(3,\), one number per text",
        ),
        (np.array(1.0), r"returned shape \(\)"),
        (np.array([1.0, np.nan, 2.0]), "text 2 of 3 scored nan: return a finite number for 'yy'"),
        (np.array([1.0, 1.0, np.inf]), "text 3 of 3 scored inf"),
        (np.array(["1", "2", "3"]), "values: return numbers"),
    ],
)
def test_a_reward_that_misbehaves_is_named_in_one_line(returned: np.ndarray, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        checked(lambda prompts, texts: returned, PROMPTS, TEXTS)
    assert "\n" not in str(caught.value)


def test_a_list_will_do_and_nothing_is_no_question() -> None:
    assert checked(lambda prompts, texts: [1, 2, 3], PROMPTS, TEXTS).tolist() == [1.0, 2.0, 3.0]  # type: ignore[arg-type,return-value]
    assert checked(lengths, [], []).shape == (0,)
    with pytest.raises(InputError, match="3 prompts but 1 texts"):
        checked(lengths, PROMPTS, ["x"])


def test_a_text_asked_twice_costs_one_query_and_the_budget_holds() -> None:
    asked: list[str] = []

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return lengths(prompts, texts)

    examined = Examined(reward, budget=3)
    assert examined(PROMPTS, TEXTS).tolist() == [1.0, 2.0, 1.0]
    assert (asked, examined.queries) == (["x", "yy"], 2)
    with pytest.raises(BudgetSpent):
        examined(PROMPTS[:2], ["new", "newer"])
    assert examined.queries == 2
    assert examined([Prompt("c")], ["z"]).tolist() == [1.0]
    assert examined.left == 0
