"""Every family that the decoder covers against transformers, on random weights of two shapes."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from practicum.errors import InputError
from practicum.model.checkpoint import load_decoder_config, load_model, save_model
from practicum.model.decoder import Decoder, initialise, rotary_tables
from practicum.model.families import FAMILIES, classifier_of, read_config
from practicum.model.lora import LoraConfig, add_adapters, merge_adapters
from practicum.model.native import load, say_passed_over
from practicum.model.native.sampler import native_decoding
from practicum.model.policy import Policy, load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import KernelScorer, PaddedScorer, make_rows, make_scorer
from practicum.model.tokenizer import train_tokenizer
from practicum.rollout.native import NativeSampler
from practicum.rollout.sampler import Sampler
from practicum.rollout.samplers import make_sampler
from practicum.rollout.torch import TorchSampler

VOCABULARY = 300
# The second has one key-value head, heads that are not hidden_size / heads wide, and widths off the lanes.
SHAPES: dict[str, dict[str, Any]] = {
    "grouped": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "one key head": {
        "hidden_size": 60,
        "intermediate_size": 44,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "tie_word_embeddings": False,
    },
}
HEADS = {"grouped": 8, "one key head": 24}
SHARED = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 160,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def rope(kind: str, **values: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **values}}


LLAMA3 = rope(
    "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=40
)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=40)
WINDOW = {"sliding_window": 7}
QWEN_WINDOW = {"use_sliding_window": True, "max_window_layers": 1, **WINDOW}
GRANITE = {
    "embedding_multiplier": 12.0,
    "attention_multiplier": 0.3,
    "residual_multiplier": 0.22,
    "logits_scaling": 8.0,
}
GEMMA = {"query_pre_attn_scalar": 20, **WINDOW}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, llama3": ("llama", LLAMA3),
    "llama, linear": ("llama", rope("linear", factor=3.0)),
    "llama, dynamic": ("llama", rope("dynamic", factor=3.0)),
    "llama, yarn": ("llama", YARN),
    "llama, gelu": ("llama", {"hidden_act": "gelu"}),
    "mistral": ("mistral", WINDOW),
    "mistral without window": ("mistral", {"sliding_window": None}),
    "qwen2": ("qwen2", {}),
    "qwen2 with windows": ("qwen2", QWEN_WINDOW),
    "qwen3": ("qwen3", {}),
    "qwen3 with biases, windows, yarn": ("qwen3", {"attention_bias": True, **QWEN_WINDOW, **YARN}),
    "smollm3": ("smollm3", {"no_rope_layer_interval": 2}),
    "smollm3 with windows": (
        "smollm3",
        {"no_rope_layer_interval": 2, "use_sliding_window": True, **WINDOW},
    ),
    "granite": ("granite", GRANITE),
    "granite with biases": ("granite", {**GRANITE, "attention_bias": True, "mlp_bias": True}),
    "olmo2": ("olmo2", {}),
    "phi3": ("phi3", {}),
    "phi3 with a window, in part rotated": (
        "phi3",
        {**WINDOW, **rope("default", partial_rotary_factor=0.5)},
    ),
    "gemma2": ("gemma2", GEMMA),
    "gemma2 with small caps": (
        "gemma2",
        {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    ),
    "gemma3": ("gemma3_text", {**GEMMA, "sliding_window_pattern": 2}),
    "gemma3, linear": (
        "gemma3_text",
        {
            **GEMMA,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0},
            },
        },
    ),
}
EVERY = pytest.mark.parametrize("case", CASES)
BOTH = pytest.mark.parametrize("shape", SHAPES)


@lru_cache(maxsize=64)
def theirs(case: str, shape: str) -> Any:
    """A model of transformers with random weights, norms and biases among them."""
    family, changes = CASES[case]
    values = {**SHARED, **SHAPES[shape], "head_dim": HEADS[shape], **changes}
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **values)).eval()
    return randomised(model, family)


def randomised(model: Any, family: str) -> Any:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, parameter.shape[1] ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.5, generator=generator)
            else:
                parameter.uniform_(0.5, 1.5, generator=generator)
                parameter.sub_(FAMILIES[family].fixed.get("norm_offset", 0.0))
    return model


@lru_cache(maxsize=64)
def folder_of(case: str, shape: str, base: Path) -> Path:
    folder = base / f"{case}-{shape}".replace(" ", "-")
    theirs(case, shape).save_pretrained(folder)
    train_tokenizer(["abc"] * 4, 200).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


def ours(case: str, shape: str, base: Path) -> Decoder:
    return load_model(folder_of(case, shape, base))[0]


def some_ids(rows: int = 3, length: int = 60) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(2))


@pytest.mark.one_way
@BOTH
@EVERY
def test_logits_are_those_of_transformers(case: str, shape: str, base: Path) -> None:
    decoder, ids_BT = ours(case, shape, base), some_ids()
    with torch.no_grad():
        expected, found = theirs(case, shape)(ids_BT).logits, decoder(ids_BT)
    assert expected.std() > 0.1
    assert (expected - found).abs().max() < 1e-4


@BOTH
@EVERY
def test_greedy_text_is_that_of_transformers(case: str, shape: str, base: Path) -> None:
    decoder, prompt = ours(case, shape, base), some_ids(1, 11)
    ends = torch.tensor([2])
    expected = theirs(case, shape).generate(
        prompt, max_new_tokens=64, do_sample=False, eos_token_id=ends.tolist()
    )[0, prompt.shape[1] :]
    config = SamplingConfig(temperature=0.0, max_new_tokens=64, dtype="float32")
    for sampler in both_samplers(decoder, config):
        (completion,) = sampler.sample(prompt.tolist(), 1, 0)[0]
        assert completion.ids == expected.tolist()


def both_samplers(decoder: Decoder, config: SamplingConfig) -> list[Sampler]:
    """The one that is chosen here, and the one in PyTorch."""
    plain = TorchSampler(config)
    plain.load(decoder, 0)
    return [make_sampler(decoder, config), plain]


@pytest.mark.one_way
@BOTH
@EVERY
def test_transformers_loads_what_we_save_as_the_same_family(
    case: str, shape: str, base: Path, tmp_path: Path
) -> None:
    decoder, tokenizer = load_model(folder_of(case, shape, base))
    save_model(decoder, tokenizer, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert type(again) is type(theirs(case, shape))
    ids_BT = some_ids()
    with torch.no_grad():
        assert torch.equal(again(ids_BT).logits, theirs(case, shape)(ids_BT).logits)
    assert load_decoder_config(tmp_path) == decoder.config


@BOTH
@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_scorer_agrees_with_the_padded_one_in_values_and_gradients(
    case: str, shape: str, dtype: torch.dtype, base: Path
) -> None:
    decoder = ours(case, shape, base)
    lengths = (23, 1, 40, 9)
    sequences = [some_ids(1, length)[0].tolist() for length in lengths]
    rows = make_rows(sequences, [3, 1, 11, 8])
    sampling = SamplingConfig(temperature=0.7)
    found = {}
    for scorer in (make_scorer(decoder, dtype), PaddedScorer(decoder, dtype)):
        decoder.zero_grad(set_to_none=True)
        scores = scorer.logprobs(scorer.hidden(rows), rows, sampling, entropy_gradient=True)
        (scores.logprobs.mean() + 0.3 * scores.entropy.mean()).backward()
        gradients = {name: part.grad for name, part in decoder.named_parameters() if part.grad is not None}
        found[type(scorer)] = (scores.logprobs.detach(), scores.entropy.detach(), gradients)
    if len(found) < 2:
        return
    (logprobs, entropy, gradients), (their_logprobs, their_entropy, their_gradients) = found.values()
    exact = dtype == torch.float32
    assert (logprobs - their_logprobs).abs().max() < (1e-3 if exact else 0.5)
    assert (entropy - their_entropy).abs().max() < (1e-3 if exact else 0.5)
    assert gradients.keys() == dict(decoder.named_parameters()).keys()
    for name, gradient in gradients.items():
        distance = (gradient - their_gradients[name]).norm()
        assert distance <= (1e-3 if exact else 0.15) * their_gradients[name].norm() + 1e-6, name


@BOTH
@EVERY
def test_sampled_logprobs_are_those_of_the_scorer(case: str, shape: str, base: Path) -> None:
    decoder = ours(case, shape, base)
    config = SamplingConfig(temperature=0.9, max_new_tokens=30, dtype="float32", slots=4)
    prompts = [some_ids(1, length)[0].tolist() for length in (3, 20, 12)]
    for sampler in both_samplers(decoder, config):
        for prompt, completions in zip(prompts, sampler.sample(prompts, 3, 5), strict=True):
            rows = make_rows([[*prompt, *one.ids] for one in completions], [len(prompt)] * 3)
            scorer = make_scorer(decoder, torch.float32)
            with torch.no_grad():
                scores = scorer.logprobs(scorer.hidden(rows), rows, config)
            sampled = torch.tensor([value for one in completions for value in one.logprobs])
            assert (scores.logprobs - sampled).abs().max() < 2e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_decoder_of_a_family_starts_with_neutral_norms_and_trains(family: str, base: Path) -> None:
    case = next(name for name, (kind, _) in CASES.items() if kind == family)
    decoder = initialise(Decoder(ours(case, "grouped", base).config), 0)
    offset = decoder.config.norm_offset
    for name, parameter in decoder.named_parameters():
        if parameter.dim() < 2:
            assert (parameter == (0.0 if name.endswith("bias") else 1.0 - offset)).all(), name


@EVERY
def test_adapters_change_nothing_at_first_and_keep_the_biases(case: str, base: Path) -> None:
    decoder, ids_BT = ours(case, "grouped", base), some_ids()
    with torch.no_grad():
        before = decoder(ids_BT)
        add_adapters(decoder, LoraConfig(rank=2), 0)
        assert (decoder(ids_BT) - before).abs().max() < 1e-4
        assert (merge_adapters(decoder)(ids_BT) - before).abs().max() < 1e-4


@BOTH
@EVERY
def test_kernels_run_wherever_they_cover_a_decoder_and_else_it_is_said(
    case: str, shape: str, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_passed_over.cache_clear()
    decoder = ours(case, shape, base)
    capsys.readouterr()
    passed_over = []
    in_part, exact_gelu = decoder.config.rotary_share != 1, decoder.config.activation == "gelu"
    if native_decoding(torch.float32, decoder.device):
        chosen = make_sampler(decoder, SamplingConfig(dtype="float32"))
        covered = not (in_part or exact_gelu or decoder.config.mlp_bias)
        assert isinstance(chosen, NativeSampler if covered else TorchSampler)
        passed_over += [] if covered else ["sampling"]
    if load("train") is not None:
        for _ in range(2):
            scorer = make_scorer(decoder, torch.float32)
        assert isinstance(scorer, PaddedScorer if in_part or exact_gelu else KernelScorer)
        passed_over += ["training"] if in_part or exact_gelu else []
    said = capsys.readouterr().err.splitlines()
    assert [line.split(", so ")[1].split()[0] for line in said] == passed_over
    assert all(line.startswith("practicum: the kernels do not know ") for line in said)


def test_dynamic_scaling_past_the_limit_is_that_of_one_pass_of_transformers(base: Path) -> None:
    decoder, ids_BT = ours("llama, dynamic", "grouped", base), some_ids(2, 200)
    with torch.no_grad():
        expected = theirs("llama, dynamic", "grouped")(ids_BT).logits
        assert (expected - decoder(ids_BT)).abs().max() < 1e-4
    assert decoder.spec.max_positions == 160


@pytest.mark.parametrize("family", FAMILIES)
def test_a_key_that_is_left_out_has_the_default_of_transformers(family: str) -> None:
    needed = {key: value for key, value in SHAPES["grouped"].items() if "key_value" not in key}
    needed |= {"num_attention_heads": 32, "hidden_size": 64, "vocab_size": VOCABULARY}
    full = json.loads(AutoConfig.for_model(family, **needed).to_json_string(use_diff=False))
    stored = {"model_type": family, **needed}
    ends = [2]
    assert read_config(stored, ends) == read_config(
        {**full, "bos_token_id": None, "pad_token_id": None}, ends
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_reward_models_have_the_class_that_transformers_has(family: str) -> None:
    theirs = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(family)
    if theirs is None:
        with pytest.raises(InputError, match=f"no sequence classifier of {family}"):
            classifier_of(family)
    else:
        assert classifier_of(family) == theirs


GEMMA3 = {**GEMMA, "sliding_window_pattern": 2}
LOCAL_ROPE = {"rope_type": "default", "rope_theta": 5000.0}
WINDOWED_FIRST = ["sliding_attention", "sliding_attention", "full_attention"]


def nested(**values: Any) -> dict[str, Any]:
    full = {"rope_type": "default", "rope_theta": 10000.0, **values}
    return {"rope_parameters": {"full_attention": full, "sliding_attention": LOCAL_ROPE}}


def old_rope(**values: Any) -> dict[str, Any]:
    return {"rope_parameters": "absent", "rope_scaling": values}


# A family, the config of its model, and what config.json says otherwise than that was written.
EDITED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mistral with layer_types": ("mistral", WINDOW, {"layer_types": WINDOWED_FIRST}),
    "mistral, use_sliding_window": ("mistral", WINDOW, {"use_sliding_window": False}),
    "phi3, use_sliding_window": ("phi3", WINDOW, {"use_sliding_window": False}),
    "phi3, layer_types": ("phi3", WINDOW, {"layer_types": WINDOWED_FIRST}),
    "gemma2, use_sliding_window": ("gemma2", GEMMA, {"use_sliding_window": False}),
    "gemma3, use_sliding_window": ("gemma3_text", GEMMA3, {"use_sliding_window": False}),
    "smollm3, layer_types": ("smollm3", WINDOW, {"layer_types": WINDOWED_FIRST}),
    "smollm3, layer_types, no switch": (
        "smollm3",
        WINDOW,
        {"layer_types": WINDOWED_FIRST, "use_sliding_window": "absent"},
    ),
    "gemma2, sliding_window_pattern": (
        "gemma2",
        GEMMA,
        {"layer_types": "absent", "sliding_window_pattern": 3},
    ),
    "gemma2 without windowed layers": ("gemma2", GEMMA, {"layer_types": ["full_attention"] * 3}),
    "gemma3 without windowed layers": ("gemma3_text", GEMMA3, {"layer_types": ["full_attention"] * 3}),
    "gemma3, flat rope_parameters": ("gemma3_text", GEMMA3, rope("default", rope_theta=500.0)),
    "gemma3, old rope_scaling": ("gemma3_text", GEMMA3, old_rope(rope_type="linear", factor=8.0)),
    "gemma3, older rope_scaling": ("gemma3_text", GEMMA3, old_rope(type="linear", factor=8.0)),
    "gemma3, nested rope_scaling": (
        "gemma3_text",
        GEMMA3,
        old_rope(full_attention={"rope_type": "linear", "factor": 4.0}, sliding_attention=LOCAL_ROPE),
    ),
    "gemma3, yarn not truncated": (
        "gemma3_text",
        GEMMA3,
        nested(
            rope_type="yarn", factor=4.0, original_max_position_embeddings=32, truncate=False, beta_fast=4
        ),
    ),
    "gemma3, yarn, another length outside": (
        "gemma3_text",
        GEMMA3,
        {**nested(rope_type="yarn", factor=4.0, beta_fast=4), "original_max_position_embeddings": 20},
    ),
    "yarn, truncate null": (
        "llama",
        {},
        rope("yarn", factor=4.0, original_max_position_embeddings=32, truncate=None, beta_fast=4),
    ),
    "yarn with more": (
        "llama",
        {},
        rope("yarn", factor=4.0, original_max_position_embeddings=32, twist=1),
    ),
    "linear, factor below 1": ("llama", {}, rope("linear", factor=0.5)),
    "llama, head_dim null": ("llama", {"head_dim": None}, {"head_dim": None}),
    "mistral, head_dim null": ("mistral", {"head_dim": None}, {"head_dim": None}),
    "ids that are none": ("llama", {}, {"pad_token_id": -1, "bos_token_id": -1}),
    "ids that are none, by transformers": (
        "llama",
        {"hidden_act": "relu"},
        {"pad_token_id": -1, "bos_token_id": -1},
    ),
    "phi3, an odd rotated part": ("phi3", {"head_dim": 10, **rope("default", partial_rotary_factor=0.5)}, {}),
}


def edited(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    stored = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in stored.items() if value != "absent"}))
    return folder


def random_folder(folder: Path, family: str, **values: Any) -> Path:
    """A folder of transformers with random weights of the first shape."""
    values = {**SHARED, **SHAPES["grouped"], "head_dim": 8, **values}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **values))
    randomised(model, family).save_pretrained(folder)
    train_tokenizer(["abc"] * 4, 200).save(str(folder / "tokenizer.json"))
    return folder


@torch.no_grad()
def check_against_transformers(folder: Path, place: Path) -> Policy:
    """Logits of the folder, and of what we save of it in `place`, are those of transformers."""
    ids_BT = some_ids()
    expected = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()(ids_BT).logits
    policy, tokenizer = load_policy(folder)
    found = policy.logits(policy.hidden(ids_BT, torch.float32), torch.float32)
    assert expected.std() > 0.1
    assert (expected - found).abs().max() < 1e-4
    save_model(policy, tokenizer, place)
    again = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    assert (expected - again(ids_BT).logits).abs().max() < 1e-4
    return policy


@pytest.mark.one_way
@pytest.mark.parametrize("case", EDITED)
def test_a_config_that_was_edited_means_what_it_means_to_transformers(case: str, tmp_path: Path) -> None:
    family, values, changes = EDITED[case]
    folder = edited(random_folder(tmp_path / "model", family, **values), **changes)
    check_against_transformers(folder, tmp_path / "saved")


def test_frequencies_are_those_of_transformers_to_the_bit(tmp_path: Path) -> None:
    folder = random_folder(
        tmp_path, "llama", head_dim=128, max_position_embeddings=4096, **rope("default", rope_theta=5e5)
    )
    inner = AutoModelForCausalLM.from_pretrained(folder).model.rotary_emb
    positions = torch.arange(4096)
    (cosine, sine) = rotary_tables(load_decoder_config(folder), positions)["global"]
    theirs_cosine, theirs_sine = inner(torch.zeros(1, dtype=torch.float32), positions[None])
    assert torch.equal(cosine, theirs_cosine[0])
    assert torch.equal(sine, theirs_sine[0])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "longrope": ({"model_type": "phi3", **rope("longrope", factor=2.0)}, "longrope"),
    "an unknown scaling": (rope("spiral", factor=2.0), "spiral"),
    "a scaling without factor": (rope("linear"), "factor"),
    "llama3 without its bounds": (rope("llama3", factor=2.0), "low_freq_factor"),
    "a scaling with more": (rope("linear", factor=2.0, twist=1), "twist"),
    "rotation in part": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    "sight to the right": (
        {"model_type": "gemma3_text", "use_bidirectional_attention": True},
        "use_bidirectional_attention",
    ),
    "layers of another kind": (
        {"model_type": "gemma2", "layer_types": ["chunked_attention"] * 3},
        "layer_types",
    ),
    "another activation": ({"hidden_act": "relu"}, "relu"),
    "another family": ({"model_type": "mamba"}, "mamba"),
    "no interval": ({"model_type": "smollm3", "no_rope_layer_interval": 0}, "no_rope_layer_interval"),
    "no pattern": ({"model_type": "gemma3_text", "sliding_window_pattern": 0}, "sliding_window_pattern"),
    "no scale": ({"model_type": "gemma2", "query_pre_attn_scalar": 0}, "query_pre_attn_scalar"),
    "several beginnings": ({"bos_token_id": [1, 2]}, "bos_token_id"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_decoder_does_not_have_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    changes, words = REFUSED[case]
    stored = {"model_type": "llama", **SHARED, **SHAPES["grouped"], **changes}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=words) as caught:
        load_decoder_config(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/config.json: ")
    assert "\n" not in str(caught.value)
