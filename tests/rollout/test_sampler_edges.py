"""Where sampling ends, what it keeps and refuses, and how near its log-probabilities are to the scorer's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from practicum.errors import InputError
from practicum.model.checkpoint import load_model, save_model
from practicum.model.decoder import Decoder
from practicum.model.native import load
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.model.scorer import make_rows, make_scorer
from practicum.rollout.collect import to_rollout
from practicum.rollout.sampler import Completion, scattered
from practicum.rollout.samplers import make_sampler
from practicum.training.objectives import kl_estimate
from practicum.training.update import ScoreSettings, reference_logprobs, score_tokens

MakeDecoder = Callable[..., Decoder]
VOCABULARY = 24


@pytest.fixture(params=["1", "0"], ids=["native", "pytorch"])
def either_decoder(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test runs with the C++ decoder, where it can be built, and in PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICUM_NATIVE", request.param)
        load.cache_clear()
        yield
    load.cache_clear()


def draw(
    decoder: Decoder, prompts: list[list[int]], count: int = 1, **changes: Any
) -> list[list[Completion]]:
    values = {"temperature": 0.0, "max_new_tokens": 24, "slots": 5, "dtype": "float32", **changes}
    return make_sampler(decoder, SamplingConfig(**values)).sample(prompts, count, scattered(3))


# ---------------------------------------------------------------------------------- ends of sequence


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of transformers: a model of random weights, far from uniform; its tokenizer's end is 9."""
    folder = tmp_path_factory.mktemp("llama") / "model"
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, bos_token_id=None,
        )
    )  # fmt: skip
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(40)
        model.lm_head.weight.mul_(40)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(
        models.WordLevel({f"t{index}": index for index in range(VOCABULARY)}, unk_token="t0")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="t9", pad_token="t0").save_pretrained(
        folder
    )
    return folder


def set_ends(folder: Path, config: Any, generation: Any) -> None:
    """Write the ends of sequence into both files; "none" leaves the key out, a missing file stays missing."""
    for name, ends in (("config.json", config), ("generation_config.json", generation)):
        stored = json.loads((folder / name).read_text())
        stored.pop("eos_token_id", None)
        (folder / name).write_text(json.dumps(stored | ({} if ends == "none" else {"eos_token_id": ends})))


TOKENS = st.integers(0, VOCABULARY - 1)
ENDS = st.one_of(
    st.integers(0, VOCABULARY - 1), st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4)
)


@settings(max_examples=12, deadline=None)
@given(ends=ENDS, start=st.integers(0, VOCABULARY - 1))
@pytest.mark.parametrize("native", ["1", "0"], ids=["native", "pytorch"])
def test_greedy_text_ends_where_transformers_ends_it(llama: Path, native: str, ends: Any, start: int) -> None:
    set_ends(llama, ends, ends)
    theirs = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    prompts = [[start, 3], [5, start, 7]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICUM_NATIVE", native)
        load.cache_clear()
        groups = draw(load_model(llama)[0], prompts)
        load.cache_clear()
    for prompt, group in zip(prompts, groups, strict=True):
        written = theirs.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=24)
        ids = written[0, len(prompt) :].tolist()
        assert group[0].ids == ids
        assert group[0].finished == (ids[-1] in (ends if isinstance(ends, list) else [ends]))


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        (5, "none", (5,)),
        ([5, 6], "none", (5, 6)),
        (5, [6, 7], (5, 6, 7)),
        ([5, 9], [9, 8], (9, 5, 8)),
        ("none", [3, 9], (9, 3)),
        (None, 4, (4,)),
        (None, None, (9,)),
        ([], "none", (9,)),
        ("none", "none", (2,)),
    ],
)
def test_all_ends_of_both_files_end_a_sequence_and_are_saved_in_both(
    llama: Path, tmp_path: Path, config: Any, generation: Any, expected: tuple[int, ...]
) -> None:
    set_ends(llama, config, generation)
    decoder, tokenizer = load_model(llama)
    assert decoder.config.eos_ids == expected
    assert decoder.config.eos_token_id == expected[0]
    save_model(decoder, tokenizer, tmp_path)
    for name in ("config.json", "generation_config.json"):
        stored = json.loads((tmp_path / name).read_text())["eos_token_id"]
        assert stored == (list(expected) if len(expected) > 1 else expected[0])
    assert load_model(tmp_path)[0].config == decoder.config


@pytest.mark.parametrize("ends", ["t9", 1.5, True, [3, "t9"], {"a": 1}])
def test_ends_that_are_no_token_ids_are_refused(llama: Path, ends: Any) -> None:
    set_ends(llama, 5, ends)
    with pytest.raises(InputError, match=r"generation_config\.json: eos_token_id is"):
        load_model(llama)


def test_a_sampled_row_ends_at_its_first_end_whichever_it_is(
    make_decoder: MakeDecoder, either_decoder: None
) -> None:
    decoder = make_decoder(scale=1.0)
    decoder.config = decoder.config.__class__(**{**vars(decoder.config), "other_eos_ids": (7, 11)})
    rows = [row for group in draw(decoder, [[3, 4], [5]], 200, temperature=1.0) for row in group]
    last = {row.ids[-1] for row in rows if row.finished}
    assert last == {1, 7, 11}
    for row in rows:
        assert not {1, 7, 11} & set(row.ids[:-1])
        assert row.finished == (row.ids[-1] in (1, 7, 11))


# ---------------------------------------------------------------------------- ids that are no tokens


@settings(max_examples=40, deadline=None)
@given(data=st.data(), native=st.sampled_from(["1", "0"]))
def test_a_token_outside_the_vocabulary_is_named_before_anything_reads_it(
    make_decoder: MakeDecoder, data: st.DataObject, native: str
) -> None:
    decoder = make_decoder()
    strange = data.draw(
        st.one_of(st.integers(VOCABULARY, VOCABULARY + 20), st.sampled_from([10**7, 2**62, -1, -(10**9)]))
    )
    prompts = data.draw(st.lists(st.lists(TOKENS, min_size=1, max_size=6), min_size=1, max_size=4))
    number = data.draw(st.integers(0, len(prompts) - 1))
    prompts[number].insert(data.draw(st.integers(0, len(prompts[number]))), strange)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICUM_NATIVE", native)
        load.cache_clear()
        with pytest.raises(InputError, match=rf"prompt {number} has token id {strange}, .* of {VOCABULARY} "):
            draw(decoder, prompts, 2)
        rows = make_rows([[*prompts[number], 3]], [1])
        with pytest.raises(InputError, match=f"token id {strange} is outside"):
            make_scorer(decoder, torch.float32).hidden(rows)
    load.cache_clear()


# ---------------------------------------------------------------------------------------- truncation


@settings(max_examples=200, deadline=None)
@given(
    logits=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 1.0000001]), min_size=3, max_size=30),
    k=st.integers(1, 32),
    temperature=st.sampled_from([0.3, 0.7, 1.0, 1.7]),
)
def test_top_k_keeps_exactly_k_of_equal_tokens_those_of_the_lowest_ids(
    logits: list[float], k: int, temperature: float
) -> None:
    kept = (
        filter_logits(torch.tensor([logits]), SamplingConfig(temperature=temperature, top_k=k))[0]
        > -torch.inf
    )
    best = sorted(range(len(logits)), key=lambda index: (-logits[index], index))[:k]
    assert kept.nonzero().squeeze(1).tolist() == sorted(best)


@settings(max_examples=200, deadline=None)
@given(logits=st.lists(st.integers(-3, 3).map(float), min_size=3, max_size=30), top_p=st.floats(0.05, 0.99))
def test_top_p_takes_equal_tokens_in_the_order_of_their_ids(logits: list[float], top_p: float) -> None:
    kept = filter_logits(torch.tensor([logits]), SamplingConfig(top_p=top_p))[0] > -torch.inf
    order = sorted(range(len(logits)), key=lambda index: (-logits[index], index))
    count = int(kept.sum())
    assert kept.nonzero().squeeze(1).tolist() == sorted(order[:count])


@pytest.mark.parametrize("k", [1, 3, 5, 8])
def test_equal_logits_are_cut_alike_in_both_decoders(
    make_decoder: MakeDecoder, either_decoder: None, k: int
) -> None:
    decoder = make_decoder(scale=0.5)
    with torch.no_grad():
        decoder.lm_head.weight[4:] = decoder.lm_head.weight[4]  # twenty equally likely tokens
    rows = draw(decoder, [[3, 4, 5]], 400, temperature=1.0, top_k=k, max_new_tokens=1)[0]
    logits_V = decoder(torch.tensor([[3, 4, 5]]))[0, -1]
    expected = (filter_logits(logits_V[None], SamplingConfig(top_k=k))[0] > -torch.inf).nonzero().squeeze(1)
    assert {row.ids[0] for row in rows} == set(expected.tolist())


SETTINGS = {
    "plain": {},
    "cooler": {"temperature": 0.8},
    "top k": {"top_k": 10},
    "top p": {"top_p": 0.9},
    "all three": {"temperature": 0.8, "top_k": 5, "top_p": 0.9},
}


@pytest.mark.parametrize("how", SETTINGS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sampler_and_scorer_agree_to_half_a_percent_at_every_dtype(
    make_decoder: MakeDecoder, monkeypatch: pytest.MonkeyPatch, dtype: str, how: str
) -> None:
    monkeypatch.setenv("PRACTICUM_NATIVE", "0")
    load.cache_clear()
    decoder = make_decoder(vocabulary=200, scale=3.0, positions=64)
    sampling = SamplingConfig(max_new_tokens=40, dtype=dtype, **SETTINGS[how])  # type: ignore[arg-type]
    prompts = [[index % 190 + 2, 5, 9] for index in range(40)]
    groups = make_sampler(decoder, sampling).sample(prompts, 4, scattered(0))
    rows = [row for group in groups for row in group]
    rollout = to_rollout(prompts, torch.arange(40).repeat_interleave(4), rows, [""] * len(rows))
    found_BT, _ = score_tokens(decoder, rollout, ScoreSettings(sampling, 2048, getattr(torch, dtype)))
    load.cache_clear()
    error = ((found_BT - rollout.logprobs_BT).exp() - 1).abs()[rollout.mask_BT]
    assert len(error) > 1000
    assert error.quantile(0.99) < (0.005 if dtype == "bfloat16" else 1e-4)


# ------------------------------------------------------------------------------- KL under truncation


def exact_kl(policy: Decoder, reference: Decoder, sampling: SamplingConfig) -> dict[str, float]:
    """The mean of each estimate of the KL over every token that the policy can draw after a prompt."""
    logprobs_V = filter_logits(policy(torch.tensor([[3, 4]]))[:, -1].detach(), sampling)[0]
    tokens = (logprobs_V > -torch.inf).nonzero().squeeze(1).tolist()
    rows = [Completion([token], [float(logprobs_V[token])], True) for token in tokens]
    rollout = to_rollout([[3, 4]], torch.zeros(len(rows), dtype=torch.int64), rows, [""] * len(rows))
    before_BT = reference_logprobs(reference, policy, rollout, ScoreSettings(sampling, 64, torch.float32))
    chance = logprobs_V[tokens].exp()
    assert float(before_BT.exp().sum()) == pytest.approx(1.0, abs=1e-4)

    def mean(values_BT: Tensor) -> float:
        return float((chance * values_BT[:, 0]).sum())

    kinds: tuple[Any, ...] = ("k1", "k3")
    return {kind: mean(kl_estimate(rollout.logprobs_BT, before_BT, kind)) for kind in kinds}


@settings(max_examples=60, deadline=None)
@given(
    seeds=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    top_p=st.sampled_from([0.3, 0.7, 0.95, 1.0]),
    top_k=st.sampled_from([0, 1, 3, 10, 50]),
    temperature=st.sampled_from([0.7, 1.0, 1.3]),
)
def test_the_kl_is_never_negative_in_expectation_and_0_between_equal_models(
    make_decoder: MakeDecoder, seeds: tuple[int, int], top_p: float, top_k: int, temperature: float
) -> None:
    sampling = SamplingConfig(temperature=temperature, top_p=top_p, top_k=top_k, dtype="float32")
    policy, reference = (make_decoder(seed=seed, scale=2.0) for seed in seeds)
    found = exact_kl(policy, reference, sampling)
    assert found["k1"] >= -1e-5
    # Both are distributions over the same tokens, so that k3 is unbiased too.
    assert found["k3"] == pytest.approx(found["k1"], abs=1e-3, rel=1e-3)
    assert exact_kl(policy, policy, sampling)["k1"] == pytest.approx(0.0, abs=1e-5)
