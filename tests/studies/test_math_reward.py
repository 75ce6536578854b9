"""The study of the reward `math` beside math-verify: its cases and its claims."""

from __future__ import annotations

from studies.math_reward import Case, by_hand, claims, compared, ours


def test_a_judge_that_pays_everything_has_every_wrong_answer_as_a_false_accept() -> None:
    cases = [case for case in by_hand() if case.kind == next(by_hand()).kind]
    found = compared(cases, {"ours": lambda case: True})
    assert found["ours"]["false_accepts"] == sum(not case.right for case in cases) > 0
    assert found["ours"]["false_rejects"] == 0


def test_wrong_verdicts_in_each_direction_become_claims() -> None:
    cases = [Case("number", "7", "7", True), Case("number", "7", "8", True), Case("number", "7", "9", False)]
    rows = claims({"by_hand": compared(cases, {"ours": ours, "math-verify": lambda case: True})})
    assert {row["id"]: row["value"] for row in rows[:2]} == {
        "math-reward-by-hand-false-accepts": 0,
        "math-reward-by-hand-false-rejects": 1,
    }
    assert "math-verify has 1" in rows[0]["claim"]
