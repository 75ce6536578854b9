"""The C++ decoder gives the policy's own numbers for any shape, batch and thread count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import Decoder
from practicum.model.native.sampler import NativeDecoder, NativeRows, native_decoding
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.rollout.sampler import Completion, scattered
from practicum.rollout.samplers import make_sampler
from tests.tiny import tiny_decoder

pytestmark = pytest.mark.skipif(
    not native_decoding(torch.float32, torch.device("cpu")), reason="the C++ decoder is not built here"
)
needs_bfloat16 = pytest.mark.skipif(
    not native_decoding(torch.bfloat16, torch.device("cpu")), reason="no bfloat16 instructions here"
)


def make(scale: float = 40.0, **changes: Any) -> Decoder:
    """A decoder of random weights, sure enough of its next token for mistakes to show."""
    own = {"eos_token_id": 10**6, "max_position_embeddings": 128, **changes}
    decoder = tiny_decoder(own.pop("vocab_size", 40), **own)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if name.endswith("norm.weight"):
                weight.add_(
                    0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name)))
                )
        decoder.output_weight.mul_(scale)
    return decoder


def prompts_of(vocabulary: int, lengths: list[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(0, vocabulary, (length,), generator=generator).tolist() for length in lengths]


def logits_before(decoder: Decoder, prompt: list[int], completion: Completion, dtype: torch.dtype) -> Tensor:
    ids = torch.tensor([[*prompt, *completion.ids]])
    with torch.no_grad():
        return decoder(ids[:, :-1], dtype)[0, len(prompt) - 1 :]


def largest_difference(decoder: Decoder, config: SamplingConfig, dtype: torch.dtype, count: int = 2) -> float:
    """Between the log-probabilities sampled and those of a full pass, over rows of several lengths."""
    prompts = prompts_of(decoder.config.vocab_size, [1, 17, 16, 33, 5])
    groups = make_sampler(decoder, config).sample(prompts, count, scattered(2))
    differences = []
    for prompt, group in zip(prompts, groups, strict=True):
        for completion in group:
            logprobs = filter_logits(logits_before(decoder, prompt, completion, dtype), config)
            expected = logprobs.gather(1, torch.tensor(completion.ids)[:, None]).squeeze(1)
            differences.append((expected - torch.tensor(completion.logprobs)).abs())
    return float(torch.cat(differences).max())


SHAPES = [
    {},
    {"head_dim": 6, "vocab_size": 37, "intermediate_size": 50},
    {"hidden_size": 35, "num_attention_heads": 7, "num_key_value_heads": 1, "head_dim": 10},
    {"hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 6, "head_dim": 32},
    {"num_key_value_heads": 4, "head_dim": 64, "tie_word_embeddings": False, "rope_theta": 100000.0},
    {"hidden_size": 33, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 2, "vocab_size": 5},
    {"rms_norm_eps": 1e-2, "head_dim": 80, "vocab_size": 331, "intermediate_size": 7},
]


@pytest.mark.parametrize("changes", SHAPES)
def test_every_shape_gives_the_log_probabilities_of_a_full_pass(changes: dict[str, float]) -> None:
    decoder = make(**changes)
    config = SamplingConfig(max_new_tokens=40, slots=4, dtype="float32")
    assert largest_difference(decoder, config, torch.float32) < 1e-5


@needs_bfloat16
@pytest.mark.parametrize("changes", SHAPES)
def test_bfloat16_stays_within_its_rounding_of_the_scorers_pass(changes: dict[str, float]) -> None:
    decoder = make(scale=10.0, **changes)
    config = SamplingConfig(max_new_tokens=40, slots=4, dtype="bfloat16")
    assert 0 < largest_difference(decoder, config, torch.bfloat16) < 0.1


@pytest.mark.parametrize("changes", [{"top_k": 7}, {"top_p": 0.6}, {"top_k": 30, "top_p": 0.9}])
def test_truncation_in_a_large_vocabulary_is_that_of_filter_logits(changes: dict[str, float]) -> None:
    decoder = make(scale=5.0, vocab_size=3000)
    config = SamplingConfig(temperature=0.8, max_new_tokens=20, dtype="float32", **changes)  # type: ignore[arg-type]
    assert largest_difference(decoder, config, torch.float32) < 1e-5


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
def test_draws_are_the_same_bit_for_bit_whatever_the_slots_and_threads(dtype: str) -> None:
    decoder = make(scale=10.0, eos_token_id=3)
    prompts = prompts_of(40, [3, 20, 9, 1, 30, 12, 7, 7] * 2)

    def draw(slots: int, threads: int) -> list[list[Completion]]:
        torch.set_num_threads(threads)
        config = SamplingConfig(max_new_tokens=25, slots=slots, dtype=dtype)  # type: ignore[arg-type]
        return make_sampler(decoder, config).sample(prompts, 5, scattered(1))

    expected = draw(512, 1)
    assert len({len(completion.ids) for group in expected for completion in group}) > 3
    for slots, threads in ((512, 2), (1, 1), (7, 1), (24, 2)):
        assert draw(slots, threads) == expected


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=needs_bfloat16)])
def test_leftovers_in_the_cache_are_never_read(dtype: torch.dtype) -> None:
    decoder = make(head_dim=10)
    packed = NativeDecoder(decoder, dtype)
    prompts = prompts_of(40, [5, 18, 1])

    def draw(leftover: float) -> list[list[float]]:
        rows = NativeRows(packed, prompts, 2, SamplingConfig(max_new_tokens=30), seed=3)
        for memory in (rows.own, rows.prefix, rows.workspace.view(torch.float32)):
            memory.fill_(leftover)
        rows.admit(6)
        while rows.active:
            rows.decode(16, 0)
        return rows.logprobs.tolist()

    assert draw(float("nan")) == draw(0.0)


def test_draws_follow_a_large_and_skewed_vocabulary() -> None:
    decoder, draws = make(scale=12.0, vocab_size=1000), 20000
    config = SamplingConfig(max_new_tokens=1, slots=512, dtype="float32")
    (group,) = make_sampler(decoder, config).sample([[7, 8, 9]], draws, scattered(8))
    with torch.no_grad():
        expected = decoder(torch.tensor([[7, 8, 9]]))[0, -1].double().softmax(-1) * draws
    counts = torch.bincount(torch.tensor([one.ids[0] for one in group]), minlength=1000).double()
    rare = expected < 8
    assert rare.any()
    assert (~rare).sum() > 10
    pooled = [torch.cat([values[~rare], values[rare].sum()[None]]) for values in (counts, expected)]
    assert chisquare(*(values.numpy() for values in pooled)).pvalue > 1e-3


def test_a_group_split_over_time_reads_its_prompt_once_and_then_only_its_last_token() -> None:
    sampler: Any = make_sampler(make(), SamplingConfig(max_new_tokens=3, slots=2, dtype="float32"))
    sampler.sample(prompts_of(40, [20]), 6, scattered(0))
    assert sampler.prefill_tokens == 20 + 1 + 1
    assert sampler.decode_steps == 3 * 2


def test_finished_groups_give_their_memory_back() -> None:
    packed, prompts = NativeDecoder(make(), torch.float32), prompts_of(40, [4] * 9)
    rows = NativeRows(packed, prompts, 1, SamplingConfig(max_new_tokens=2, slots=3), seed=0)
    for _ in range(3):
        rows.admit(3)
        assert rows.decode(16, 0) == 1
    assert rows.finished == 9
    assert len(rows.prefix_filled) == 3


@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"top_p": 0.5}, {"temperature": 0.0}])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_broken_weights_are_named(broken: float, settings: dict[str, float]) -> None:
    decoder = make()
    with torch.no_grad():
        decoder.model.norm.weight[3] = broken
    sampler = make_sampler(decoder, SamplingConfig(max_new_tokens=5, dtype="float32", **settings))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not finite"):
        sampler.sample([[1, 2]], 2, scattered(0))


def test_native_decoding_is_off_for_other_dtypes_and_devices() -> None:
    assert not native_decoding(torch.float16, torch.device("cpu"))
    assert not native_decoding(torch.float32, torch.device("cuda"))
