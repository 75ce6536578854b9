"""The sampler of transformers' models: greedy as `generate`, log-probabilities of a full forward pass."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers import AutoConfig, AutoModelForCausalLM

from practicum.errors import InputError
from practicum.model.huggingface import HuggingFacePolicy
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.rollout.huggingface import HuggingFaceSampler, pick, rows_together
from practicum.rollout.samplers import make_sampler
from practicum.rollout.uncached import UncachedSampler
from tests.families import DENSE, FAMILIES, family_folder, words

# The models of these tests run in PyTorch with and without kernels.
pytestmark = pytest.mark.one_way

PROMPTS = [[5, 9, 12], [7], [8, 9, 10, 11, 12, 13, 14], [7]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("families")
    return {kind: family_folder(kind, place / kind) for kind in FAMILIES}


@pytest.fixture(scope="module")
def gpt2(folders: dict[str, Path]) -> HuggingFacePolicy:
    policy, _ = load_policy(folders["gpt2"])
    assert isinstance(policy, HuggingFacePolicy)
    return policy


@pytest.mark.parametrize("kind", FAMILIES)
def test_greedy_is_generate_s_and_log_probabilities_are_the_full_forward_s(
    kind: str, folders: dict[str, Path]
) -> None:
    policy, _ = load_policy(folders[kind])
    greedy = SamplingConfig(temperature=0.0, max_new_tokens=32, dtype="float32")
    sampler = make_sampler(policy, greedy, version=5)
    assert isinstance(sampler, HuggingFaceSampler)
    found = sampler.sample(PROMPTS, 1, 0)
    model = AutoModelForCausalLM.from_pretrained(folders[kind], dtype=torch.float32).eval()
    for prompt, (completion,) in zip(PROMPTS, found, strict=True):
        theirs = model.generate(torch.tensor([prompt]), max_new_tokens=32, do_sample=False)[0, len(prompt) :]
        assert completion.ids == theirs.tolist()
        assert completion.finished == (completion.ids[-1] == 1)
        assert completion.policy_version == 5
        with torch.no_grad():
            logits = model(torch.tensor([prompt + completion.ids])).logits[0, len(prompt) - 1 : -1]
        expected = filter_logits(logits, greedy).gather(1, torch.tensor(completion.ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", FAMILIES)
def test_equal_seeds_give_equal_completions_however_rows_lie_together(
    kind: str, folders: dict[str, Path]
) -> None:
    policy, _ = load_policy(folders[kind])
    config = SamplingConfig(temperature=0.9, top_k=20, top_p=0.9, max_new_tokens=8, dtype="float32")
    first = make_sampler(policy, config).sample(PROMPTS, 3, 11)
    assert first == make_sampler(policy, config).sample(PROMPTS, 3, 11)
    narrow = make_sampler(policy, SamplingConfig(**{**vars(config), "slots": 2})).sample(PROMPTS, 3, 11)
    assert [[one.ids for one in group] for group in narrow] == [[one.ids for one in group] for group in first]
    other = make_sampler(policy, config).sample(PROMPTS, 3, 12)
    assert [[one.ids for one in group] for group in other] != [[one.ids for one in group] for group in first]


@given(
    temperature=st.sampled_from([0.5, 1.0, 1.7]),
    top_k=st.sampled_from([0, 1, 7, 200]),
    top_p=st.sampled_from([0.2, 0.8, 1.0]),
)
@settings(max_examples=12, deadline=None)
def test_settings_mean_what_they_mean_to_the_uncached_sampler(
    gpt2: HuggingFacePolicy, temperature: float, top_k: int, top_p: float
) -> None:
    """Each token is one that the setting admits; its log-probability is that of the distribution sampled."""
    config = SamplingConfig(
        temperature=temperature, top_k=top_k, top_p=top_p, max_new_tokens=6, dtype="float32"
    )
    slow = UncachedSampler(config)
    slow.load(gpt2, 0)
    for prompt, group in zip(PROMPTS, make_sampler(gpt2, config).sample(PROMPTS, 2, 3), strict=True):
        for one in group:
            for place, (token, logprob) in enumerate(zip(one.ids, one.logprobs, strict=True)):
                with torch.no_grad():
                    logits = slow._next_logits([[*prompt, *one.ids[:place]]])
                assert filter_logits(logits, config)[0, token].item() == pytest.approx(logprob, abs=1e-4)


def test_draws_follow_the_distribution(gpt2: HuggingFacePolicy) -> None:
    config = SamplingConfig(temperature=1.3, top_k=6, max_new_tokens=1, dtype="float32")
    drawn = Counter(one.ids[0] for one in make_sampler(gpt2, config).sample([[5, 9]], 3000, 0)[0])
    with torch.no_grad():
        logits = gpt2.logits(gpt2.hidden(torch.tensor([[5, 9]])))[:, -1]
    shares = filter_logits(logits, config)[0].exp().double()
    admitted = shares.nonzero()[:, 0].tolist()
    assert drawn.keys() <= set(admitted)
    expected = [float(shares[token]) * 3000 / float(shares.sum()) for token in admitted]
    assert chisquare([drawn[token] for token in admitted], expected).pvalue > 1e-3


@given(
    weights=st.lists(st.floats(0, 10), min_size=1, max_size=9).filter(lambda values: max(values) > 0.01),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_a_token_without_probability_is_never_picked(weights: list[float], draw: float) -> None:
    logprobs = torch.tensor([weights]).log().log_softmax(-1)
    chosen = int(pick(logprobs, torch.tensor([draw], dtype=torch.float64)))
    assert logprobs[0, chosen] > -torch.inf
    before = float(logprobs[0, :chosen].double().exp().sum())
    assert before <= draw + 1e-6


def test_every_end_stops_and_a_generation_config_changes_nothing(tmp_path: Path) -> None:
    folder = family_folder("gpt2", tmp_path)
    config = SamplingConfig(temperature=1.0, max_new_tokens=20, dtype="float32")
    plain = make_sampler(load_policy(folder)[0], config).sample(PROMPTS, 8, 0)
    odd = {"eos_token_id": [1, 40, 41, 42], "repetition_penalty": 9.0, "temperature": 0.1, "min_length": 15}
    (folder / "generation_config.json").write_text(json.dumps({**odd, "suppress_tokens": [5], "top_k": 1}))
    found = make_sampler(load_policy(folder)[0], config).sample(PROMPTS, 8, 0)
    stopped = 0
    for before, after in zip(chain(*plain), chain(*found), strict=True):
        ends = [place for place, token in enumerate(before.ids) if token in (1, 40, 41, 42)]
        assert after.ids == before.ids[: ends[0] + 1] if ends else before.ids
        assert after.finished == bool(ends)
        stopped += bool(ends) and before.ids[ends[0]] != 1
    assert stopped > 0


@pytest.mark.parametrize("kind", ["gpt2", "opt", "gpt_neox"])
def test_a_row_goes_up_to_the_last_position_beside_longer_ones(kind: str, folders: dict[str, Path]) -> None:
    policy, _ = load_policy(folders[kind])
    config = SamplingConfig(temperature=1.0, max_new_tokens=70, dtype="float32")
    long = [7 + place % 50 for place in range(63)]
    found = make_sampler(policy, config).sample([[5], long, long[:40]], 2, 0)
    for prompt, group in zip([[5], long, long[:40]], found, strict=True):
        for one in group:
            assert one.finished or len(one.ids) == 65 - len(prompt)
            assert len(one.ids) == len(one.logprobs)
    with pytest.raises(InputError, match="64 tokens; the model takes 1 to 63"):
        make_sampler(policy, config).sample([[*long, 5]], 1, 0)


def test_where_padding_would_be_seen_rows_of_one_length_go_together(
    gpt2: HuggingFacePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SamplingConfig(temperature=0.9, max_new_tokens=8, dtype="float32")
    sampler = HuggingFaceSampler(config)
    sampler.load(gpt2, 0)
    assert sampler.together == "any"
    together = sampler.sample(PROMPTS, 2, 0)
    sampler.together = "alike"
    assert all(
        len({len(PROMPTS[row // 2]) for row in batch}) == 1
        for batch in sampler._batches([len(PROMPTS[row // 2]) for row in range(8)])
    )
    apart = sampler.sample(PROMPTS, 2, 0)
    assert [[one.ids for one in group] for group in together] == [
        [one.ids for one in group] for group in apart
    ]
    real = gpt2.model.generate
    # A model that takes padding for text.
    monkeypatch.setattr(
        gpt2.model,
        "generate",
        lambda ids, attention_mask, **words: real(ids, attention_mask=torch.ones_like(ids), **words),
    )
    assert rows_together(gpt2) == "alike"


# Models whose cache gives other logits than full passes, in some way.
ODD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "rows share a state": ("rwkv", "one", {"hidden_size": 32, "attention_hidden_size": 32}),
    "padding is seen": (
        "minimax",
        "alike",
        {
            **DENSE, "num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 2,
            "num_experts_per_tok": 1, "block_size": 8, "layer_types": ["linear_attention", "full_attention"],
        },
    ),
    "a window of one": (
        "phi3",
        "none",
        {**DENSE, "num_key_value_heads": 2, "hidden_act": "relu", "sliding_window": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_where_a_cache_differs_from_full_passes_it_is_used_as_far_as_it_does_not(
    case: str, tmp_path: Path
) -> None:
    kind, together, shape = ODD[case]
    config = AutoConfig.for_model(
        kind, vocab_size=len(words()), bos_token_id=1, eos_token_id=1, pad_token_id=0,
        **{"num_hidden_layers": 2, "context_length": 64, **shape},
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for part in model.parameters():
            part.add_(torch.randn_like(part) * (0.3 if part.dim() > 1 else 0.05))
    model.save_pretrained(tmp_path)
    words().save_pretrained(tmp_path)
    policy, _ = load_policy(tmp_path)
    assert isinstance(policy, HuggingFacePolicy)
    sampler = make_sampler(policy, SamplingConfig(temperature=0.0, max_new_tokens=12, dtype="float32"))
    assert isinstance(sampler, HuggingFaceSampler)
    assert sampler.together == together
    for prompt, (one,) in zip(PROMPTS, sampler.sample(PROMPTS, 1, 0), strict=True):
        ids = list(prompt)
        for token in one.ids:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            assert logits[token] >= logits.max() - 1e-4
            ids.append(token)


def test_weights_that_are_no_numbers_are_told(folders: dict[str, Path]) -> None:
    policy, _ = load_policy(folders["gpt2"])
    sampler = make_sampler(policy, SamplingConfig(max_new_tokens=2, dtype="float32"))
    with torch.no_grad():
        next(iter(dict(policy.named_parameters()).values())).fill_(torch.nan)
    with pytest.raises(InputError, match="finite"):
        sampler.sample([[5]], 1, 0)
