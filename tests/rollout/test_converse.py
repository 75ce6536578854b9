"""Conversations: sampled ids stay, the task's tokens are masked, the learner scores what was sampled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.guard.controllers import KLConfig, KLPenalty
from practicum.model.decoder import Decoder
from practicum.model.native import load
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.model.tokenizer import Chat, encode_prompts, set_chat, train_tokenizer
from practicum.rollout.collect import ScoredRollout, collect, to_rollout
from practicum.rollout.converse import Conversation, Frame, conversation_of, tell_unused_turns
from practicum.rollout.native import NativeSampler
from practicum.rollout.sampler import Completion, Sampler
from practicum.rollout.torch import TorchSampler
from practicum.rollout.uncached import UncachedSampler
from practicum.training import rl
from practicum.training.algorithms import ppo
from practicum.training.algorithms.algorithm import Signals
from practicum.training.iteration import practise
from practicum.training.loop import LoopConfig, Trainee
from practicum.training.objectives import generalised_advantages
from practicum.training.update import UpdateConfig
from practicum.types import Prompt, Score
from tests.tiny import LetterTask, parts_of, tiny_trainee, without_bytes

needs_native = pytest.mark.skipif(load("decode") is None, reason="no C++ compiler")

CHATML = (
    "{% for m in messages %}[{{ m.role[0] }}]{{ m.content }}<eos>;{% endfor %}"
    "{% if add_generation_prompt %}[a]{% endif %}"
)


TOKENIZER = without_bytes(train_tokenizer(["1 2"], 110))


class Echo(LetterTask):
    """Replies with a letter a turn, twice; pays for the letter a in the last turn."""

    name = "echo"

    def __init__(self, replies: int = 2) -> None:
        self.replies = replies
        self.seen: list[tuple[Prompt, str]] = []

    def reply(self, prompt: Prompt, turns: Sequence[str]) -> str | None:
        assert len(turns) % 2 == 1
        return f"({len(turns)})" if len(turns) < 2 * self.replies else None

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        self.seen += list(zip(prompts, texts, strict=True))
        return [Score(text.count("a") + len(text) / 100, "a" in text) for text in texts]


def endings(trainee: Trainee) -> None:
    """Have turns end soon: a quarter of all tokens do it."""
    decoder = trainee.decoder
    assert isinstance(decoder, Decoder)
    decoder.config = replace(decoder.config, other_eos_ids=tuple(range(70, decoder.config.vocab_size)))


def make(kind: type, trainee: Trainee, config: SamplingConfig) -> Sampler:
    sampler = kind(config)
    sampler.load(trainee.decoder, 3)
    return sampler


@pytest.mark.parametrize(
    "kind", [pytest.param(NativeSampler, marks=needs_native), TorchSampler, UncachedSampler]
)
@pytest.mark.parametrize("chat", [False, True])
def test_the_learner_scores_every_turn_as_it_was_sampled(
    kind: type, chat: bool, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    own = Tokenizer.from_str(tokenizer.to_str())
    set_chat(own, Chat(CHATML) if chat else None)
    trainee = tiny_trainee(own, scale=2.0)
    endings(trainee)
    task = Echo()
    config = rl.RlConfig(
        model=tmp_path,
        prompts_per_step=6,
        group_size=4,
        dtype="float32",
        samples_per_step=24,
        sampling=SamplingConfig(max_new_tokens=40, dtype="float32"),
        update=UpdateConfig(kl=KLConfig(weight=0.0)),
        loop=LoopConfig(steps=1, threads=1),
    )
    parts = parts_of(trainee, task, config)
    object.__setattr__(parts, "sampler", make(kind, trainee, config.sampling))
    result = practise(parts, trainee, config, 0)
    assert result.metrics["ratio_error"] < 1e-4
    assert result.metrics["turns"] > 1.5
    assert any(len(row["turns"]) == 5 for row in result.samples)
    for row in result.samples:
        assert [turn["text"] for turn in row["turns"][1::2]] == ["(1)", "(3)"][: len(row["turns"]) // 2]
        assert (
            "".join(turn["text"] for turn in row["turns"][::2]) in row["completion"] or len(row["turns"]) > 1
        )


@pytest.mark.parametrize("chat", [False, True])
def test_ids_masks_and_texts_of_a_conversation(chat: bool, tokenizer: Tokenizer) -> None:
    own = Tokenizer.from_str(tokenizer.to_str())
    set_chat(own, Chat(CHATML) if chat else None)
    trainee = tiny_trainee(own, scale=2.0)
    endings(trainee)
    task, config = Echo(), SamplingConfig(max_new_tokens=30, dtype="float32")
    conversation = conversation_of(task, trainee.decoder, config)
    sampler = make(TorchSampler, trainee, config)
    prompts = [Prompt("12:"), Prompt("7:")]
    batch = collect(sampler, own, task, prompts, 8, 5, conversation=conversation)
    rollout, whole, ended = batch.rollout, 0, trainee.decoder.spec.eos_ids
    assert rollout.lengths_B is not None
    for row, (prompt, text) in enumerate(task.seen):
        turns = prompt.data["turns"]
        length = int(rollout.lengths_B[row])
        ids, mask = rollout.completion_ids_BT[row, :length], rollout.mask_BT[row, :length]
        assert text == turns[-1]
        assert len(turns) % 2 == 1
        assert bool(mask[0])
        assert bool(mask[-1])
        assert int(mask.sum()) <= 30
        assert not rollout.mask_BT[row, length:].any()
        assert not rollout.logprobs_BT[row][~rollout.mask_BT[row]].any()
        assert (rollout.logprobs_BT[row, :length][mask] < 0).all()
        # Every turn but one that was cut ends with a token that ends it, which counts as chosen.
        ends = [place for place in range(length) if int(ids[place]) in ended and bool(mask[place])]
        assert len(ends) == len(turns) // 2 + (int(ids[-1]) in ended)
        # What the task put in, and nothing else, is masked out.
        frame = Frame.of(own, "user")
        lasts = [str(own.id_to_token(int(ids[place]))) for place in ends]
        put_in = "".join(frame.text(reply, last) for reply, last in zip(turns[1::2], lasts, strict=False))
        assert own.decode(ids[~mask].tolist(), skip_special_tokens=False) == put_in
        if chat and len(turns) == 5:
            whole += 1
            messages = [{"role": "user", "content": prompt.text}]
            for place, turn in enumerate(turns):
                messages.append({"role": ("assistant", "user")[place % 2], "content": turn})
            rendered = Chat(CHATML).render(messages, add_generation_prompt=False)
            start = encode_prompts(own, [prompt])[0]
            read = own.decode([*start, *ids.tolist()], skip_special_tokens=False)
            read = read.replace("<unk>", "").replace("<pad>", "").removesuffix("<eos>")
            assert rendered.startswith(read)
    assert whole > 0 or not chat


def test_one_completion_of_a_task_that_never_replies_is_what_it_was(tokenizer: Tokenizer) -> None:
    trainee = tiny_trainee(tokenizer, scale=2.0)
    config = SamplingConfig(max_new_tokens=12, dtype="float32")
    batches = []
    for task in (LetterTask(), Echo(0)):
        sampler, conversation = (
            make(TorchSampler, trainee, config),
            conversation_of(task, trainee.decoder, config),
        )
        batches.append(collect(sampler, tokenizer, task, [Prompt("1:")], 6, 1, conversation=conversation))
    plain, spoken = (batch.rollout for batch in batches)
    assert plain.lengths_B is None
    assert torch.equal(plain.completion_ids_BT, spoken.completion_ids_BT)
    assert torch.equal(plain.logprobs_BT, spoken.logprobs_BT)
    assert torch.equal(plain.mask_BT, spoken.mask_BT)
    assert torch.equal(batches[0].finished_B, batches[1].finished_B)


class Scripted:
    """A sampler that says the same in every turn."""

    def __init__(self, ids: list[int], finished: bool = True) -> None:
        self.ids, self.finished = ids, finished
        self.read: list[int] = []

    def load(self, policy: object, version: int) -> None:
        pass

    def sample(self, prompts, count, seed, on_finished=None) -> list[list[Completion]]:
        self.read += [len(prompt) for prompt in prompts]
        one = Completion(self.ids, [-1.0] * len(self.ids), self.finished, 0)
        return [[one] * count for _ in prompts]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.integers(1, 60), st.integers(12, 70), st.integers(1, 8), st.booleans())
def test_a_conversation_stays_within_its_limits(
    turns: int, budget: int, positions: int, length: int, finished: bool
) -> None:
    sampler = Scripted([5] * length + [1], finished)
    conversation = Conversation(lambda prompt, said: "zz", turns, budget, positions)
    batch = collect(sampler, TOKENIZER, Echo(), [Prompt("1:")], 2, 0, conversation=conversation)
    for row, prompt in enumerate(batch.prompts):
        said = prompt.data["turns"]
        assert (len(said) + 1) // 2 <= turns
        assert int(batch.rollout.mask_BT[row].sum()) <= max(budget, 0)
    assert all(read < positions for read in sampler.read)


def test_a_template_without_the_role_is_told(tokenizer: Tokenizer) -> None:
    own = Tokenizer.from_str(tokenizer.to_str())
    only_user = "{% for m in messages %}{% if m.role != 'tool' %}{{ m.content }}{% endif %}{% endfor %}"
    set_chat(own, Chat(only_user))
    with pytest.raises(InputError, match="role 'tool'"):
        Frame.of(own, "tool")
    assert Frame.of(own, "user") == Frame()


def test_credit_reaches_back_over_what_the_task_said() -> None:
    """With gaps, advantages of the chosen tokens are those of the same tokens put end to end."""
    torch.manual_seed(0)
    for _ in range(20):
        mask = torch.rand(3, 9) < 0.6
        mask[:, 0] = True
        rewards, values = torch.randn(3, 9) * mask, torch.randn(3, 9) * mask
        found, returns = generalised_advantages(rewards, values, mask, 0.9, 0.8)
        assert not found[~mask].any()
        for row in range(3):
            kept = mask[row]
            whole = torch.ones(1, int(kept.sum()), dtype=torch.bool)
            close = generalised_advantages(rewards[row][kept][None], values[row][kept][None], whole, 0.9, 0.8)
            torch.testing.assert_close(found[row][kept], close[0][0])
            torch.testing.assert_close(returns[row][kept], close[1][0])


@pytest.mark.parametrize("algorithm", ["group", "ppo"])
def test_both_algorithms_learn_in_conversations(
    algorithm: str, make_trainee: Callable[..., Trainee], tmp_path: Path
) -> None:
    """The run trains, resumes nothing here, and gives no credit where the policy had no choice."""
    trainee = make_trainee(value=algorithm == "ppo", scale=2.0)
    endings(trainee)
    config = rl.RlConfig(
        model=tmp_path,
        algorithm=algorithm,  # type: ignore[arg-type]
        prompts_per_step=4,
        group_size=4,
        dtype="float32",
        sampling=SamplingConfig(max_new_tokens=20, dtype="float32"),
        loop=LoopConfig(steps=2, threads=1),
    )
    rl.train(config, tmp_path / "run", parts=parts_of(trainee, Echo(), config))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert all(row["ratio_error"] < 1e-4 and row["gradient_norm"] > 0 for row in rows)


def test_the_reward_of_ppo_comes_with_the_last_chosen_token(tokenizer: Tokenizer) -> None:
    chosen = [True, True, False, False, True, False]
    completion = Completion([5] * 6, [-1.0, -1.0, 0, 0, -1.0, 0], True, 0, chosen)
    rollout = to_rollout([[5]], torch.tensor([0]), [completion], [""])
    scored = ScoredRollout(rollout, [Prompt("1")], [Score(3.0)], torch.tensor([3.0]), torch.tensor([True]))
    config = ppo.PpoConfig(discount=0.5, gae_lambda=1.0, whiten_advantages=False)
    found = ppo.credit(scored, Signals(KLPenalty(), None, torch.zeros(1, 6)), config).advantages_BT
    assert found.tolist() == [[0.75, 1.5, 0.0, 0.0, 3.0, 0.0]]


def test_turns_that_a_task_does_not_take_are_told(
    letter_task: LetterTask, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_unused_turns(letter_task, DecodingSettings())
    assert not capsys.readouterr().err
    tell_unused_turns(letter_task, DecodingSettings(max_turns=3))
    assert "sampling.max_turns: letter does not reply" in capsys.readouterr().err
