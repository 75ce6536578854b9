"""Any architecture behind `Policy` is scored and trained by the same code, and our decoder is one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.checkpoint import load_model, save_model
from practicum.model.decoder import Decoder, DecoderConfig, initialise
from practicum.model.heads import Critic
from practicum.model.lora import LoraConfig, adapters, add_adapters
from practicum.model.native import load, say_passed_over
from practicum.model.native.scorer import pack_weights
from practicum.model.policy import ModelSpec, Policy, load_policy
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.model.scorer import PaddedScorer, make_rows, make_scorer
from practicum.model.tokenizer import train_tokenizer
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.sft import Lesson, teach
from tests.foreign import KINDS, foreign_policy

VOCABULARY = 30
QUICK = settings(max_examples=8, deadline=None)
ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=9),
        st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module", params=KINDS)
def foreign(request: pytest.FixtureRequest) -> Any:
    return foreign_policy(request.param, VOCABULARY, scale=8.0)


def tiny_decoder(**changes: Any) -> Decoder:
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32}
    return initialise(Decoder(DecoderConfig(**{"vocab_size": VOCABULARY, **shape, **heads, **changes})), 0)


def test_our_decoder_says_what_its_config_says() -> None:
    decoder = tiny_decoder(eos_token_id=4, other_eos_ids=(7, 4), pad_token_id=2, bos_token_id=3)
    policy: Policy = decoder
    assert policy.spec == ModelSpec(VOCABULARY, 32, 32, (4, 7), 2, 3)
    assert policy.spec.eos_id == 4
    assert policy.device == torch.device("cpu")


@pytest.mark.parametrize("rank", [0, 2])
def test_a_saved_policy_is_loaded_with_its_tokenizer_and_restored_in_place(tmp_path: Path, rank: int) -> None:
    tokenizer = train_tokenizer(["a b"], 110)
    decoder = tiny_decoder(vocab_size=tokenizer.get_vocab_size())
    save_model(decoder, tokenizer, tmp_path / "start")
    first, read = load_policy(tmp_path / "start", lora=LoraConfig(rank), seed=5)
    second, _ = load_policy(tmp_path / "start", lora=LoraConfig(rank), seed=6)
    assert read.to_str() == tokenizer.to_str()
    with torch.no_grad():
        for _, weight in first.named_parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    save_model(first, tokenizer, tmp_path / "trained")
    second.restore(tmp_path / "trained")
    for (name, one), (_, other) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    assert load_model(tmp_path / "trained")[0].spec == first.spec


@QUICK
@given(rows=ROWS, setting=st.sampled_from([{}, {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.8}]))
def test_a_foreign_policy_is_scored_as_its_own_forward_pass_says(
    foreign: Any, rows: list[tuple[list[int], list[int]]], setting: dict[str, float]
) -> None:
    sampling = SamplingConfig(**setting)  # type: ignore[arg-type]
    scorer = make_scorer(foreign, torch.float32)
    assert isinstance(scorer, PaddedScorer)
    packed = make_rows([[*prompt, *answer] for prompt, answer in rows], [len(prompt) for prompt, _ in rows])
    with torch.no_grad():
        found = scorer.logprobs(scorer.hidden(packed), packed, sampling)
        expected, entropy = [], []
        for prompt, answer in rows:
            logits = foreign.model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
            own = filter_logits(logits, sampling, keep=torch.tensor(answer))
            expected.append(own.gather(1, torch.tensor(answer)[:, None]).squeeze(1))
            entropy.append(-(own.exp() * own.clamp_min(-100)).sum(-1))
    assert (found.logprobs - torch.cat(expected)).abs().max() < 1e-4
    assert (found.entropy - torch.cat(entropy)).abs().max() < 1e-4


@QUICK
@given(rows=ROWS, budget=st.integers(4, 60))
def test_sft_of_a_foreign_policy_has_the_gradient_of_cross_entropy(
    foreign: Any, rows: list[tuple[list[int], list[int]]], budget: int
) -> None:
    lesson = Lesson([[*a, *b] for a, b in rows], [len(a) for a, _ in rows], 0, 0, {})
    parameters = dict(foreign.named_parameters())
    loss = teach(foreign, lesson, budget, torch.float32)["loss"]
    found = {name: part.grad for name, part in parameters.items()}
    foreign.model.zero_grad()
    losses = [
        functional.cross_entropy(
            foreign.model(torch.tensor([[*a, *b]])).logits[0, len(a) - 1 : -1],
            torch.tensor(b),
            reduction="sum",
        )
        for a, b in rows
    ]
    expected = torch.stack(losses).sum() / sum(len(b) for _, b in rows)
    expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-4)
    for name, part in parameters.items():
        own = part.grad if part.grad is not None else torch.zeros_like(part)
        other = found[name] if found[name] is not None else torch.zeros_like(part)
        assert (own - other).abs().max() < 1e-3, name
    foreign.model.zero_grad()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["adamw", "muon"])
def test_an_optimizer_teaches_a_foreign_policy(kind: str, algorithm: Any) -> None:
    policy = foreign_policy(kind, VOCABULARY)
    optimizer = Optimizer(policy, OptimizerConfig(algorithm, 1e-2, warmup_steps=0), 30)
    lesson = Lesson([[5, 6, 7, 8, 1], [9, 10, 11, 1]], [1, 1], 0, 0, {})
    losses = []
    for step in range(30):
        losses.append(teach(policy, lesson, 100, torch.float32)["loss"])
        optimizer.step(step)
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_kernels_and_adapters_do_not_know_is_declined_and_left_as_it_is(kind: str) -> None:
    model = foreign_policy(kind, VOCABULARY).model
    assert pack_weights(model, torch.float32) is None
    with pytest.raises(InputError, match="can take an adapter"):
        add_adapters(model, LoraConfig(4), 0)
    assert not adapters(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.skipif(load("train") is None, reason="kernels are off or cannot be built here")
def test_a_decoder_with_a_module_of_another_kind_is_declined_too_and_it_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Own(Decoder):
        pass

    say_passed_over.cache_clear()
    decoder = tiny_decoder()
    assert pack_weights(Own(decoder.config), torch.float32) is None
    decoder.model.norm = torch.nn.LayerNorm(32)  # type: ignore[assignment]
    for _ in range(2):
        assert pack_weights(decoder, torch.float32) is None
    own, norm = capsys.readouterr().err.splitlines()
    assert "the model's modules Own, so training runs in PyTorch" in own
    assert "the model's modules LayerNorm, so training runs in PyTorch" in norm


def test_a_critic_refuses_a_policy_whose_weights_it_could_not_keep() -> None:
    with pytest.raises(TypeError, match="ForeignPolicy is no "):
        Critic(foreign_policy("gpt2", VOCABULARY), torch.zeros(32), 0.0)
