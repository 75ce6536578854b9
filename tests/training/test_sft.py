"""What imitation learns from: every token after a prompt that fits in the model, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from practicum.errors import InputError
from practicum.model.scorer import make_rows
from practicum.model.tokenizer import train_tokenizer
from practicum.tasks.registry import TaskConfig
from practicum.training import sft
from practicum.training.loop import LoopConfig
from practicum.training.sft import SftConfig, imitate, lesson_of
from practicum.types import Demonstration, Prompt

LIMIT = 64
SIZES = st.tuples(st.integers(0, LIMIT + 30), st.integers(0, LIMIT + 30))


def demonstration(sizes: tuple[int, int]) -> Demonstration:
    """A prompt and a completion of that many tokens: the tokenizer knows characters only."""
    prompt, completion = sizes
    return Demonstration(
        Prompt("".join("qx7:"[place % 4] for place in range(prompt))),
        "".join("ab "[(place + prompt) % 3] for place in range(completion)),
    )


def fits(sizes: tuple[int, int]) -> bool:
    prompt, completion = sizes
    return min(LIMIT, prompt + completion + 1) > max(1, prompt)


def learned(trainee: Any, batch: list[Demonstration], passages: list[str]) -> tuple[float, list[Tensor]]:
    """The loss and its gradient."""
    loss = imitate(trainee.decoder, trainee.tokenizer, batch, 200, torch.float32, passages)["loss"]
    gradients = [part.grad.clone() for part in trainee.decoder.parameters()]
    for part in trainee.decoder.parameters():
        part.grad = None
    return loss, gradients


def by_hand(trainee: Any, batch: list[Demonstration]) -> float:
    """The mean of -log p over the tokens after each prompt that the model has positions for, row by row."""
    losses = []
    for one in batch:
        prompt = trainee.tokenizer.encode(one.prompt.text, add_special_tokens=False).ids
        answer = trainee.tokenizer.encode(one.completion, add_special_tokens=False).ids
        ids = torch.tensor([[*prompt, *answer, trainee.decoder.config.eos_token_id][:LIMIT]])
        with torch.no_grad():
            hidden = trainee.decoder.hidden(ids, torch.float32)
            scores = trainee.decoder.logits(hidden, torch.float32)[0].log_softmax(-1)
        losses += [
            -float(scores[place - 1, ids[0, place]]) for place in range(max(1, len(prompt)), ids.shape[1])
        ]
    return sum(losses) / len(losses)


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(sizes=st.lists(SIZES, min_size=1, max_size=6), passages=st.lists(st.integers(0, 90), max_size=2))
def test_the_targets_are_the_tokens_that_are_really_learned(
    make_trainee: Any, sizes: list[tuple[int, int]], passages: list[int]
) -> None:
    trainee = make_trainee()
    spec, tokenizer = trainee.decoder.spec, trainee.tokenizer
    batch, texts = [demonstration(one) for one in sizes], ["a" * length for length in passages]
    if not any(fits(one) for one in sizes):
        with pytest.raises(InputError, match=f"none of {len(sizes)} demonstrations .* takes {LIMIT} tokens"):
            lesson_of(spec, tokenizer, batch, texts)
        return
    lesson = lesson_of(spec, tokenizer, batch, texts)
    everything = [*sizes, *((0, length) for length in passages)]
    kept = [one for one in everything if fits(one)]
    expected = [min(LIMIT, prompt + answer + 1) - max(1, prompt) for prompt, answer in kept]
    rows = make_rows(lesson.sequences, lesson.prompt_lengths)
    parts = rows.target_N.split([len(one) for one in lesson.sequences])
    assert [int(part.sum()) for part in parts] == expected
    assert lesson.skipped == len(everything) - len(kept)
    assert lesson.cut == sum(prompt + answer + 1 > LIMIT for prompt, answer in kept)
    assert set(lesson.complaints) == {
        kind for kind, count in (("skipped", lesson.skipped), ("cut", lesson.cut)) if count
    }


@QUICK
@given(
    sizes=st.lists(SIZES.filter(fits), min_size=1, max_size=4),
    too_long=st.lists(st.tuples(st.integers(LIMIT, 200), st.integers(0, 90)), min_size=1, max_size=3),
    place=st.integers(0, 4),
)
def test_rows_too_long_change_neither_loss_nor_gradient(
    make_trainee: Any, sizes: list[tuple[int, int]], too_long: list[tuple[int, int]], place: int
) -> None:
    trainee = make_trainee()
    batch = [demonstration(one) for one in sizes]
    more = [*batch[:place], *(demonstration(one) for one in too_long), *batch[place:]]
    loss, gradients = learned(trainee, batch, [])
    again, others = learned(trainee, more, [])
    assert loss >= 0
    assert again == loss
    assert all(torch.equal(one, other) for one, other in zip(gradients, others, strict=True))
    assert loss == pytest.approx(by_hand(trainee, batch), rel=1e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_without_a_token_to_learn_is_refused(make_trainee: Any, count: int) -> None:
    trainee = make_trainee()
    with pytest.raises(InputError, match=f"none of {count} demonstrations .* the shortest prompt has 70"):
        learned(trainee, [demonstration((70 + index, 5)) for index in range(count)], ["read this"])
    with pytest.raises(InputError, match="none of 0 demonstrations"):
        learned(trainee, [], [])
    assert all(part.grad is None for part in trainee.decoder.parameters())


def short_model(save_untrained: Callable[..., Path], positions: int) -> SftConfig:
    """A word of a setting each, so that prompts of equations have 10 to 40 tokens."""
    return SftConfig(
        model=save_untrained(train_tokenizer(["solve answer domain"], 120), positions),
        task=TaskConfig("equations"),
        batch_demonstrations=12,
        textbook_passages=2,
        loop=LoopConfig(steps=3, threads=1),
        dtype="float32",
    )


def test_a_model_too_short_for_its_task_is_refused_before_there_is_a_folder(
    save_untrained: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="none of 12 demonstrations has a token to learn: the model takes 8"):
        sft.train(short_model(save_untrained, 8), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_was_skipped_and_cut_is_counted_and_named_once(
    save_untrained: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = short_model(save_untrained, 24)
    summary = sft.train(config, tmp_path / "run")
    told = [line for line in capsys.readouterr().err.splitlines() if "the model takes 24" in line]
    assert len(told) == 2
    assert any("so it is skipped" in line for line in told)
    assert any("its end is cut off" in line for line in told)
    assert 0 < summary["rows_skipped"] < 12
    assert summary["rows_skipped"] + summary["rows_cut"] == 14
    assert summary["loss"] > 0
    whole = sft.train(replace(config, model=short_model(save_untrained, 512).model), tmp_path / "whole")
    assert (whole["rows_skipped"], whole["rows_cut"]) == (0, 0)
