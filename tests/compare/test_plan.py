"""Recipes become complete settings at one budget, and what does not fit is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.compare.arguments import translated
from practicum.compare.config import CompareConfig
from practicum.compare.plan import Plan, grown, make_plan, read_plan, write_plan
from practicum.config import load
from practicum.errors import InputError
from practicum.training.algorithms import ALGORITHMS
from practicum.training.preference_losses import LOSSES


def planned(*words: str) -> Plan:
    given_words = ["--model", "nowhere", "--seeds", "3", "4", *words]
    return make_plan(load(CompareConfig, None, translated(given_words)), threads=2)


def recipe(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_all_is_every_algorithm_that_needs_no_teacher_at_the_same_number_of_completions() -> None:
    plan = planned("all", "--samples", "2560")
    assert {member.name for member in plan.members} == set(ALGORITHMS) - {"distill"}
    assert any("distill is left out" in note for note in plan.notes)
    assert {member.completions for member in plan.members} == {2560}
    assert all(member.config.loop.threads == 2 for member in plan.members)
    assert {member.config.algorithm for member in plan.members} == {member.name for member in plan.members}


def test_every_packaged_recipe_of_an_algorithm_can_be_named() -> None:
    names = [f"algorithms/{name}" for name in ALGORITHMS if name not in ("group", "ppo")]
    plan = planned(*names, "equations-ppo", "algorithms/preferences", "--samples", "3840")
    assert len(plan.members) == len(names) + 2
    assert plan.members[-1].command == "dpo"
    assert plan.members[-2].method == "ppo"


@given(st.integers(1, 12), st.integers(2, 9), st.integers(1, 600))
def test_nobody_samples_more_than_the_budget_and_who_samples_less_is_named(
    prompts: int, group: int, samples: int
) -> None:
    words = ("grpo", "--prompts_per_step", str(prompts), "--group_size", str(group))
    each = prompts * group
    if samples < each:
        with pytest.raises(InputError, match="one iteration of grpo samples"):
            planned(*words, "--samples", str(samples))
        return
    plan = planned(*words, "--samples", str(samples))
    (member,) = plan.members
    assert member.completions == member.steps * each <= samples < member.completions + each
    assert bool([note for note in plan.notes if "does not divide" in note]) == (member.completions < samples)


def test_what_samples_again_is_held_to_the_budget_and_that_is_told() -> None:
    plan = planned("dapo", "grpo", "--samples", "512")
    assert plan.members[0].config.dapo.most_completions == 512
    assert any("dapo samples again" in note for note in plan.notes)


def test_without_samples_the_first_recipe_says_how_many(tmp_path: Path) -> None:
    long = recipe(tmp_path, "long.toml", 'algorithm = "rloo"\n[loop]\nsteps = 7\n')
    plan = planned(long, "grpo")
    assert plan.samples == 7 * 32 * 8
    assert [member.steps for member in plan.members] == [7, 7]
    assert any("the budget is that of long" in note for note in plan.notes)


def test_offline_losses_read_the_same_and_kto_is_told(tmp_path: Path) -> None:
    plan = planned("offline", "--preferences", "p.jsonl", "--task", "jokes", "--loop.steps", "5")
    assert [member.name for member in plan.members] == list(LOSSES)
    assert plan.samples == 0
    assert plan.examination.task.name == "jokes"
    assert any("kto 160" in note and "dpo 320" in note for note in plan.notes)


def test_settings_of_one_command_are_for_its_recipes_and_that_is_told() -> None:
    plan = planned("grpo", "dpo", "--preferences", "p.jsonl", "--group_size", "4", "--samples", "128")
    grpo, dpo = plan.members
    assert grpo.config.group_size == 4
    assert dpo.config.preferences == ("p.jsonl",)
    told = [note for note in plan.notes if "is a setting of" in note]
    assert len(told) == 2
    assert any("compare by the examination" in note for note in plan.notes)


def test_a_plan_is_kept_as_it_is(tmp_path: Path) -> None:
    changed = recipe(tmp_path, "mine.toml", 'algorithm = "rloo"\n[optimizer]\nlearning_rate = 0.5\n')
    plan = planned(changed, "dpo", "ppo", "--samples", "512")
    write_plan(plan, tmp_path)
    # A file that is edited while runs are made changes nothing.
    recipe(tmp_path, "mine.toml", 'algorithm = "grpo"\n')
    kept = read_plan(tmp_path)
    assert list(kept.members) == list(plan.members)
    assert (kept.examination, kept.samples, list(kept.notes)) == (plan.examination, 512, list(plan.notes))


@pytest.mark.parametrize("folder", ["", "recipes"])
def test_recipes_are_added_to_a_plan_that_does_not_say_how_its_own_were_given(
    folder: str, tmp_path: Path
) -> None:
    """As plans of earlier versions do not."""
    (tmp_path / folder).mkdir(exist_ok=True)
    mine = recipe(tmp_path / folder, "my.own.toml", 'algorithm = "rloo"\n')
    other = recipe(tmp_path / folder, "other.toml", 'algorithm = "gspo"\n')
    begun = ["grpo", mine, "algorithms/dapo", "equations-ppo", "dpo"]
    first = planned(*begun)
    write_plan(first, tmp_path)
    record = json.loads((tmp_path / "plan.json").read_text())
    for row in record["members"]:
        del row["word"]
    (tmp_path / "plan.json").write_text(json.dumps(record))
    Path(mine).unlink()
    for words in ([*begun, other], [other, *begun[::-1]]):
        config = load(CompareConfig, None, translated(["--model", "nowhere", "--seeds", "3", "4", *words]))
        found = grown(read_plan(tmp_path), config, threads=2)
        assert [one.name for one in found.members] == [*(one.name for one in first.members), "other"]
        assert [one.config for one in found.members[:-1]] == [one.config for one in first.members]
        assert found.samples == first.samples == found.members[-1].completions


def test_a_recipe_that_changes_the_examination_is_not_added(tmp_path: Path) -> None:
    longer = recipe(tmp_path, "longer.toml", "[sampling]\nmax_new_tokens = 999\n")
    config = load(
        CompareConfig, None, translated(["--model", "nowhere", "--seeds", "3", "4", "grpo", longer])
    )
    with pytest.raises(
        InputError, match=r"would have sampling.max_new_tokens = 999, and runs were .* with \d+"
    ):
        grown(planned("grpo"), config, threads=2)


@given(order=st.permutations(["grpo", "dpo", "ppo", "dapo", "kto"]), begun=st.integers(1, 4))
def test_recipes_that_are_added_have_the_budget_of_the_others(order: list[str], begun: int) -> None:
    first = planned(*order[:begun])
    more = [*order[begun:], *order[:begun]]
    config = load(CompareConfig, None, translated(["--model", "nowhere", "--seeds", "3", "4", *more]))
    found = grown(first, config, threads=2)
    assert list(found.members[:begun]) == list(first.members)
    assert [member.name for member in found.members] == [*order[:begun], *order[begun:]]
    assert {one.completions for one in found.members if one.command == "rl"} <= {found.samples}
    assert len(set(found.notes)) == len(found.notes)
    assert set(first.notes) <= set(found.notes)
    if first.samples:
        assert found.samples == first.samples
        assert list(found.members) == list(planned(*order, "--samples", str(first.samples)).members)
    assert grown(found, config, threads=2) is found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grpoo"], "did you mean grpo"),
        (["controls"], "controls/random"),
        (["missing.toml"], "missing.toml: cannot read"),
        (["distill"], "recipe distill: distill learns from a teacher"),
        (["grpo", "--preferences", "p.jsonl"], "--preferences is no setting of rl"),
        (["dpo", "--group_size", "4"], "--group_size is no setting of dpo"),
        (["dpo", "--samples", "64"], "no recipe here samples"),
        (["reinforce", "--grpo.advantage", "group_mean"], "recipe reinforce: --grpo.advantage"),
        (["grpo", "rloo", "--against", "rlo"], "did you mean rloo"),
        (["grpo", "algorithms/grpo"], "two are called grpo"),
    ],
)
def test_recipes_that_do_not_fit_are_named(words: list[str], told: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        planned(*words)
    assert told in str(caught.value)


def test_what_a_recipe_says_and_the_comparison_decides_is_told(tmp_path: Path) -> None:
    text = 'algorithm = "dapo"\nseed = 5\nmodel = "other"\n[loop]\nsteps = 9\n[dapo]\nmost_completions = 70\n'
    plan = planned(recipe(tmp_path, "mine.toml", text), "grpo", "--samples", "512")
    told = " ".join(plan.notes)
    for words in (
        "sets seed 5",
        "names the model other",
        "is set to 9 iterations",
        "most_completions 70",
    ):
        assert words in told
    # What it says of the budget, and nothing else sets.
    assert not any("is set to" in note for note in planned(str(tmp_path / "mine.toml")).notes)
    assert not any("grpo is set to" in note for note in plan.notes)
    fuzzed = recipe(tmp_path, "fuzzed.toml", '[reward]\nfunctions = ["length"]\n[guard]\nfuzz = 9\n')
    assert "fuzzed sets guard.fuzz: it fuzzes no function" in " ".join(planned(fuzzed).notes)
    with pytest.raises(InputError, match="a comparison decides on it: it fuzzes no function"):
        planned("grpo", "--guard.fuzz", "9")


def test_a_task_of_ones_own_is_the_same_for_runs_that_follow_an_edit(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("one = 1\n", encoding="utf-8")
    plan = planned("grpo", "--samples", "512", "--task", f"{tmp_path / 'mine.py'}:Mine")
    assert plan.members[0].config.task.digest
    assert plan.examination.task == plan.members[0].config.task


def test_tasks_are_not_mixed(tmp_path: Path) -> None:
    joking = recipe(tmp_path, "joking.toml", 'task = "jokes"\n')
    harder = recipe(tmp_path, "harder.toml", "[task.equations.levels]\n2 = 1.0\n")
    for other in (joking, harder):
        with pytest.raises(InputError, match="are on different tasks"):
            planned("grpo", other)
    assert len(planned("grpo", joking, "--task", "jokes").members) == 2
