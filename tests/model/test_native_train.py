"""The scorer's kernels give the numbers of the decoder written in PyTorch, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from practicum.model.decoder import Decoder, DecoderConfig, initialise
from practicum.model.native import load
from practicum.model.native.scorer import pack_weights, packed_hidden, packed_logprobs, work
from practicum.model.native.sharing import LEAST_SHARED, shared_beginnings

pytestmark = pytest.mark.skipif(load("train") is None, reason="no compiler, or kernels are off")

SHAPES = {
    "demo": DecoderConfig(
        vocab_size=384,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
    ),
    "odd widths, untied": DecoderConfig(
        vocab_size=50,
        hidden_size=36,
        intermediate_size=50,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=10,
        tie_word_embeddings=False,
    ),
    "wide heads": DecoderConfig(
        vocab_size=65,
        hidden_size=64,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
    ),
}
Outcome = tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]


def part(decoder: Decoder, name: str) -> nn.Parameter:
    """A weight by its name."""
    return decoder.get_parameter(name)


def a_decoder(config: DecoderConfig) -> Decoder:
    """Weights large enough that attention and gates are far from flat, norms that are not 1."""
    decoder = initialise(Decoder(config), 0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.mul_(2)
    return decoder


class Case:
    """Random sequences, some of their positions as targets, and a loss over log-probability and entropy."""

    def __init__(
        self, config: DecoderConfig, lengths: Sequence[int], share: float = 0.6, alike: bool = False
    ) -> None:
        generator = torch.Generator().manual_seed(2)
        self.decoder = a_decoder(config)
        size = config.vocab_size
        self.sequences = [torch.randint(0, size, (length,), generator=generator) for length in lengths]
        if alike:  # a tree: each sequence begins as one before it does, up to some place
            for number, ids in enumerate(self.sequences[1:], start=1):
                other = self.sequences[int(torch.randint(0, number, (), generator=generator))]
                same = min(len(ids), len(other), int(torch.randint(0, 60, (), generator=generator)))
                ids[:same] = other[:same]
        self.starts = torch.tensor([0, *lengths]).cumsum(0)
        whole = sum(lengths)
        self.places = (torch.rand(whole, generator=generator) <= share).nonzero().squeeze(1)
        self.labels = torch.randint(0, size, (len(self.places),), generator=generator)
        self.weights = torch.randn((3, len(self.places)), generator=generator)

    def measure(self, hidden: Tensor, chosen: Tensor, entropy: Tensor) -> Outcome:
        value = (self.weights[0] * chosen).sum() + (self.weights[1] * entropy).sum()
        value = value + (self.weights[2][:, None] * hidden).mean()
        names, parameters = zip(*self.decoder.named_parameters(), strict=True)
        gradients = torch.autograd.grad(value, parameters)
        return hidden.detach(), chosen.detach(), entropy.detach(), dict(zip(names, gradients, strict=True))

    def in_pytorch(self, dtype: torch.dtype, temperature: float = 1.0) -> Outcome:
        hidden = torch.cat([self.decoder.hidden(one[None], dtype)[0] for one in self.sequences])[self.places]
        table = (self.decoder.logits(hidden, dtype) / temperature).log_softmax(-1)
        chosen = table.gather(1, self.labels[:, None]).squeeze(1)
        return self.measure(hidden, chosen, -(table.exp() * table).sum(-1))

    def in_kernels(self, dtype: torch.dtype, temperature: float = 1.0) -> Outcome:
        weights = pack_weights(self.decoder, dtype)
        assert weights is not None
        hidden = packed_hidden(weights, torch.cat(self.sequences), self.starts, self.places)
        chosen, entropy = packed_logprobs(weights, hidden, self.labels, temperature, entropy_gradient=True)
        return self.measure(hidden, chosen, entropy)


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.6, 1.0])
@pytest.mark.parametrize("alike", [False, True])
def test_in_float32_everything_is_as_in_pytorch(shape: str, share: float, alike: bool) -> None:
    case = Case(SHAPES[shape], [5, 1, 17, 64, 33, 70], share, alike)
    found, expected = case.in_kernels(torch.float32, 0.8), case.in_pytorch(torch.float32, 0.8)
    for one, other in zip(found[:3], expected[:3], strict=True):
        assert (one - other).abs().max() < 2e-5 * max(1.0, float(other.abs().max()))
    assert found[3].keys() == expected[3].keys()
    for name, gradient in expected[3].items():
        assert error(found[3][name], gradient) < 1e-5, name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alike", [False, True])
def test_in_bfloat16_the_kernels_are_no_further_from_float32_than_pytorch_is(shape: str, alike: bool) -> None:
    case = Case(SHAPES[shape], [5, 1, 17, 64, 33, 70], alike=alike)
    exact = case.in_pytorch(torch.float32)
    found, pytorch = case.in_kernels(torch.bfloat16), case.in_pytorch(torch.bfloat16)
    for one, other, true in zip(found[:3], pytorch[:3], exact[:3], strict=True):
        assert 0 < error(one, true) < 1.3 * error(other, true)
    for name, true in exact[3].items():
        assert error(found[3][name], true) < 1.3 * error(pytorch[3][name], true), name


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_a_sequence_reads_nothing_of_its_neighbours(lengths: list[int]) -> None:
    case = Case(SHAPES["odd widths, untied"], lengths, 1.0)
    weights = pack_weights(case.decoder, torch.float32)
    assert weights is not None
    with torch.no_grad():
        together = packed_hidden(weights, torch.cat(case.sequences), case.starts, case.places)
        for number, ids in enumerate(case.sequences):
            places = torch.arange(len(ids))
            alone = packed_hidden(weights, ids, torch.tensor([0, len(ids)]), places)
            piece = together[case.starts[number] : case.starts[number + 1]]
            assert (piece - alone).abs().max() < 1e-5


def test_a_long_sequence_agrees_too() -> None:
    case = Case(SHAPES["odd widths, untied"], [700], 0.1)
    found, expected = case.in_kernels(torch.float32), case.in_pytorch(torch.float32)
    assert (found[0] - expected[0]).abs().max() < 1e-4
    assert max(error(found[3][name], gradient) for name, gradient in expected[3].items()) < 1e-4


def test_extreme_gates_and_scores_stay_finite() -> None:
    case = Case(SHAPES["demo"], [40, 30])
    with torch.no_grad():
        for number in range(len(case.decoder.model.layers)):
            part(case.decoder, f"model.layers.{number}.mlp.gate_proj.weight").mul_(300)
            part(case.decoder, f"model.layers.{number}.self_attn.q_proj.weight").mul_(300)
    found, expected = case.in_kernels(torch.float32), case.in_pytorch(torch.float32)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found[3].values())
    assert error(found[0], expected[0]) < 1e-3


def test_a_logit_far_above_the_rest_leaves_no_entropy_and_no_nan() -> None:
    config = SHAPES["odd widths, untied"]
    case = Case(config, [20])
    with torch.no_grad():
        case.decoder.lm_head.weight.mul_(1000)
    for found, expected in zip(
        case.in_kernels(torch.float32)[:3], case.in_pytorch(torch.float32)[:3], strict=True
    ):
        assert torch.isfinite(found).all()
        assert (found - expected).abs().max() < 1e-2


@pytest.mark.parametrize("alike", [False, True])
def test_the_same_pass_gives_the_same_bits(alike: bool) -> None:
    case = Case(SHAPES["demo"], [90, 31, 8], alike=alike)
    first, second = (case.in_kernels(torch.bfloat16) for _ in range(2))
    assert all(torch.equal(first[3][name], second[3][name]) for name in first[3])


def test_frozen_parameters_get_no_gradient_and_the_others_theirs() -> None:
    case = Case(SHAPES["demo"], [30, 31])
    expected = case.in_kernels(torch.float32)[3]
    frozen = part(case.decoder, "model.layers.0.self_attn.k_proj.weight").requires_grad_(False)
    weights = pack_weights(case.decoder, torch.float32)
    assert weights is not None
    hidden = packed_hidden(weights, torch.cat(case.sequences), case.starts, case.places)
    chosen, entropy = packed_logprobs(weights, hidden, case.labels, entropy_gradient=True)
    value = (case.weights[0] * chosen).sum() + (case.weights[1] * entropy).sum()
    torch.autograd.backward(value + (case.weights[2][:, None] * hidden).mean())
    assert frozen.grad is None
    down = part(case.decoder, "model.layers.0.mlp.down_proj.weight")
    assert down.grad is not None
    assert error(down.grad, expected["model.layers.0.mlp.down_proj.weight"]) < 1e-6


def test_decoders_with_other_parts_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Adapter(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

    decoder = a_decoder(SHAPES["demo"])
    assert pack_weights(decoder, torch.float32) is not None
    attention = decoder.get_submodule("model.layers.0.self_attn")
    attention.q_proj = Adapter(attention.get_submodule("q_proj"))
    assert pack_weights(decoder, torch.float32) is None


def test_work_is_counted() -> None:
    case = Case(SHAPES["demo"], [30, 31])
    before = work.counts.copy()
    case.in_kernels(torch.float32)
    done = work.counts - before
    assert done == {"weight_casts": 1, "forward_passes": 1, "tokens": 61, "targets": len(case.places)}


def test_what_sequences_begin_with_is_computed_once() -> None:
    case = Case(SHAPES["demo"], [40] * 8)
    for ids in case.sequences[1:]:
        ids[:30] = case.sequences[0][:30]
    before = work.counts.copy()
    case.in_kernels(torch.float32)
    assert (work.counts - before)["shared_tokens"] == 7 * 30


TOKENS = st.lists(st.integers(0, 2), max_size=12)


@given(st.lists(TOKENS, min_size=1, max_size=6))
def test_tokens_are_shared_exactly_where_sequences_have_been_equal(sequences: list[list[int]]) -> None:
    ids = torch.tensor([token for one in sequences for token in one], dtype=torch.int64)
    starts = torch.tensor([0, *(len(one) for one in sequences)]).cumsum(0)
    beginnings = [tuple(one[: place + 1]) for one in sequences for place in range(len(one))]
    shared = shared_beginnings(ids, starts)
    if shared is None:
        assert len(beginnings) - len(set(beginnings)) <= LEAST_SHARED * len(beginnings)
        return
    assert len(shared.first_U) == len(set(beginnings))
    numbers = shared.place_N.tolist()
    assert len(set(zip(numbers, beginnings, strict=True))) == len(set(beginnings)) == len(set(numbers))
    for number, first in enumerate(shared.first_U.tolist()):
        assert numbers.index(number) == first


def test_scoring_keeps_no_activations() -> None:
    case = Case(SHAPES["demo"], [30])
    weights = pack_weights(case.decoder, torch.float32)
    assert weights is not None
    with torch.no_grad():
        hidden = packed_hidden(weights, torch.cat(case.sequences), case.starts, case.places)
    assert hidden.grad_fn is None
    assert not hidden.requires_grad
