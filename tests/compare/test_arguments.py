"""What is typed after `practicum compare`: recipes anywhere, settings of its own, settings for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.compare.arguments import grouped, translated
from practicum.compare.config import CompareConfig
from practicum.config import load
from practicum.errors import InputError

MODEL = ["--model", "m"]


def read(*words: str) -> CompareConfig:
    return load(CompareConfig, None, translated(words))


def test_recipes_stand_anywhere_and_flags_take_what_is_theirs() -> None:
    config = read(
        *MODEL, "--task", "jokes", "a.toml", "grpo", "--seeds", "0", "1", "2", "b.toml", "--samples", "64",
        "--loop.allow_dead", "rloo", "--optimizer.learning_rate=1e-4", "--examination.count", "9",
    )  # fmt: skip
    assert config.recipes == ("a.toml", "grpo", "b.toml", "rloo")
    assert config.seeds == (0, 1, 2)
    assert (config.samples, config.examination.count) == (64, 9)
    assert grouped(config.settings) == [
        ["--task", "jokes"],
        ["--loop.allow_dead"],
        ["--optimizer.learning_rate=1e-4"],
    ]


PIECES = {
    "recipe": st.sampled_from(["a.toml", "grpo", "sub/b.toml", "all"]).map(lambda word: [word]),
    "seeds": st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True).map(
        lambda seeds: ["--seeds", *map(str, seeds)]
    ),
    "jobs": st.integers(1, 8).map(lambda jobs: ["--jobs", str(jobs)]),
    "steps": st.integers(1, 9).map(lambda steps: ["--loop.checkpoint_every", str(steps)]),
    "dead": st.just(["--loop.allow_dead"]),
    "rate": st.just(["--optimizer.learning_rate=0.1"]),
}


@given(st.permutations(list(PIECES)), st.data())
def test_the_order_of_words_changes_nothing(order: list[str], data: st.DataObject) -> None:
    drawn = {name: data.draw(piece) for name, piece in PIECES.items()}
    config = read(*MODEL, *(word for name in order for word in drawn[name]))
    assert config.recipes == tuple(drawn["recipe"])
    assert config.seeds == tuple(map(int, drawn["seeds"][1:]))
    assert str(config.jobs) == drawn["jobs"][1]
    assert sorted(grouped(config.settings)) == sorted([drawn["steps"], drawn["dead"], drawn["rate"]])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grpo", *MODEL], "no seeds"),
        ([*MODEL, "--seeds", "0"], "nothing to compare"),
        (["grpo", *MODEL, "--seeds", "0", "1", "0"], "0 is given twice"),
        (["grpo", "grpo", *MODEL, "--seeds", "0"], "grpo is given twice"),
        (["grpo", *MODEL, "--seeds", "-1"], "at least 0"),
        (["grpo", *MODEL, "--seeds", "nan"], "--seeds"),
        (["grpo", *MODEL, "--seeds"], "--seeds"),
        (["grpo", *MODEL, "--seed", "0"], "give --seeds"),
        ([*MODEL, "--algorithm", "grpo", "--seeds", "0"], "name algorithms as recipes"),
        (["grpo", *MODEL, "--seeds", "0", "--loop.step", "3"], "--loop.steps"),
        (["grpo", *MODEL, "--seeds", "0", "--log", "wandb"], "drop it"),
        (["grpo", "--seeds", "0"], "model is required"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(words: list[str], told: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        read(*words).require_runs()
    assert told in str(caught.value)
