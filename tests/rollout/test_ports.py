"""Every sampler keeps the promises of `Sampler`: one version at a time, said on each completion."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.model.decoder import Decoder
from practicum.model.native import load
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.rollout.native import NativeSampler
from practicum.rollout.sampler import Completion, Sampler, scattered
from practicum.rollout.samplers import make_sampler
from practicum.rollout.torch import TorchSampler
from practicum.rollout.uncached import UncachedSampler
from tests.foreign import KINDS, ForeignPolicy, foreign_policy

MakeDecoder = Callable[..., Decoder]
PROMPTS = [[3, 4, 5], [6], [7, 8, 9, 10, 11]]
needs_native = pytest.mark.skipif(load("decode") is None, reason="no C++ compiler")
OURS = [pytest.param(NativeSampler, marks=needs_native), TorchSampler]


def sampling(**changes: object) -> SamplingConfig:
    values = {"max_new_tokens": 12, "slots": 4, "dtype": "float32", **changes}
    return SamplingConfig(**values)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=KINDS)
def foreign(request: pytest.FixtureRequest) -> ForeignPolicy:
    return foreign_policy(request.param, 24, positions=32, scale=20.0)


# ------------------------------------------------------------------------------------- versions of weights


@pytest.mark.parametrize("kind", OURS)
def test_a_sampler_follows_no_change_of_any_weight_until_it_is_loaded(
    make_decoder: MakeDecoder, kind: type[NativeSampler | TorchSampler]
) -> None:
    decoder = make_decoder()
    names = [name for name, _ in decoder.named_parameters()]
    few = sampling(max_new_tokens=4)
    sampler: Sampler = kind(few)
    sampler.load(decoder, 5)
    for name in names:
        before = sampler.sample(PROMPTS, 3, 1)
        with torch.no_grad():
            weight = decoder.get_parameter(name)
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)))
        assert sampler.sample(PROMPTS, 3, 1) == before, name
        sampler.load(decoder, 5)
        fresh: Sampler = kind(few)
        fresh.load(decoder, 5)
        after = sampler.sample(PROMPTS, 3, 1)
        assert after == fresh.sample(PROMPTS, 3, 1), name
        assert after != before, name


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "auto"])
def test_a_new_version_takes_the_memory_of_the_old_one(make_decoder: MakeDecoder, dtype: str) -> None:
    sampler = NativeSampler(sampling(dtype=dtype))
    addresses = []
    for seed in range(3):
        sampler.load(make_decoder(seed=seed), seed)
        assert sampler.packed is not None
        addresses.append([part.data_ptr() for part in sampler.packed._kept])
        expected = make_sampler(make_decoder(seed=seed), sampling(dtype=dtype), seed)
        assert sampler.sample(PROMPTS, 2, 7) == expected.sample(PROMPTS, 2, 7)
    assert addresses[0] == addresses[1] == addresses[2]
    assert sampler.packs == 3


@pytest.mark.parametrize("kind", OURS)
def test_a_sampler_takes_a_model_of_another_shape(
    make_decoder: MakeDecoder, kind: type[NativeSampler | TorchSampler]
) -> None:
    sampler, fresh = kind(sampling()), kind(sampling())
    sampler.load(make_decoder(), 0)
    for one in (sampler, fresh):
        one.load(make_decoder(vocabulary=30, positions=20), 1)
    with pytest.raises(InputError, match="the model takes 1 to 19"):
        sampler.sample([[3] * 20], 1, 0)
    assert sampler.sample([[29]], 4, 0) == fresh.sample([[29]], 4, 0)


@pytest.mark.parametrize("kind", [*OURS, UncachedSampler])
def test_completions_carry_the_version_that_was_loaded(
    make_decoder: MakeDecoder, kind: type[NativeSampler | TorchSampler | UncachedSampler]
) -> None:
    sampler: Sampler = kind(sampling())
    for version in (0, 41, 3):
        sampler.load(make_decoder(), version)
        found = [one.policy_version for group in sampler.sample(PROMPTS, 5, 0) for one in group]
        assert found == [version] * 15


@pytest.mark.parametrize("kind", OURS)
def test_packed_weights_refuse_another_architecture(kind: type[NativeSampler | TorchSampler]) -> None:
    with pytest.raises(TypeError, match="ForeignPolicy is not a Decoder"):
        kind(sampling()).load(foreign_policy("gpt2", 24), 0)


def test_seeds_next_to_each_other_are_scattered() -> None:
    seeds = [scattered(seed) for seed in range(200)]
    assert len(set(seeds)) == 200
    assert all(0 <= seed < 2**62 for seed in seeds)
    assert seeds == [scattered(seed) for seed in range(200)]


# --------------------------------------------------------------------------------- any policy, uncached


def check(policy: ForeignPolicy, prompt: list[int], one: Completion, config: SamplingConfig) -> None:
    """The completion ends as it should, and its log-probabilities are those of one whole pass."""
    assert 1 not in one.ids[:-1]
    assert one.finished == (one.ids[-1] == 1)
    room = policy.spec.max_positions - len(prompt) + 1
    assert len(one.ids) <= min(room, config.max_new_tokens)
    assert one.finished or len(one.ids) == min(room, config.max_new_tokens)
    with torch.no_grad():
        ids = torch.tensor([[*prompt, *one.ids[:-1]]])
        logprobs = filter_logits(policy.model(ids).logits[0, len(prompt) - 1 :], config)
    expected = logprobs.gather(1, torch.tensor(one.ids)[:, None]).squeeze(1)
    assert (expected - torch.tensor(one.logprobs)).abs().max() < 1e-4


@settings(max_examples=8, deadline=None)
@given(
    prompts=st.lists(st.lists(st.integers(0, 23), min_size=1, max_size=31), min_size=1, max_size=3),
    count=st.integers(1, 2),
    slots=st.integers(1, 5),
    setting=st.sampled_from([{}, {"temperature": 0.6}, {"top_k": 3}, {"top_p": 0.7}, {"temperature": 0.0}]),
)
def test_any_policy_is_sampled_from_as_its_own_forward_pass_says(
    foreign: ForeignPolicy,
    prompts: list[list[int]],
    count: int,
    slots: int,
    setting: dict[str, float],
) -> None:
    config = sampling(slots=slots, **setting)
    sampler = make_sampler(foreign, config, 2)
    assert isinstance(sampler, UncachedSampler)
    heard: list[int] = []
    groups = sampler.sample(prompts, count, 9, heard.append)
    assert [len(group) for group in groups] == [count] * len(prompts)
    assert heard[-1] == count * len(prompts)
    for prompt, group in zip(prompts, groups, strict=True):
        for one in group:
            check(foreign, prompt, one, config)
    assert groups == sampler.sample(prompts, count, 9)


def test_greedy_sampling_of_any_policy_is_generate(foreign: ForeignPolicy) -> None:
    (group,) = make_sampler(foreign, sampling(temperature=0.0)).sample([[3, 4, 5]], 1, 0)
    expected = foreign.model.generate(
        torch.tensor([[3, 4, 5]]), attention_mask=torch.ones(1, 3), max_new_tokens=12, do_sample=False
    )
    assert group[0].ids == expected[0, 3:].tolist()


def test_our_decoder_is_sampled_from_alike_with_and_without_a_cache(make_decoder: MakeDecoder) -> None:
    decoder = make_decoder()
    uncached = UncachedSampler(sampling(temperature=0.0))
    uncached.load(decoder, 0)
    cached = make_sampler(decoder, sampling(temperature=0.0))
    groups = zip(uncached.sample(PROMPTS, 1, 0), cached.sample(PROMPTS, 1, 0), strict=True)
    for (one,), (other,) in groups:
        assert one.ids == other.ids
        assert one.finished == other.finished


def test_an_uncached_sampler_names_what_it_cannot_draw(foreign: ForeignPolicy) -> None:
    sampler = make_sampler(foreign, sampling())
    for prompt in ([], [3] * 32, [24], [-1]):
        with pytest.raises(InputError, match="prompt 0"):
            sampler.sample([prompt], 1, 0)
    assert sampler.sample([], 3, 0) == []
    assert sampler.sample([[3]], 0, 0) == [[]]
    broken = foreign_policy("gpt2", 24)
    with torch.no_grad():
        broken.model.transformer.ln_f.weight[3] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        make_sampler(broken, sampling()).sample([[3]], 1, 0)
