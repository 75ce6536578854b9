"""Rewards stay in their slots, and ids stay the ids that were sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from practicum.model.decoder import Decoder
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_batch
from practicum.rollout.collect import collect, to_rollout
from practicum.rollout.sampler import Completion, scattered
from practicum.rollout.samplers import make_sampler
from practicum.types import Prompt, Score

MakeDecoder = Callable[..., Decoder]


def lossy_tokenizer() -> Tokenizer:
    """Ids 2.. are `a`, `aa`, `b`, `bb`, ...: most id sequences re-encode to other ids than they came from."""
    vocabulary = {"<pad>": 0, "<eos>": 1}
    for letter in "abcdefghijk":
        vocabulary |= {letter: len(vocabulary), letter * 2: len(vocabulary) + 1}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(letter, letter) for letter in "abcdefghijk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(["<pad>", "<eos>"])
    return tokenizer


class RecordingTask:
    """Pays the length of the text; a text with `c` is unparseable."""

    name = "recording"

    def __init__(self) -> None:
        self.seen: list[tuple[Prompt, str]] = []

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        self.seen += list(zip(prompts, texts, strict=True))
        return [
            Score(0.0, False, False, "unparseable", "no answer")
            if "c" in text
            else Score(float(len(text)), True, True, "correct")
            for text in texts
        ]


PROMPTS = [Prompt("abab"), Prompt("e"), Prompt("aaaaaaghijk"), Prompt("bb")]


def sample(make_decoder: MakeDecoder, task: object, slots: int = 5):
    sampler = make_sampler(
        make_decoder(scale=1.0),
        SamplingConfig(temperature=1.0, max_new_tokens=9, slots=slots, dtype="float32"),
        version=3,
    )
    return collect(sampler, lossy_tokenizer(), task, PROMPTS, 6, scattered(1))  # type: ignore[arg-type]


def test_every_reward_stays_with_its_row_around_unparseable_ones(make_decoder: MakeDecoder) -> None:
    task = RecordingTask()
    batch = sample(make_decoder, task)
    outcomes = [score.outcome for score in batch.scores]
    middle = outcomes[1:-1]
    assert 0 < middle.count("unparseable") < len(middle)
    for row, text in enumerate(batch.rollout.texts):
        expected = 0.0 if "c" in text else float(len(text))
        assert batch.reward_B[row] == batch.scores[row].value == expected
        assert batch.prompts[row] is PROMPTS[row // 6]
        assert batch.rollout.group_B[row] == row // 6
        assert task.seen[row] == (batch.prompts[row], text)


def test_ids_are_the_sampled_ids_though_decoding_does_not_round_trip(make_decoder: MakeDecoder) -> None:
    tokenizer, decoder = lossy_tokenizer(), make_decoder(scale=1.0)
    rollout = sample(make_decoder, RecordingTask()).rollout
    groups = make_sampler(
        decoder, SamplingConfig(temperature=1.0, max_new_tokens=9, slots=5, dtype="float32")
    ).sample(encode_batch(tokenizer, [prompt.text for prompt in PROMPTS]), 6, scattered(1))
    completions = [one for group in groups for one in group]
    changed = 0
    for row, completion in enumerate(completions):
        ids = rollout.completion_ids_BT[row][rollout.mask_BT[row]].tolist()
        assert ids == completion.ids
        assert rollout.logprobs_BT[row][rollout.mask_BT[row]].tolist() == pytest.approx(completion.logprobs)
        changed += encode_batch(tokenizer, [rollout.texts[row]])[0] != [index for index in ids if index > 1]
    assert changed >= 3


def test_padding_stands_left_of_prompts_and_right_of_completions(make_decoder: MakeDecoder) -> None:
    batch = sample(make_decoder, RecordingTask())
    rollout = batch.rollout
    assert rollout.policy_version == 3
    for row, prompt in enumerate(batch.prompts):
        ids = encode_batch(lossy_tokenizer(), [prompt.text])[0]
        width = rollout.prompt_ids_BP.shape[1]
        assert rollout.prompt_lengths_B[row] == len(ids)
        assert rollout.prompt_ids_BP[row, width - len(ids) :].tolist() == ids
        assert rollout.prompt_ids_BP[row, : width - len(ids)].eq(0).all()
        length = int(rollout.mask_BT[row].sum())
        assert rollout.mask_BT[row].tolist() == [True] * length + [False] * (
            len(rollout.mask_BT[row]) - length
        )
        assert rollout.completion_ids_BT[row, length:].eq(0).all()
        assert rollout.logprobs_BT[row, length:].eq(0).all()
        ended = bool(rollout.completion_ids_BT[row, length - 1] == 1)
        assert batch.finished_B[row] == ended
    assert batch.finished_B.any()
    assert not batch.finished_B.all()


def test_how_many_rows_decode_at_a_time_changes_no_reward_of_a_greedy_policy(
    make_decoder: MakeDecoder,
) -> None:
    def rewards(slots: int) -> list[float]:
        sampler = make_sampler(
            make_decoder(scale=1.0),
            SamplingConfig(temperature=0.0, max_new_tokens=9, slots=slots, dtype="float32"),
        )
        batch = collect(sampler, lossy_tokenizer(), RecordingTask(), PROMPTS, 3, 0)
        return batch.reward_B.tolist()

    assert rewards(1) == rewards(4) == rewards(64)


def test_a_task_that_loses_a_score_is_stopped(make_decoder: MakeDecoder) -> None:
    class Losing(RecordingTask):
        def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
            return super().score(prompts, texts)[1:]

    with pytest.raises(RuntimeError, match="23 scores for 24 texts"):
        sample(make_decoder, Losing())


def test_to_rollout_by_hand() -> None:
    completions = [Completion([5, 1], [-0.1, -0.2], True), Completion([6, 7, 8], [-1.0, -2.0, -3.0], False)]
    rollout = to_rollout([[2], [3, 4]], torch.tensor([0, 1]), completions, ["x", "y"])
    assert rollout.prompt_ids_BP.tolist() == [[0, 2], [3, 4]]
    assert rollout.completion_ids_BT.tolist() == [[5, 1, 0], [6, 7, 8]]
    assert rollout.mask_BT.tolist() == [[True, True, False], [True, True, True]]
    assert torch.allclose(rollout.logprobs_BT, torch.tensor([[-0.1, -0.2, 0.0], [-1.0, -2.0, -3.0]]))
