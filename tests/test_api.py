"""`import practicum as pr`: light to import, the stages of the commands, and what its docstrings show."""

from __future__ import annotations

import asyncio
import doctest
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import practicum as pr
from practicum import api
from practicum.config import read_toml
from practicum.errors import InputError
from practicum.model.tokenizer import encode_batch
from practicum.reward.function import tell_progress
from practicum.types import Prompt, Score
from tests.tiny import LetterTask

ROOT = Path(__file__).parents[1]
SMALL: dict[str, Any] = {
    "prompts_per_step": 2,
    "group_size": 2,
    "sampling": {"max_new_tokens": 4},
    "loop": {"steps": 2, "threads": 1},
}


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = (
        "import sys, practicum as pr; pr.__version__; assert 'train' in dir(pr); "
        "print([name for name in ('torch', 'numpy', 'practicum.api') if name in sys.modules]); "
        "print(pr.verify('x^2 = 4', '2').verdict); print('torch' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout.split("\n")[:3] == ["[]", "wrong", "False"]
    with pytest.raises(AttributeError, match="nothing_like_it"):
        getattr(pr, "nothing_like_it")  # noqa: B009 - mypy knows better


def test_what_the_docstrings_and_the_page_show_is_so() -> None:
    flags = doctest.ELLIPSIS
    assert doctest.testmod(api, optionflags=flags).failed == 0
    page = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False, optionflags=flags)
    assert page.attempted > 5
    assert page.failed == 0


def together(
    prompts: Sequence[str], completions: Sequence[str], letter: Sequence[str], **_: Any
) -> list[float]:
    return [float(text == wanted) for text, wanted in zip(completions, letter, strict=True)]


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from("abc"), st.sampled_from("abc")), max_size=6))
def test_the_three_forms_of_a_reward_are_paid_alike(rows: list[tuple[str, str, str]]) -> None:
    prompts = [Prompt(text, {"row": {"letter": letter, "other": 1}}) for text, letter, _ in rows]
    texts = [text for _, _, text in rows]
    expected = [Score(float(letter == text)) for _, letter, text in rows]
    forms = (
        together,
        lambda prompt, completion, row: float(completion == row["letter"]),
        lambda prompts, completions, letter: together(prompts, completions, letter),
        lambda completions, letter: together([], completions, letter),
    )
    for form in forms[: None if rows else 1]:
        if rows:
            assert api.CallableReward(form).score(prompts, texts) == expected
    assert api.CallableReward(lambda prompt, completion: Score(2.0)).score(prompts, texts) == [
        Score(2.0)
    ] * len(rows)


def test_a_reward_that_cannot_be_called_or_counts_wrong_is_refused() -> None:
    with pytest.raises(InputError, match=r"has the parameters \(text\): expected"):
        api.CallableReward(lambda text: 1.0)
    with pytest.raises(InputError, match="1 rewards for 2 completions"):
        api.CallableReward(lambda prompts, completions: [1.0]).score([Prompt("a")] * 2, ["b", "c"])


def test_parameters_are_read_by_their_names_as_on_the_command_line() -> None:
    prompts, texts = [Prompt("p", {"row": {"answer": "7", "level": 2}})], ["c"]
    forms: list[Any] = [
        lambda completion, answer: float((completion, answer) == ("c", "7")),
        lambda completion, prompt: float((completion, prompt) == ("c", "p")),
        lambda level, completion: float((completion, level) == ("c", 2)),
        lambda solution_str, ground_truth: float((solution_str, ground_truth) == ("c", "7")),
        lambda data_source, solution_str, ground_truth, extra_info=None: {
            "score": float(ground_truth == "7")
        },
        lambda prompt, completion: {"a": 0.25, "b": 0.75},
    ]
    for form in forms:
        assert [one.value for one in api.CallableReward(form).score(prompts, texts)] == [1.0]

    async def waits(completion: str) -> float:
        return float(completion == "c")

    assert api.CallableReward(waits).score(prompts, texts)[0].value == 1.0

    async def in_a_notebook() -> list[Score]:
        return api.CallableReward(waits).score(prompts, texts)

    assert asyncio.run(in_a_notebook())[0].value == 1.0
    assert api.CallableReward(lambda prompts, completions: [None]).score(prompts, texts) == [Score(0.0)]
    by_default = api.CallableReward(lambda p, c, row=None: float(row["level"]))
    assert by_default.score(prompts, texts)[0].value == 2.0
    timed = api.CallableReward(lambda completions, trainer_state, completion_ids: [trainer_state.global_step])
    tell_progress(timed, 3, 9)
    assert timed.score_tokens(prompts, texts, [[5]])[0].value == 3.0
    for form, words in (
        (lambda response, answer: 1.0, "call them prompt and completion"),
        (lambda question, solution: 1.0, "call them prompt and completion"),
        (lambda completion, absent: 1.0, "asks for 'absent', which is no column"),
        (lambda completion: None, "expected a number"),
    ):
        with pytest.raises(InputError, match=words):
            api.CallableReward(form).score(prompts, texts)


def test_prompts_may_be_chats_and_what_is_none_is_named(untrained_model: Path) -> None:
    policy = pr.Policy.load(untrained_model)
    chat = [{"role": "user", "content": "1 +"}]
    settings = {"max_new_tokens": 3, "seed": 2}
    assert policy.sample([chat], **settings) == policy.sample(["1 +"], **settings)
    assert policy.logprobs([chat], ["2"]) == policy.logprobs(["1 +"], ["2"])
    with pytest.raises(InputError, match="prompt 2 is 7: expected a text or a list of messages"):
        policy.sample(["1", 7])  # type: ignore[list-item]
    with pytest.raises(InputError, match="answer is 2: expected a text"):
        pr.verify("x^2=4", 2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"data is a list of rows: write them"):
        pr.train("rl", model="m", data=[{"prompt": "p"}])


def test_practice_is_paid_by_a_function_and_goes_on(untrained_model: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def length(prompt: str, completion: str) -> float:
        asked.append(completion)
        return float(len(completion) % 3)

    summary = pr.train("rl", model=untrained_model, reward=length, run=tmp_path / "run", **SMALL)
    assert (summary["step"], summary["run"], len(asked)) == (2, str(tmp_path / "run"), 8)
    stored = read_toml(tmp_path / "run" / "config.toml")
    assert (stored["loop"]["steps"], stored["group_size"]) == (2, 2)
    more = pr.train("rl", reward=length, run=tmp_path / "run", resume=True, loop={"steps": 3})
    assert (more["step"], len(asked)) == (3, 12)


def test_a_dry_run_a_task_of_ones_own_and_what_is_refused(untrained_model: Path, tmp_path: Path) -> None:
    result = pr.train(
        "rl",
        model=untrained_model,
        task=LetterTask(),
        reward=lambda *_: 1,
        dry_run=True,
        run=tmp_path / "x",
        **SMALL,
    )
    assert result["verdict"] == "stop"
    small: dict[str, Any] = {
        "batch_demonstrations": 2,
        "textbook_passages": 0,
        "loop": {"steps": 2, "threads": 1},
    }
    summary = pr.train("sft", model=untrained_model, task=LetterTask(), run=tmp_path / "sft", **small)
    assert summary["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sft"]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("ppo", {}, "expected one of pretrain"),
        ("sft", {"model": untrained_model, "reward": print}, "only rl is"),
        ("pretrain", {"task": LetterTask()}, "takes the name of a task"),
        ("reward-model", {"task": LetterTask()}, "reward-model has none"),
        ("rl", {"model": untrained_model, "task": LetterTask}, "give an object, as LetterTask"),
        ("rl", {"model": untrained_model, "task": 5}, "needs an object with prompts and score"),
        ("sft", {"model": untrained_model, "task": 5}, "needs an object with demonstrations"),
        ("rl", {"model": untrained_model, "task": "joks"}, "unknown task 'joks'"),
        ("rl", {"model": untrained_model, "reward": max}, "reward max: has no signature"),
        ("rl", {"model": untrained_model, "reward": [max, min]}, "expected one function"),
        ("rl", {"model": untrained_model, "reward": 3}, "expected one function"),
        ("rl", {"model": untrained_model, "dry_run": True, "resume": True}, "drop resume"),
        ("rl", {"model": untrained_model, "max_steps": 3}, "did you mean --loop.steps?"),
        ("rl", {}, "model is required"),
    ]
    for stage, given_settings, words in wrong:
        with pytest.raises(InputError, match=words):
            pr.train(stage, **given_settings)  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(st.lists(st.text("0123456789+- ", min_size=1, max_size=12), min_size=1, max_size=4))
def test_a_text_is_as_likely_alone_as_among_others(untrained_model: Path, texts: list[str]) -> None:
    policy = pr.Policy.load(untrained_model)
    prompts = ["1 + 1 ="] * len(texts)
    scores = policy.logprobs(prompts, texts)
    tokens = encode_batch(policy.tokenizer, texts)
    assert [len(one) for one in scores] == [len(ids) + 1 for ids in tokens]
    assert [one[:-1] for one in scores] == [
        pytest.approx(one, abs=1e-5) for one in policy.logprobs(prompts, texts, ended=False)
    ]
    assert all(value <= 0 for one in scores for value in one)


def test_a_saved_model_is_the_same_model(untrained_model: Path, tmp_path: Path) -> None:
    policy = pr.Policy.load(untrained_model)
    policy.save(tmp_path / "model")
    again = pr.Policy.load(tmp_path / "model")
    assert again.sample("1 +", 2, max_new_tokens=6) == policy.sample("1 +", 2, max_new_tokens=6)
    with pytest.raises(InputError, match="is not empty"):
        policy.save(tmp_path / "model")
    with pytest.raises(InputError, match="2 prompts but 1"):
        policy.logprobs(["a", "b"], ["c"])
    with pytest.raises(InputError, match="the model takes a prompt"):
        policy.logprobs(["1"], ["1 " * 9999])


@pytest.mark.parametrize(
    ("task", "reward", "stored"),
    [
        ("jokes", None, {"name": "jokes"}),
        ({"name": "jokes"}, ["length"], {"name": "jokes"}),
        ({"equations": {"families": {"linear": 1.0}}}, ("length",), {"name": "equations"}),
        (None, {"functions": ["length"], "weights": {"length": 0.5}}, {"name": "equations"}),
        (None, "length", {"name": "equations"}),
    ],
)
def test_tasks_and_rewards_that_are_named_are_settings(
    task: Any, reward: Any, stored: dict[str, str], untrained_model: Path, tmp_path: Path
) -> None:
    loop = {"steps": 1, "threads": 1}
    pr.train(
        "rl", model=untrained_model, task=task, reward=reward, run=tmp_path / "run", **{**SMALL, "loop": loop}
    )
    config = read_toml(tmp_path / "run" / "config.toml")
    assert config["task"]["name"] == stored["name"]
    named = reward["functions"] if isinstance(reward, dict) else reward
    assert config["reward"]["functions"] == ([named] if isinstance(named, str) else list(named or ()))


def test_beside_a_function_given_from_python_answers_are_counted_as_asked(
    untrained_model: Path, tmp_path: Path
) -> None:
    guard = {"known": "stop", "known_steps": 2}
    run: Any = {"model": untrained_model, "guard": guard, **SMALL}
    summary = pr.train("rl", reward=lambda *_: 1.0, run=tmp_path / "run", **run)
    assert summary["known"]["action"] == "go_on"
    assert read_toml(tmp_path / "run" / "config.toml")["guard"]["known_steps"] == 2
    with pytest.raises(InputError, match=r"^--guard\.known has no effect: no answers are counted"):
        pr.train("rl", run=tmp_path / "none", **run)
    assert not (tmp_path / "none").exists()


def test_a_function_given_from_python_is_weighed(untrained_model: Path, tmp_path: Path) -> None:
    paid = {}
    for weight in (1.0, 3.0):
        weighed: dict[str, Any] = {**SMALL, "loop.steps": 1, "reward.weights.task": weight}
        summary = pr.train(
            "rl",
            model=untrained_model,
            reward=lambda prompt, completion: float(len(completion) % 3),
            run=tmp_path / str(weight),
            **weighed,
        )
        paid[weight] = summary["reward"]
    assert paid[3.0] == pytest.approx(3 * paid[1.0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(
    count=st.one_of(st.integers(max_value=0), st.floats(), st.booleans(), st.none()),
    name=st.text("abcdefgh_", min_size=1, max_size=12),
)
def test_sampling_refuses_what_it_does_not_know(untrained_model: Path, count: Any, name: str) -> None:
    policy = pr.Policy.load(untrained_model)
    with pytest.raises(InputError, match="count is "):
        policy.sample("1 +", count)
    with pytest.raises(InputError, match="unknown setting of sampling"):
        policy.sample("1 +", **{f"x{name}": 1})


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:1", "", "meta"])
def test_a_model_is_loaded_where_it_can_be(device: str, untrained_model: Path) -> None:
    assert pr.Policy.load(untrained_model, device="auto").sample("1 +", max_new_tokens=2)
    with pytest.raises(InputError, match="device is "):
        pr.Policy.load(untrained_model, device=device)


@pytest.mark.parametrize("part", ["own", "length"])
@pytest.mark.parametrize("algorithm", ["group", "ppo"])
def test_budgets_hold_a_function_of_this_process_as_they_hold_one_in_a_file(
    part: str, algorithm: str, untrained_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text("def own(prompt, completion): return 1 + len(completion) % 3\n")
    loop = {"steps": 4, "threads": 1, "allow_dead": True}
    common: Any = {**SMALL, "loop": loop, "algorithm": algorithm}
    here: Any = {"reward": lambda prompt, completion: 1 + len(completion) % 3}
    here[f"reward.budgets.{part.replace('own', 'task')}"] = 0.1
    in_file: Any = {"reward": {"functions": [f"{tmp_path}/own.py:own"], "budgets": {part: 0.1}}}
    pr.train("rl", model=untrained_model, run=tmp_path / "here", **common, **here)
    pr.train("rl", model=untrained_model, run=tmp_path / "file", **common, **in_file)
    rows, others = (steps_of(tmp_path / name) for name in ("here", "file"))
    multipliers = []
    for row, other in zip(rows, others, strict=True):
        for key in ("reward", "gradient_norm"):
            assert row[key] == pytest.approx(other[key])
        (multiplier,) = (value for key, value in row.items() if key.startswith("multiplier/"))
        assert other[f"multiplier/{part}"] == pytest.approx(multiplier)
        multipliers.append(multiplier)
    # The budget is exceeded from the first step on.
    assert multipliers[0] == 0 < multipliers[1]


def test_shares_price_what_a_function_of_this_process_pays(untrained_model: Path, tmp_path: Path) -> None:
    common: Any = {**SMALL, "loop": {"steps": 3, "threads": 1}, "model": untrained_model, "task": "jokes"}
    paid: Any = {"reward": lambda prompt, completion: float(len(completion) % 2)}
    puns: Any = {"reward.shares.pun": 0.9}
    rhymes: Any = {"reward.shares.rhyme": 0.5}
    pr.train("rl", run=tmp_path / "run", **common, **paid, **puns)
    prices = [row["price/pun"] for row in steps_of(tmp_path / "run")]
    assert prices == sorted(set(prices))
    with pytest.raises(InputError, match=r"reward\.shares\.rhyme: no behaviour of this task"):
        pr.train("rl", run=tmp_path / "no", **common, **paid, **rhymes)
    with pytest.raises(InputError, match=r"reward\.shares add a price to what"):
        pr.train("rl", run=tmp_path / "no", **common, **puns)
    assert not (tmp_path / "no").exists()


def steps_of(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
