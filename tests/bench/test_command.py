"""Every bench runs its own side where no rival is installed, and prints what the contract asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from practicum.bench import accuracy, practice, reward_model, settings, smollm2, training, verifier
from practicum.bench.command import BENCHES, command, run
from practicum.errors import InputError
from practicum.exact.verifier import verify
from practicum.model.checkpoint import load_model
from practicum.preferences.rankings import by_prompt

KEYS = [
    "case", "ours", "rival", "rival_name", "unit", "ratio", "ratio_min", "ratio_max", "limit_share",
    "memory_ours_mb", "memory_rival_mb", "at_least",
]  # fmt: skip


@pytest.fixture
def no_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (settings, accuracy, practice, reward_model, smollm2, training, verifier):
        monkeypatch.setattr(module, "installed", lambda package: False)


def quick(name: str) -> dict[str, object]:
    return run(name, ["--quick", "--pairs", "1"])


@pytest.mark.usefixtures("no_rivals")
@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_runs_without_rivals(name: str) -> None:
    result = quick(name)
    assert result["name"] == name
    rows = result["rows"]
    assert isinstance(rows, list)
    assert rows
    for row in rows:
        assert list(row) == KEYS
        assert row["ours"] is not None
        assert (row["ratio"] is None) == (row["ratio_min"] is None) == (row["ratio_max"] is None)
        if row["rival"] is None:
            assert row["rival_name"] is None
            assert row["ratio"] is None
        if row["ratio"] is not None:
            assert row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
        assert row["limit_share"] is None or row["limit_share"] > 0
    assert len({row["case"] for row in rows}) == len(rows)
    if BENCHES[name].rival is not None:
        assert all(row["rival"] is None for row in rows)
        assert "practicum[bench]" in str(result["hint"])
    else:
        assert ("--trl_python" in str(result.get("hint"))) == (name == "ppo-step")


def test_json_is_one_object_on_stdout_and_the_table_goes_to_stderr(
    capsys: pytest.CaptureFixture[str], no_rivals: None
) -> None:
    assert command(["verifier", "--json", "--quick", "--pairs", "1"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["threads"] == 1
    assert result["date"]
    assert result["machine"]
    assert result["command"] == "practicum bench verifier --quick --pairs 1"
    assert "wrong verdicts" in printed.err


def test_help_lists_the_benches_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from practicum.bench.command import command; "
        "print(command(['--help']), [name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout.splitlines()[-1] == "0 []"
    for name in BENCHES:
        assert name in process.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "sampler"),
        (["--json"], "needs a name"),
        (["samplr"], "sampler"),
        (["sampler", "--pairs", "0"], "pairs"),
        (["sampler", "--threads", "none"], "threads"),
        (["sampler", "--fast"], "--fast"),
        (["time-to-accuracy", "--target", "95"], "target"),
        (["time-to-accuracy", "--limit_multiple", "0.5"], "limit_multiple"),
        (["time-to-accuracy", "--model", "nowhere"], "nowhere"),
        (["sampler", "--model", "nowhere"], "--model"),
        (["ppo-step", "--trl_python", "nowhere"], "nowhere is no file; .*trl==1.12.0"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], named: str) -> None:
    with pytest.raises(InputError, match=named) as raised:
        command(arguments)
    assert "\n" not in str(raised.value)


def test_answers_of_the_verifier_bench_are_labelled_truly() -> None:
    items = verifier.items(150, seed=5)
    assert len({item.equation for item in items}) == 150
    assert {item.form for item in items} == set(verifier.FORMATS)
    assert 40 < sum(item.right for item in items) < 110
    for item in items:
        assert (verify(item.equation, item.answer).verdict == "correct") == item.right, item


def test_the_gold_in_latex_is_the_solution_set() -> None:
    for item in verifier.items(60, seed=6):
        assert verify(item.equation, item.gold).verdict == "correct", item


def test_both_sides_of_the_reward_model_bench_read_the_same_pairs(tmp_path: Path) -> None:
    for case, sizes in ((reward_model.Case("tiny", 3, 2, 16), {16}), (reward_model.Case("tiny", 2, 5), None)):
        decoder, _ = load_model(place := reward_model.write_model(case, tmp_path))
        ranked = reward_model.rankings(case, decoder.config)
        items = by_prompt(ranked)
        pairs = reward_model.pairs_of_ids(place, items)
        assert len(pairs) == case.pairs == sum(len(list(one.pairs())) for one in ranked)
        assert all(ids[-1] == decoder.config.eos_token_id for pair in pairs for ids in pair)
        assert len({tuple(ids) for pair in pairs for ids in pair}) == case.prompts * case.responses
        lengths = {len(ids) for pair in pairs for ids in pair}
        assert lengths == sizes if sizes else len(lengths) > 1
        ours = reward_model.learn_work(place, items)
        assert ours() == len(pairs)


def test_a_python_without_a_ppo_trainer_is_one_line() -> None:
    with pytest.raises(InputError, match=r"ended with 1 .* trl 1\.12\.0") as raised:
        run("ppo-step", ["--quick", "--pairs", "1", "--trl_python", sys.executable])
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_steps_of_a_ppo_trainer_in_an_environment_of_its_own() -> None:
    """`TRL_PPO_PYTHON` names its Python; docs/bench.md tells how the environment is made."""
    python = os.environ.get("TRL_PPO_PYTHON")
    if python is None:
        pytest.skip("TRL_PPO_PYTHON does not name the Python of an environment with trl 1.12.0")
    rows = run("ppo-step", ["--quick", "--pairs", "1", "--trl_python", python])["rows"]
    assert [row["rival_name"].partition(" PPOTrainer")[0] for row in rows] == [
        "practicum GRPO", "TRL 1.12.0", "TRL 1.12.0"
    ]  # fmt: skip
    assert all(row["rival"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in BENCHES.items() if entry.rival])
def test_rivals_do_the_same_work(name: str) -> None:
    if not settings.installed(str(BENCHES[name].rival)):
        pytest.skip("rival not installed")
    rows = quick(name)["rows"]
    assert isinstance(rows, list)
    assert all(row["rival"] is not None for row in rows)
