"""What is made of examined runs: pairs, verdicts, costs, curves, and the pages that show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.compare.config import CompareConfig
from practicum.compare.curves import curve_of
from practicum.compare.member import ANSWERS, EXAMINATION, run_folder
from practicum.compare.page import render
from practicum.compare.plan import START, Member, Plan
from practicum.compare.results import (
    Examined,
    common_ending,
    endings_told,
    gone_on_with,
    pass_rates,
    results,
    verdict_of,
    with_verdicts,
)
from practicum.compare.statistics import Difference
from practicum.compare.table import decided, print_table, sentences
from practicum.errors import InputError
from practicum.training.evaluate import EvalConfig, pass_at_k
from practicum.training.rl import RlConfig

MODEL = Path("first")


def member(name: str) -> Member:
    return Member(name, "rl", name, RlConfig(MODEL, algorithm=name), 512)  # type: ignore[arg-type]


def rows_of(hits: Sequence[float | None], samples: int = 4) -> list[dict[str, Any]]:
    return [
        {
            "problem": f"p{place // 2}",
            "family": "linear" if place % 3 else "rational",
            "completion": f"work\nanswer: {place}",
            "solved": None if hit is None else bool(hit),
            "reward": 0.0 if hit is None else float(hit),
            "samples": samples,
            "right": None if hit is None else int(2 * hit),
        }
        for place, hit in enumerate(hits)
    ]


def write_run(place: Path, hits: Sequence[float | None], steps: int = 2) -> None:
    place.mkdir(parents=True)
    (place / EXAMINATION).write_text("{}")
    (place / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in rows_of(hits)))
    metrics = [
        {"step": step + 1, "solved": 0.1 * step, "total_seconds": 2.0 * step, "total_tokens": 50 * step}
        for step in range(steps)
    ]
    (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))


def settings(recipes: Iterable[str], seeds: Sequence[int], **changes: Any) -> CompareConfig:
    return CompareConfig(MODEL, tuple(recipes), tuple(seeds), **changes)


def compared(
    folder: Path, chances: dict[str, float], seeds: Sequence[int] = (0, 1, 2, 3, 4), against: str = ""
) -> dict[str, Any]:
    """Recipes whose runs solve problems with these chances."""
    generator = np.random.default_rng(5)
    write_run(run_folder(folder, START, 0), (generator.random(200) < 0.5).tolist())
    for name, chance in chances.items():
        for seed in seeds:
            write_run(run_folder(folder, name, seed), (generator.random(200) < chance).tolist())
    plan = Plan([member(name) for name in chances], EvalConfig(MODEL), 512, ["a note"])
    return results(folder, plan, settings(chances, seeds, against=against), {})


def test_a_clear_difference_is_told_and_a_small_one_is_noise(tmp_path: Path) -> None:
    found = compared(tmp_path, {"grpo": 0.9, "rloo": 0.89, "reinforce": 0.5})
    assert [row["name"] for row in found["members"]][-1] == "reinforce"
    places = {row["name"]: row["beside"] for row in found["members"]}
    assert sorted(places.values()) == ["behind", "best", "noise"]
    assert places["reinforce"] == "behind"
    gains = {row["name"]: row["gain"]["verdict"] for row in found["members"]}
    assert gains == {"grpo": "above", "rloo": "above", "reinforce": "noise"}
    assert len(found["pairs"]) == 3
    cost = found["members"][0]["cost"]
    assert cost == {"seconds": 2.0, "tokens": 50.0, "steps": 2.0, "completions": 512.0}
    assert found["distinct_problems"] == 100
    page = render(found, "mine")
    assert page.count("<figure>") == 1 + 3
    assert "a note" in page
    assert "decides 2 of 3 pairs" in " ".join(page.split())


def test_runs_that_somebody_continued_are_told() -> None:
    mine = member("grpo")
    costs = {seed: {"steps": steps} for seed, steps in ((0, mine.steps), (3, mine.steps + 1), (4, 1))}
    (note,) = gone_on_with(Examined(mine, {}, costs))
    assert "grpo seed 3 was continued beyond its 120 steps" in note
    assert not gone_on_with(Examined(mine, {}, {0: costs[0]}))


def test_fewer_tests_are_made_against_one_recipe(tmp_path: Path) -> None:
    chances = {"grpo": 0.9, "rloo": 0.89, "reinforce": 0.5}
    every = compared(tmp_path / "every", chances)
    found = compared(tmp_path / "one", chances, against="reinforce")
    assert {row["name"]: row["beside"] for row in found["members"]} == {
        "grpo": "ahead", "rloo": "ahead", "reinforce": "itself",
    }  # fmt: skip
    assert [pair["second"] for pair in found["pairs"]] == ["reinforce", "reinforce"]
    p = {pair["first"]: pair["p"] for pair in every["pairs"] if pair["second"] == "reinforce"}
    assert {pair["first"]: pair["p"] for pair in found["pairs"]} == p
    assert "beside reinforce" in " ".join(render(found, "mine").split())


def test_runs_that_failed_leave_a_comparison_of_the_seeds_that_both_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chances = {"grpo": 0.9, "rloo": 0.5}
    compared(tmp_path / "all", chances)
    whole = tmp_path / "all"
    (run_folder(whole, "rloo", 3) / EXAMINATION).unlink()
    plan = Plan([member(name) for name in chances], EvalConfig(MODEL), 512, [])
    found = results(whole, plan, settings(chances, (0, 1, 2, 3, 4)), {"rloo seed 3": "it broke <b>"})
    assert found["pairs"][0]["seeds"] == [0, 1, 2, 4]
    assert "it broke &lt;b&gt;" in render(found, "mine")
    print_table(found)
    assert "4 runs" in capsys.readouterr().out


def test_one_seed_decides_nothing_and_says_so(tmp_path: Path) -> None:
    found = compared(tmp_path, {"grpo": 0.9, "rloo": 0.1}, seeds=(7,))
    assert found["pairs"][0]["verdict"] == "one seed"
    assert sentences(found)[0].startswith("One seed:")
    assert "one seed" in render(found, "mine")


def test_nothing_examined_is_told(tmp_path: Path) -> None:
    plan = Plan([member("grpo")], EvalConfig(MODEL), 512, [])
    with pytest.raises(InputError, match="no run was brought to its end: it broke"):
        results(tmp_path, plan, settings(["grpo"], (0,)), {START: "it broke", "grpo seed 0": "it too"})


def test_what_no_task_judges_is_compared_by_reward(tmp_path: Path) -> None:
    write_run(run_folder(tmp_path, START, 0), [None] * 6)
    for seed in (0, 1):
        write_run(run_folder(tmp_path, "grpo", seed), [None] * 6)
    plan = Plan([member("grpo")], EvalConfig(MODEL), 512, [])
    assert results(tmp_path, plan, settings(["grpo"], (0, 1)), {})["measure"] == "reward"
    with pytest.raises(InputError, match="use --measure reward"):
        results(tmp_path, plan, settings(["grpo"], (0, 1), measure="accuracy"), {})


P_VALUES = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(st.floats(-1, 1), P_VALUES), max_size=8))
def test_holms_p_is_never_less_and_verdicts_follow_from_it(gaps: list[tuple[float, float | None]]) -> None:
    told = with_verdicts([Difference(value, None, None, p) for value, p in gaps])
    count = sum(p is not None for _, p in gaps)
    for (value, p), row in zip(gaps, told, strict=True):
        if p is None:
            assert row["verdict"] == "one seed"
            continue
        assert p <= row["holm_p"] <= min(1, p * count) + 1e-12
        assert (row["verdict"] == "noise") == (row["holm_p"] > 0.05 or value == 0)
        assert row["verdict"] == verdict_of(Difference(value, None, None, p), row["holm_p"])


def test_pass_at_k_is_the_mean_over_runs_and_judged_problems() -> None:
    runs = [rows_of([1, 0, None, 1]), rows_of([0, 0, 1, 1])]
    found = pass_rates(runs)
    assert set(found) == {"pass@1", "pass@2", "pass@4"}
    expected = np.mean([[pass_at_k(4, right, 2) for right in run] for run in ([2, 0, 2], [0, 0, 2])])
    assert found["pass@2"]["value"] == pytest.approx(expected)
    assert pass_rates([[{"problem": "p"}]]) == {}


@pytest.mark.parametrize(
    ("runs", "text", "share"),
    [
        ([["a\nno", "no", "b\nyes", "no\n"]], "no", 0.75),
        # An answer of one line begins with its subject: only its last sentence is the same everywhere.
        ([["why did the cat go? for fun.", "why did the dog stay? for fun.", "because!"]], "for fun.", 2 / 3),
        # Each run has come to one sentence, another than its neighbour's.
        ([["a cat. one.", "a dog. one."], ["a cat. two.", "a dog. three."]], "one.", 0.75),
        ([["x = 2.5", "y = 2.5"]], "x = 2.5", 0.5),
        ([["猫。好。", "狗。好。"]], "好。", 1.0),
        ([["", ""]], "", 1.0),
    ],
)
def test_the_ending_that_most_answers_share_is_found(runs: list[list[str]], text: str, share: float) -> None:
    found = common_ending([[{"completion": answer} for answer in answers] for answers in runs])
    assert found["share"] == pytest.approx(share)
    assert found["text"] == text


def test_answers_that_end_alike_are_told_beside_those_of_the_first_model() -> None:
    many = {"name": "dpo", "ending": {"text": "for fun.", "share": 0.8}}
    few = {"name": "ppo", "ending": {"text": "no", "share": 0.29}}
    (told,) = endings_told([many, few], {"text": "no", "share": 0.56})
    assert "dpo ends 80%" in told
    assert "began with 56%" in told
    (told,) = endings_told([many], None)
    assert "began with" not in told


def test_curves_of_runs_that_sampled_more_in_some_steps_lie_at_their_completions(tmp_path: Path) -> None:
    for seed, completions in ((0, (256, 512)), (1, (512, 256))):
        place = run_folder(tmp_path, "dapo", seed)
        place.mkdir(parents=True)
        rows = [{"solved": float(step), "completions": count} for step, count in enumerate(completions)]
        (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curve = curve_of(tmp_path, member("dapo"), (0, 1), "accuracy")
    assert curve is not None
    assert curve["places"] == [512.0, 768.0]
    # The first run is half way from its step at 256 to that at 768.
    assert curve["runs"] == {"0": [0.5, 1.0], "1": [0.0, 1.0]}


def test_recipes_without_a_seed_in_common_are_not_called_one_recipe() -> None:
    assert decided({"pairs": [], "members": [{}]}).startswith("One recipe")
    assert decided({"pairs": [], "members": [{}, {}]}).startswith("No two recipes")
