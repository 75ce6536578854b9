"""Read token by token, a model says what its samplers and its scorer say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.play.terminal import Pieces, printable
from practicum.rollout.samplers import make_sampler
from practicum.rollout.stepwise import Stepper
from practicum.rollout.uncached import UncachedSampler
from tests.tiny import tiny_decoder

GREEDY = SamplingConfig(temperature=0.0, max_new_tokens=12, dtype="float32")


class Foreign:
    """A decoder that is not known as one: what any other policy is to a stepper."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.decoder, name)


@pytest.mark.parametrize("foreign", [False, True], ids=["ours", "foreign"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_greedy_stream_is_what_the_samplers_draw(foreign: bool, seed: int, tokenizer: Tokenizer) -> None:
    decoder: Any = tiny_decoder(tokenizer, seed)
    policy = Foreign(decoder) if foreign else decoder
    # The last prompt leaves room for three tokens, of which the last is never read.
    for prompt in ([5], [7, 8, 9, 5, 5], [9] * 61):
        drawn = make_sampler(decoder, GREEDY).sample([prompt], 1, 0)[0][0]
        found = list(Stepper(policy, GREEDY).stream(prompt, torch.Generator()))
        assert [token for token, _ in found] == drawn.ids
        assert [logprob for _, logprob in found] == pytest.approx(drawn.logprobs, abs=1e-4)


@given(st.lists(st.lists(st.integers(3, 6), min_size=1, max_size=10), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_going_back_and_on_reads_as_reading_anew(tokenizer: Tokenizer, sequences: list[list[int]]) -> None:
    decoder: Any = tiny_decoder(tokenizer, 3)
    stepper, anew = Stepper(decoder, GREEDY), UncachedSampler(GREEDY)
    anew.load(decoder, 0)
    for ids in sequences:
        expected = anew._next_logits([ids]).log_softmax(-1)[0]
        torch.testing.assert_close(stepper.logprobs(ids), expected.detach(), atol=1e-5, rtol=1e-5)


def test_sequences_that_cannot_be_read_are_told(tokenizer: Tokenizer) -> None:
    decoder: Any = tiny_decoder(tokenizer)
    stepper = Stepper(decoder, GREEDY)
    limit = decoder.spec.max_positions
    assert len(stepper.logprobs([5] * limit)) == decoder.spec.vocab_size
    for ids in ([], [5] * (limit + 1), [decoder.spec.vocab_size]):
        with pytest.raises(InputError, match="prompt 0 has"):
            stepper.logprobs(ids)


def test_drawn_tokens_follow_the_settings(tokenizer: Tokenizer) -> None:
    decoder: Any = tiny_decoder(tokenizer)
    config = SamplingConfig(temperature=0.7, top_k=2, max_new_tokens=20, dtype="float32")
    stepper = Stepper(decoder, config)
    ids = [5]
    for token, logprob in stepper.stream([5], torch.Generator().manual_seed(1)):
        logprobs_V = Stepper(decoder, config).logprobs(ids)
        assert token in logprobs_V.topk(2).indices.tolist()
        assert logprob == pytest.approx(float(logprobs_V[token]), abs=1e-4)
        ids.append(token)


ANY = train_tokenizer(["solve answer domain"], 120)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_pieces_put_together_are_the_text(text: str) -> None:
    ids = ANY.encode(text, add_special_tokens=False).ids
    pieces = Pieces(ANY)
    shown = [pieces.add(token) for token in ids]
    assert "".join(shown) + pieces.rest() == ANY.decode(ids, skip_special_tokens=True)
    # No character is shown before it is whole.
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in shown)


@given(st.text(max_size=40))
def test_no_text_can_command_a_terminal(text: str) -> None:
    shown = printable(text)
    assert all(one.isprintable() or one in "\n\t" for one in shown)
    if text.isprintable():
        assert shown == text
