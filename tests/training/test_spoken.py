"""The tokens of samples: their pieces make up the text, their values are those of the update."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.guard.controllers import KLConfig
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.training import rl
from practicum.training.loop import LoopConfig
from practicum.training.spoken import pieces
from practicum.training.update import UpdateConfig

TOKENIZER = train_tokenizer(["solve answer domain äöü 你好 🙂"], 300)


@settings(max_examples=80, deadline=None)
@given(ids=st.lists(st.integers(0, TOKENIZER.get_vocab_size() - 1), max_size=12), text=st.text(max_size=8))
def test_pieces_make_up_the_text(ids: list[int], text: str) -> None:
    for one in (ids, TOKENIZER.encode(text).ids):
        found = pieces(TOKENIZER, one)
        assert len(found) == len(one)
        whole = TOKENIZER.decode(one, skip_special_tokens=False)
        if "\ufffd" not in whole:
            assert "".join(found) == whole


@pytest.mark.parametrize("weight", [None, 0.1])
def test_samples_have_their_tokens_when_asked(
    tmp_path: Path, untrained_model: Path, weight: float | None
) -> None:
    update = UpdateConfig() if weight is None else UpdateConfig(kl=KLConfig(weight=weight))
    config = rl.RlConfig(
        model=untrained_model,
        algorithm="ppo",
        prompts_per_step=2,
        group_size=2,
        samples_per_step=4,
        samples_tokens=True,
        sampling=SamplingConfig(max_new_tokens=8),
        update=update,
        loop=LoopConfig(steps=2, threads=1),
    )
    rl.train(config, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    for row in rows:
        tokens: dict[str, list[Any]] = row["tokens"]
        assert set(tokens) == {"text", "logprob", "advantage", *([] if weight is None else ["kl"])}
        assert {len(column) for column in tokens.values()} == {row["completion_tokens"]}
        assert all(value <= 0 for value in tokens["logprob"])
        mean = sum(tokens["advantage"]) / len(tokens["advantage"])
        assert mean == pytest.approx(row["advantage"], abs=1e-3)
        if weight is not None and row["step"] == 1:
            # Before its first update the policy is its own reference.
            assert tokens["kl"] == pytest.approx([0] * len(tokens["kl"]), abs=2e-2)
