"""Exported models: read back by transformers, by the package gguf and by ourselves, always the same model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from practicum.cli import main
from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.decoder import Decoder
from practicum.model.export import ExportConfig, export, store_as
from practicum.model.gguf import LLAMA3_PIECES, QWEN2_PIECES, halves_apart, read_gguf
from practicum.model.gguf_writer import WRITTEN_AS, pairs_side_by_side
from practicum.model.lora import LoraConfig
from practicum.model.policy import load_policy
from practicum.model.tokenizer import Chat, encode_batch, set_chat, train_tokenizer
from tests.families import family_folder
from tests.tiny import tiny_decoder

gguf = pytest.importorskip("gguf")

TEXTS = ["What is 12 + 345?", " a sum: of x", "It's  naïve ☕\n\n", ""]


def byte_level(first: list[Any], use_regex: bool = True) -> Tokenizer:
    """A byte-level tokenizer with a special token, one of a user, and a few merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<eos>", "<pad>", *letters, "Ġt", "it", "12"])}
    merges = [("Ġ", "t"), ("i", "t"), ("1", "2")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*first, level]) if first else level
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<eos>", "<pad>"])
    tokenizer.add_tokens(["<mine>"])
    return tokenizer


def split(pieces: Any) -> Any:
    from tokenizers import Regex

    return pre_tokenizers.Split(Regex(pieces) if isinstance(pieces, str) else pieces, "isolated")


KINDS = {
    "gpt-2": lambda: byte_level([]),
    "smollm": lambda: byte_level([pre_tokenizers.Digits(individual_digits=True)]),
    "llama-bpe": lambda: byte_level([split(LLAMA3_PIECES)], use_regex=False),
    "qwen2": lambda: byte_level([split(QWEN2_PIECES)], use_regex=False),
    "default": lambda: train_tokenizer(["what is the sum: it is 12"] * 3, 150),
}


def folder_of(place: Path, tokenizer: Tokenizer, **changes: Any) -> Path:
    """A saved decoder of random weights with a few more rows than its tokenizer has tokens."""
    size = tokenizer.get_vocab_size() + 5
    ends = {"eos_token_id": tokenizer.token_to_id("<eos>"), "pad_token_id": tokenizer.token_to_id("<pad>")}
    shape = {"hidden_size": 64, "head_dim": 8, "num_attention_heads": 4, **ends, **changes}
    decoder = tiny_decoder(size, **shape)
    with torch.no_grad():
        for part in decoder.parameters():
            part.mul_(3.0) if part.dim() == 2 else part.uniform_(0.5, 1.5)
    save_model(decoder, tokenizer, place)
    return place


@torch.no_grad()
def logits(policy: Any) -> torch.Tensor:
    ids = torch.randint(3, 90, (2, 15), generator=torch.Generator().manual_seed(0))
    values: torch.Tensor = policy.logits(policy.hidden(ids, torch.float32), torch.float32)
    return values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [True, False])
def test_a_gguf_gives_back_the_model_and_its_tokenizer(kind: str, tied: bool, tmp_path: Path) -> None:
    tokenizer = KINDS[kind]()
    set_chat(tokenizer, Chat("{{ messages[0]['content'] }}", {}))
    folder = folder_of(tmp_path / "model", tokenizer, tie_word_embeddings=tied, other_eos_ids=(7,))
    path = tmp_path / "model.gguf"
    export(ExportConfig(folder, path, "float32"))
    policy, _ = load_policy(folder)
    back, words = read_gguf(path)
    assert isinstance(policy, Decoder)
    for name, weight in policy.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight), name
    assert back.spec == policy.spec
    assert torch.equal(logits(back), logits(policy))
    assert encode_batch(words, TEXTS) == encode_batch(tokenizer, TEXTS)
    keys = {name: field.contents() for name, field in gguf.GGUFReader(str(path)).fields.items()}
    assert keys["tokenizer.ggml.pre"] == kind
    assert keys["tokenizer.ggml.model"] == ("llama" if kind == "default" else "gpt2")
    assert keys["tokenizer.chat_template"] == "{{ messages[0]['content'] }}"
    assert keys["tokenizer.ggml.eot_token_id"] == 7
    assert not keys["tokenizer.ggml.add_bos_token"]
    size = back.spec.vocab_size
    assert len(keys["tokenizer.ggml.tokens"]) == len(keys["tokenizer.ggml.token_type"]) == size
    assert keys["tokenizer.ggml.token_type"][-1] == 5, "a row without a token"
    assert keys["tokenizer.ggml.token_type"][back.spec.eos_id] == 3


@pytest.mark.parametrize("kind", ["gpt-2", "smollm", "llama-bpe"])
def test_transformers_finds_the_same_in_it(kind: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", KINDS[kind]())
    export(ExportConfig(folder, tmp_path / "model.gguf", "float32"))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf").eval()
    ids = torch.randint(3, 90, (2, 15), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = theirs(ids).logits
    torch.testing.assert_close(found, logits(load_policy(folder)[0]), atol=1e-4, rtol=1e-4)


FAMILY_SHAPES: dict[str, list[dict[str, Any]]] = {
    "mistral": [{"sliding_window": None}, {"sliding_window": None, "num_key_value_heads": 2, "head_dim": 12}],
    "qwen2": [{}, {"num_key_value_heads": 1, "tie_word_embeddings": True}],
    # transformers reads no other width of a head from a GGUF of Qwen3 than that of all published ones.
    "qwen3": [{"head_dim": 128}, {"head_dim": 128, "num_key_value_heads": 2, "tie_word_embeddings": True}],
}


def folder_of_family(kind: str, place: Path, changes: dict[str, Any]) -> Path:
    """A folder that transformers wrote: a tiny model of random weights with a tokenizer of Qwen's kind."""
    tokenizer = KINDS["qwen2"]()
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"num_key_value_heads": 4, "max_position_embeddings": 64, "eos_token_id": 0, "pad_token_id": 1}
    size = tokenizer.get_vocab_size() + 5
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, vocab_size=size, **{**shape, **changes}), dtype=torch.float32
    )
    with torch.no_grad():
        for part in model.parameters():
            part.add_(torch.randn_like(part) * 0.2) if part.dim() < 2 else part.mul_(6.0)
    model.save_pretrained(place)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")
    whole.save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("kind", "changes"), [(kind, one) for kind, shapes in FAMILY_SHAPES.items() for one in shapes], ids=str
)
def test_a_gguf_of_another_family_is_what_transformers_and_the_format_know(
    kind: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    folder = folder_of_family(kind, tmp_path / "model", changes)
    path = tmp_path / "model.gguf"
    export(ExportConfig(folder, path, "float32"))
    policy, tokenizer = load_policy(folder)
    assert isinstance(policy, Decoder)
    back, words = read_gguf(path)
    for name, weight in policy.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight), name
    assert encode_batch(words, TEXTS) == encode_batch(tokenizer, TEXTS)
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", dtype=torch.float32
    ).eval()
    ids = torch.randint(3, 90, (2, 15), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found in (theirs(ids).logits, logits(back)):
            torch.testing.assert_close(found, whole(ids).logits, atol=1e-4, rtol=1e-4)
    reader = gguf.GGUFReader(str(path))
    assert reader.fields["general.architecture"].contents() == WRITTEN_AS[kind]
    # Every tensor stands where the format has a place for it in this architecture, and none is left out.
    architecture = next(one for one, name in gguf.MODEL_ARCH_NAMES.items() if name == WRITTEN_AS[kind])
    places = [gguf.TENSOR_NAMES[one] for one in gguf.MODEL_TENSORS[architecture]]
    known = {place.format(bid=layer) for place in places for layer in range(2)}
    assert {tensor.name.rpartition(".")[0] for tensor in reader.tensors} <= known
    assert len(reader.tensors) == len(set(policy.state_dict())) - bool(policy.config.tie_word_embeddings) * (
        "lm_head.weight" in policy.state_dict()
    )


def test_what_an_architecture_has_no_place_for_is_named(tmp_path: Path) -> None:
    for kind, changes, said in (
        ("qwen3", {"attention_bias": True, "head_dim": 8}, "a plain qwen3, and here attention_bias is True"),
        ("mistral", {"sliding_window": 7}, "a plain mistral, and here sliding_window is 7"),
        ("granite", {}, "this model is of granite"),
    ):
        folder = folder_of_family(kind, tmp_path / kind, changes)
        with pytest.raises(InputError, match=said):
            export(ExportConfig(folder, tmp_path / f"{kind}.gguf", "float32"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_gguf_in_half_precision_has_the_rounded_matrices_and_whole_norms(
    dtype: Any, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", KINDS["smollm"]())
    export(ExportConfig(folder, tmp_path / "model.gguf", dtype))
    policy, _ = load_policy(folder)
    back, _ = read_gguf(tmp_path / "model.gguf")
    kinds = {tensor.tensor_type.name for tensor in gguf.GGUFReader(str(tmp_path / "model.gguf")).tensors}
    assert kinds == {"F32", {"bfloat16": "BF16", "float16": "F16"}[dtype]}
    rounded = getattr(torch, dtype)
    for name, weight in policy.named_parameters():
        expected = weight if weight.dim() == 1 else weight.to(rounded).float()
        assert torch.equal(back.state_dict()[name], expected), name


@given(heads=st.integers(1, 4), width=st.sampled_from([2, 4, 10]), columns=st.integers(1, 5))
@settings(max_examples=20)
def test_the_order_of_rows_is_turned_back(heads: int, width: int, columns: int) -> None:
    weight = torch.randn(heads * width, columns)
    assert torch.equal(halves_apart(pairs_side_by_side(weight, heads), heads), weight)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen3_moe"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_folder_has_the_adapters_merged_and_the_dtype(kind: str, dtype: Any, tmp_path: Path) -> None:
    if kind == "llama":
        start = folder_of(tmp_path / "start", train_tokenizer(["1 2"], 110))
    else:
        start = family_folder(kind, tmp_path / "start")
    policy, tokenizer = load_policy(start, lora=LoraConfig(2))
    with torch.no_grad():
        for name, part in policy.named_parameters():
            part.add_(0.03) if ".lora_B" in name else None
    save_model(policy, tokenizer, tmp_path / "trained")
    wanted = logits(policy)
    found = export(ExportConfig(tmp_path / "trained" / "adapter", tmp_path / "out", dtype))
    assert found["bytes"] > 0
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {getattr(torch, dtype)}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {config[name] for name in ("dtype", "torch_dtype") if name in config} == {dtype}
    assert not (tmp_path / "out" / "adapter").exists()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    ids = torch.randint(3, 90, (2, 15), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = model(ids).logits
    if dtype == "float32":
        torch.testing.assert_close(theirs, wanted, atol=1e-4, rtol=1e-4)
    for name, value in load_file(tmp_path / "trained" / "model.safetensors").items():
        torch.testing.assert_close(stored[name].float(), value, atol=1e-6, rtol=1e-2)
    torch.testing.assert_close(logits(load_policy(tmp_path / "out")[0]), theirs, atol=1e-4, rtol=1e-4)
    AutoTokenizer.from_pretrained(tmp_path / "out")


def test_adapters_of_the_decoder_name_their_base(tmp_path: Path) -> None:
    start = folder_of(tmp_path / "start", train_tokenizer(["1 2"], 110))
    policy, tokenizer = load_policy(start, lora=LoraConfig(2))
    save_model(policy, tokenizer, tmp_path / "trained")
    named = json.loads((tmp_path / "trained" / "adapter" / "adapter_config.json").read_text())
    assert Path(named["base_model_name_or_path"]) == start.resolve()
    torch.testing.assert_close(logits(load_policy(tmp_path / "trained" / "adapter")[0]), logits(policy))


def test_what_cannot_be_exported_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llama = folder_of(tmp_path / "llama", KINDS["gpt-2"]())
    odd = folder_of(tmp_path / "odd", byte_level([pre_tokenizers.Whitespace()]))
    large = folder_of(tmp_path / "large", KINDS["gpt-2"]())
    tensors = load_file(large / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(tensors, large / "model.safetensors", metadata={"format": "pt"})
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept").write_text("mine")
    family_folder("gpt2", tmp_path / "gpt2")
    before = sorted(tmp_path.iterdir())
    capsys.readouterr()
    for model, target, dtype, said in (
        (llama, full, "bfloat16", "exists already"),
        (
            tmp_path / "gpt2",
            tmp_path / "a.gguf",
            "bfloat16",
            "and GPT2LMHeadModel is none",
        ),
        (odd, tmp_path / "a.gguf", "bfloat16", "how this tokenizer cuts text"),
        (large, tmp_path / "a.gguf", "float16", "do not fit in float16"),
        (large, tmp_path / "a", "float16", "do not fit in float16"),
        (tmp_path / "none", tmp_path / "a", "float16", "no model here"),
    ):
        words = ["export", "--model", str(model), "--to", str(target), "--dtype", dtype]
        assert main(words) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert [path.name for path in full.iterdir()] == ["kept"]
    assert main(["export", "--model", str(large), "--to", str(tmp_path / "a"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dtype"] == "bfloat16"


def test_integers_and_subfolders_keep_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    for place in (tmp_path / "model.safetensors", tmp_path / "adapter" / "adapter_model.safetensors"):
        save_file({"a": torch.ones(2), "n": torch.arange(3)}, place)
    (tmp_path / "config.json").write_text('{"torch_dtype": "float32"}')
    store_as(tmp_path, torch.bfloat16)
    assert load_file(tmp_path / "model.safetensors")["a"].dtype == torch.bfloat16
    assert load_file(tmp_path / "model.safetensors")["n"].dtype == torch.int64
    assert load_file(tmp_path / "adapter" / "adapter_model.safetensors")["a"].dtype == torch.float32
    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "bfloat16"
    save_file({"a": torch.tensor([1e6])}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="do not fit"):
        store_as(tmp_path, torch.float16)
