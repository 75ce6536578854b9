"""Whatever the batch looks like, a row gets the tokens and log-probabilities of the policy itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import Decoder
from practicum.model.native import load
from practicum.model.sampling import SamplingConfig, choose, filter_logits
from practicum.rollout.sampler import Completion, scattered
from practicum.rollout.samplers import make_sampler

MakeDecoder = Callable[..., Decoder]
EOS = 1


@pytest.fixture(autouse=True, scope="module", params=["1", "0"], ids=["native", "pytorch"])
def both_decoders(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs with the C++ decoder, where it can be built, and in PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICUM_NATIVE", request.param)
        load.cache_clear()
        yield
    load.cache_clear()


def config(**changes: object) -> SamplingConfig:
    values = {"temperature": 0.0, "max_new_tokens": 12, "slots": 4, "dtype": "float32"}
    return SamplingConfig(**{**values, **changes})  # type: ignore[arg-type]


def draw(
    decoder: Decoder, prompts: list[list[int]], count: int = 1, seed: int = 0, **changes: object
) -> list[list[Completion]]:
    sampler = make_sampler(decoder, config(**changes))
    return sampler.sample(prompts, count, scattered(seed))


def full_pass(decoder: Decoder, prompt: list[int], completion: list[int]) -> Tensor:
    """Logits [T, V] before each completion token, from one uncached pass."""
    ids = torch.tensor([[*prompt, *completion]])
    with torch.no_grad():
        return decoder.logits(decoder.hidden(ids[:, :-1]))[0, len(prompt) - 1 :]


def random_prompts(lengths: list[int], seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(2, 24, (length,), generator=generator).tolist() for length in lengths]


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 1.0},
        {"temperature": 0.7},
        {"temperature": 1.3, "top_k": 5},
        {"temperature": 1.0, "top_p": 0.8},
        {"temperature": 0.7, "top_k": 9, "top_p": 0.9},
        {"temperature": 0.0},
    ],
)
def test_log_probabilities_are_those_of_a_full_forward_pass(
    make_decoder: MakeDecoder, changes: dict[str, Any]
) -> None:
    decoder = make_decoder()
    prompts = random_prompts([3, 9, 1, 17, 5])
    setting = config(**changes)
    groups = draw(decoder, prompts, 3, **changes)
    for prompt, group in zip(prompts, groups, strict=True):
        assert len(group) == 3
        for completion in group:
            logits = full_pass(decoder, prompt, completion.ids)
            chosen = torch.tensor(completion.ids)[:, None]
            expected = filter_logits(logits, setting).gather(1, chosen).squeeze(1)
            assert torch.isfinite(expected).all()
            assert (expected - torch.tensor(completion.logprobs)).abs().max() < 1e-5


def test_greedy_decoding_takes_the_likeliest_token_each_time(make_decoder: MakeDecoder) -> None:
    decoder = make_decoder()
    for prompt, (completion,) in zip(
        random_prompts([4, 11]), draw(decoder, random_prompts([4, 11])), strict=True
    ):
        assert full_pass(decoder, prompt, completion.ids).argmax(-1).tolist() == completion.ids


def assert_same(found: Completion, expected: Completion) -> None:
    assert found.ids == expected.ids
    assert found.finished == expected.finished
    assert found.logprobs == pytest.approx(expected.logprobs, abs=1e-5)


def test_the_company_a_prompt_keeps_changes_nothing(make_decoder: MakeDecoder) -> None:
    decoder = make_decoder()
    prompts = random_prompts([2, 30, 7, 1, 21, 7, 13, 2, 16])
    alone = [draw(decoder, [prompt])[0][0] for prompt in prompts]
    # Rows must end at different times for the test to say anything about refilled slots.
    assert len({len(completion.ids) for completion in alone}) >= 3
    for slots in (1, 2, 3, 9, 64):
        together = draw(decoder, prompts, slots=slots)
        for (found,), expected in zip(together, alone, strict=True):
            assert_same(found, expected)


@settings(max_examples=50, deadline=None)
@given(
    slots=st.integers(1, 9),
    count=st.integers(1, 4),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=7),
    max_new_tokens=st.integers(1, 14),
    seed=st.integers(0, 5),
)
def test_any_slots_counts_and_lengths_give_the_answers_of_one_at_a_time(
    make_decoder: MakeDecoder, slots: int, count: int, lengths: list[int], max_new_tokens: int, seed: int
) -> None:
    decoder = make_decoder(seed=seed % 2)
    prompts = random_prompts(lengths, seed)
    groups = draw(decoder, prompts, count, slots=slots, max_new_tokens=max_new_tokens)
    assert [len(group) for group in groups] == [count] * len(prompts)
    for prompt, group in zip(prompts, groups, strict=True):
        expected = draw(decoder, [prompt], max_new_tokens=max_new_tokens)[0][0]
        for found in group:
            assert_same(found, expected)


@settings(max_examples=20, deadline=None)
@given(
    slots=st.integers(1, 9),
    count=st.integers(1, 5),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_every_sampled_row_is_scored_by_the_policy_it_came_from(
    make_decoder: MakeDecoder, slots: int, count: int, lengths: list[int]
) -> None:
    decoder = make_decoder()
    prompts = random_prompts(lengths)
    groups = draw(decoder, prompts, count, slots=slots, temperature=1.0)
    for prompt, group in zip(prompts, groups, strict=True):
        for completion in group:
            assert len(completion.ids) == len(completion.logprobs) > 0
            assert completion.finished == (completion.ids[-1] == EOS)
            assert EOS not in completion.ids[:-1]
            assert completion.finished or len(completion.ids) == 12
            logits = full_pass(decoder, prompt, completion.ids).log_softmax(-1)
            expected = logits.gather(1, torch.tensor(completion.ids)[:, None]).squeeze(1)
            assert (expected - torch.tensor(completion.logprobs)).abs().max() < 1e-5


def truncated_softmax(logits: Tensor, setting: SamplingConfig) -> Tensor:
    """Probabilities [V] by the definitions, token by token from the likeliest down, in double precision."""
    probabilities = (logits.double() / setting.temperature).softmax(-1)
    kept = torch.zeros_like(probabilities)
    order = probabilities.argsort(descending=True).tolist()
    if setting.top_k:
        order = order[: setting.top_k]
    total_k = sum(float(probabilities[token]) for token in order)
    reached = 0.0
    for token in order:
        if reached >= setting.top_p:
            break
        kept[token] = probabilities[token]
        reached += float(probabilities[token]) / total_k
    return kept / kept.sum()


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 1.0},
        {"temperature": 0.7},
        {"temperature": 1.0, "top_k": 5},
        {"temperature": 1.0, "top_p": 0.8},
        {"temperature": 0.7, "top_k": 5, "top_p": 0.8},
    ],
)
def test_samples_follow_the_exactly_truncated_softmax(
    make_decoder: MakeDecoder, changes: dict[str, float]
) -> None:
    decoder, prompt, draws = make_decoder(scale=2.0), [5, 9, 2], 6000
    setting = config(max_new_tokens=1, slots=512, **changes)
    logits = full_pass(decoder, prompt, [0])[0]
    expected = truncated_softmax(logits, setting)
    assert (filter_logits(logits[None], setting)[0].exp() - expected).abs().max() < 1e-6
    (group,) = make_sampler(decoder, setting).sample([prompt], draws, scattered(3))
    counts = torch.bincount(torch.tensor([one.ids[0] for one in group]), minlength=24)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    assert possible.sum() >= 3
    assert bool(possible.all()) == ("top_k" not in changes and "top_p" not in changes)
    p_value = chisquare(counts[possible].numpy(), (expected[possible] * draws).numpy()).pvalue
    assert p_value > 1e-3


def test_later_tokens_follow_the_policy_too(make_decoder: MakeDecoder) -> None:
    """Joint distribution of two-token completions of a vocabulary of four, counted against the product."""
    decoder, prompt, draws = make_decoder(vocabulary=4, scale=0.7), [2, 3], 6000
    setting = config(temperature=1.0, max_new_tokens=2, slots=300)
    (group,) = make_sampler(decoder, setting).sample([prompt], draws, scattered(4))
    expected, counts = [], []
    for first, second in itertools.product(range(4), range(4)):
        logprobs = full_pass(decoder, prompt, [first, second]).log_softmax(-1)
        if first != EOS:
            expected.append(float((logprobs[0, first] + logprobs[1, second]).exp()) * draws)
            counts.append(sum(one.ids == [first, second] for one in group))
        elif second == 0:
            expected.append(float(logprobs[0, EOS].exp()) * draws)
            counts.append(sum(one.ids == [EOS] for one in group))
    assert sum(counts) == draws
    assert min(expected) > 5
    assert chisquare(counts, [value * draws / sum(expected) for value in expected]).pvalue > 1e-3


def test_choose_never_takes_a_token_that_was_cut_away() -> None:
    logits_SV = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    setting = config(temperature=1.0, top_k=3)
    logprobs_SV = filter_logits(logits_SV, setting)
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        assert torch.isfinite(logprobs_SV.gather(1, choose(logprobs_SV, setting, generator)[:, None])).all()


def test_a_kept_token_is_never_cut_away_and_the_rest_is_normalised_with_it() -> None:
    logits_SV = torch.tensor([[4.0, 3.0, 2.0, -5.0]])
    setting = config(temperature=1.0, top_k=2)
    logprobs = filter_logits(logits_SV, setting, keep=torch.tensor([3]))
    expected = torch.tensor([[4.0, 3.0, -torch.inf, -5.0]]).log_softmax(-1)
    assert torch.allclose(logprobs, expected)
    inside = filter_logits(logits_SV, setting, keep=torch.tensor([1]))
    assert torch.equal(inside, filter_logits(logits_SV, setting))


def test_a_seed_fixes_the_draw_and_another_seed_changes_it(make_decoder: MakeDecoder) -> None:
    decoder, prompts = make_decoder(), random_prompts([3, 8, 5])
    first, again, other = (draw(decoder, prompts, 4, seed, temperature=1.0) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    ids = {tuple(one.ids) for one in first[0]}
    assert len(ids) > 1


def test_completions_are_cut_at_the_length_limit_and_at_the_models_last_position(
    make_decoder: MakeDecoder,
) -> None:
    decoder = make_decoder(positions=24)
    with torch.no_grad():
        decoder.model.norm.weight.mul_(0.01)  # nearly uniform: an end of sequence is rare
    prompts = random_prompts([20, 3, 23])
    long, short, last = (
        group[0] for group in draw(decoder, prompts, seed=2, temperature=1.0, max_new_tokens=10)
    )
    assert (len(short.ids), short.finished) == (10, False)
    # A token needs a position only to be read again, so the last one chosen may stand just past the end.
    assert (len(long.ids), long.finished) == (5, False)
    assert (len(last.ids), last.finished) == (2, False)
    for prompt, completion in ((prompts[0], long), (prompts[2], last)):
        logits = full_pass(decoder, prompt, completion.ids).log_softmax(-1)
        expected = logits.gather(1, torch.tensor(completion.ids)[:, None]).squeeze(1)
        assert completion.logprobs == pytest.approx(expected.tolist(), abs=1e-5)


def test_an_end_of_sequence_on_the_last_allowed_token_counts_as_finished(make_decoder: MakeDecoder) -> None:
    decoder = make_decoder()
    with torch.no_grad():
        decoder.lm_head.weight.zero_()
        decoder.lm_head.weight[EOS] = 100 * decoder.hidden(torch.tensor([[5]]))[0, 0]
    ((completion,),) = draw(decoder, [[5]], max_new_tokens=1)
    assert (completion.ids, completion.finished) == ([EOS], True)


def test_progress_counts_every_completion_once(make_decoder: MakeDecoder) -> None:
    heard: list[int] = []
    sampler = make_sampler(make_decoder(), config(temperature=1.0))
    sampler.sample(random_prompts([3, 4, 5]), 4, scattered(0), heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 12


def test_a_prompt_asked_for_often_is_read_once(make_decoder: MakeDecoder) -> None:
    sampler: Any = make_sampler(make_decoder(), config(temperature=1.0, slots=16))
    sampler.sample(random_prompts([30, 20]), 8, scattered(0))
    assert sampler.prefill_tokens == 50


def test_weights_that_are_not_finite_are_named(make_decoder: MakeDecoder) -> None:
    decoder = make_decoder(seed=3)
    with torch.no_grad():
        decoder.model.norm.weight[0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        draw(decoder, [[5, 6]], temperature=1.0)


def test_no_prompts_give_no_completions(make_decoder: MakeDecoder) -> None:
    assert draw(make_decoder(), []) == []


def test_empty_and_too_long_prompts_are_named(make_decoder: MakeDecoder) -> None:
    decoder = make_decoder(positions=16)
    with pytest.raises(InputError, match="prompt 1 has 0 tokens"):
        draw(decoder, [[3], []])
    with pytest.raises(InputError, match="prompt 0 has 16 tokens; the model takes 1 to 15"):
        draw(decoder, [[3] * 16])
    assert len(draw(decoder, [[3] * 15])[0][0].ids) >= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": -0.1},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"max_new_tokens": 0},
        {"slots": 0},
    ],
)
def test_settings_out_of_range_are_refused(make_decoder: MakeDecoder, changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(changes))):
        make_sampler(make_decoder(), config(**changes))
