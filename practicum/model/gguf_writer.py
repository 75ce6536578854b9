"""GGUF files out: a decoder of Llama, Mistral, Qwen2 or Qwen3 and its tokenizer as llama.cpp reads them.

llama.cpp knows a tokenizer by its kind and by a name for how text is cut before pairs are merged. The whole
tokenizer.json goes into the file too, as the format provides, and `read_gguf` takes it from there.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import Decoder, DecoderConfig
from practicum.model.gguf import (
    ARCHITECTURES,
    CONTROL,
    LAYER_NAMES,
    LLAMA3_PIECES,
    OUTER_NAMES,
    QWEN2_PIECES,
    USER_DEFINED,
    turned_heads,
)
from practicum.model.lora import merged_weights
from practicum.model.policy import Policy
from practicum.model.tokenizer import chat_of, encode_texts

NORMAL, UNKNOWN, UNUSED, BYTE = 1, 2, 5, 6
"""More of llama.cpp's token types."""
SPACE = "\u2581"
"""Stands for a space in tokens of SentencePiece's kind."""
# Fields of DecoderConfig that the metadata has a place for.
PLAIN = {
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "max_position_embeddings", "rope_theta", "rms_norm_eps"),
    *("tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "other_eos_ids"),
    "model_type",
}
WRITTEN_AS = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""llama.cpp's architecture for each model type; Mistral without a window is its Llama."""
FAMILIES = "Llama, Mistral, Qwen2 and Qwen3"
OTHERWISE = "export a folder and convert it with llama.cpp's convert_hf_to_gguf.py"
Metadata = dict[str, Any]


def _architecture(policy: Policy) -> str:
    """What transformers calls a model that it runs."""
    return type(getattr(policy, "model", policy)).__name__


def write_gguf(policy: Policy, tokenizer: Tokenizer, path: Path, dtype: torch.dtype) -> None:
    """Write weights, adapters merged in, metadata and tokenizer; matrices in `dtype`, norms in float32.

    Raises InputError for a policy of no family of WRITTEN_AS, for what a family's GGUF has no place for, and
    for a tokenizer that llama.cpp does not know.
    One that it knows but for how text is cut is told on stderr.
    """
    if importlib.util.find_spec("gguf") is None:
        raise InputError(f"{path}: writing GGUF needs the package gguf: pip install 'practicum[gguf]'")
    if not isinstance(policy, Decoder):
        raise InputError(
            f"{path}: GGUF is written for {FAMILIES}, and {_architecture(policy)} is none; {OTHERWISE}"
        )
    architecture = _architecture_of(policy.config, path)
    gguf = importlib.import_module("gguf")
    metadata = _shape(policy.config, architecture) | _vocabulary(policy, tokenizer, path)
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    kind = gguf.GGMLQuantizationType[kinds[dtype]]
    types = {torch.float32: "ALL_F32", torch.float16: "MOSTLY_F16", torch.bfloat16: "MOSTLY_BF16"}
    metadata["general.file_type"] = int(gguf.LlamaFileType[types[dtype]])
    writer = gguf.GGUFWriter(str(path), architecture)
    for name, value in metadata.items():
        _add(writer, name, value)
    for name, weight in _tensors(policy, architecture, path).items():
        values = weight.float().cpu().contiguous()
        if values.dim() == 1 or dtype == torch.float32:
            writer.add_tensor(name, values.numpy())
            continue
        if bool(values.isfinite().all()) and not bool(values.to(dtype).isfinite().all()):
            raise InputError(f"{path}: {name} has values that do not fit in float16: use bfloat16")
        writer.add_tensor(name, gguf.quantize(values.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: Any, name: str, value: Any) -> None:
    add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    add.get(type(value), writer.add_array)(name, value)


def _architecture_of(config: DecoderConfig, path: Path) -> str:
    """llama.cpp's name for the family. Raises InputError for what its GGUF has no place for."""
    if config.model_type not in WRITTEN_AS:
        raise InputError(
            f"{path}: GGUF is written for {FAMILIES}, and this model is of {config.model_type}; {OTHERWISE}"
        )
    architecture = WRITTEN_AS[config.model_type]
    settled = ARCHITECTURES[architecture].settled
    # A window that no layer has is none.
    ignored = PLAIN if config.windowed_layers else PLAIN | {"sliding_window"}
    for field in fields(config):
        value = getattr(config, field.name)
        default = None if field.default is MISSING else field.default
        if field.name not in ignored and value != settled.get(field.name, default):
            raise InputError(
                f"{path}: GGUF is written for a plain {config.model_type}, and here {field.name} is "
                f"{value!r}; {OTHERWISE}"
            )
    return architecture


def _shape(config: DecoderConfig, architecture: str) -> Metadata:
    shape: Metadata = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.dimension_count": config.head_dim,
        "rope.freq_base": float(config.rope_theta),
        "vocab_size": config.vocab_size,
    }
    return {f"{architecture}.{name}": value for name, value in shape.items()}


def _tensors(decoder: Decoder, architecture: str, path: Path) -> dict[str, Tensor]:
    """Weights by llama.cpp's names, rows of queries and keys in its order."""
    outer = {ours: theirs for theirs, ours in OUTER_NAMES.items()}
    inner = {ours: theirs for theirs, ours in LAYER_NAMES.items()}
    heads = turned_heads(decoder.config, architecture)
    found = {}
    for name, weight in merged_weights(decoder).items():
        parts = name.split(".")
        if name in outer:
            found[outer[name]] = weight
            continue
        word = inner.get(".".join(parts[3:-1]))
        if word is None:
            raise InputError(f"{path}: {name} has no place in a GGUF of {architecture}")
        turned = pairs_side_by_side(weight, heads[word]) if word in heads else weight
        found[f"blk.{parts[2]}.{word}.{parts[-1]}"] = turned
    return found


def pairs_side_by_side(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key matrix [heads * E, D] from halves to llama.cpp's order; see `halves_apart`."""
    halves = weight.view(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)


# ------------------------------------------------------------------------------------------------- vocabulary


def _vocabulary(decoder: Decoder, tokenizer: Tokenizer, path: Path) -> Metadata:
    """The tokenizer as llama.cpp knows it, its special tokens, its chat template, and its tokenizer.json."""
    stored = json.loads(tokenizer.to_str())
    model = stored["model"]
    if model["type"] != "BPE":
        raise InputError(
            f"{path}: llama.cpp reads byte-pair tokenizers here, and this one is {model['type']}"
        )
    cut = _cut(stored["pre_tokenizer"])
    pairs = [merge if isinstance(merge, list) else merge.split(" ", 1) for merge in model["merges"]]
    size, special = decoder.config.vocab_size, {token["id"]: token for token in stored["added_tokens"]}
    tokens, types = _tokens(tokenizer, size, special, model)
    found: Metadata
    if cut:
        found = {
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": cut,
            "tokenizer.ggml.merges": [" ".join(pair) for pair in pairs],
        }
    elif model.get("byte_fallback"):
        prefix = "prepend" in json.dumps(stored.get("normalizer") or {}).lower()
        if not prefix:
            _tell(path)
        found = _sentence_pieces(tokens, types, pairs) | {
            "tokenizer.ggml.add_space_prefix": prefix,
        }
    else:
        raise InputError(
            f"{path}: no name of llama.cpp's is known for how this tokenizer cuts text; {OTHERWISE}"
        )
    found = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types} | found
    found |= _special(decoder, tokenizer)
    unknown = tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else None
    if unknown is not None:
        found["tokenizer.ggml.unknown_token_id"] = unknown
    chat = chat_of(tokenizer)
    if chat is not None:
        found["tokenizer.chat_template"] = chat.template
    return found | {"tokenizer.huggingface.json": tokenizer.to_str()}


def _sentence_pieces(tokens: Sequence[str], types: Sequence[int], pairs: Sequence[Sequence[str]]) -> Metadata:
    """Tokens of SentencePiece's kind: what is merged earlier has the higher score."""
    ranks = {"".join(pair): rank for rank, pair in reversed(list(enumerate(pairs)))}
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.scores": [-float(ranks.get(token, len(ranks))) for token in tokens],
        "tokenizer.ggml.tokens": [
            token.replace(" ", SPACE) if kind == NORMAL else token
            for token, kind in zip(tokens, types, strict=True)
        ],
    }


def _tell(path: Path) -> None:
    print(
        f"practicum: {path.name}: llama.cpp cuts some texts otherwise than this tokenizer does, such as "
        "a single letter after a space: give it token ids where that matters; text that it writes is exact",
        file=sys.stderr,
    )


def _cut(pre_tokenizer: Mapping[str, Any] | None) -> str:
    """llama.cpp's name for a byte-level pre-tokenizer; empty for one that it has no name for."""
    if pre_tokenizer is None:
        return ""
    steps: Sequence[Mapping[str, Any]] = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    *first, last = steps
    if last["type"] != "ByteLevel" or last.get("add_prefix_space"):
        return ""
    if not first:
        return "gpt-2" if last.get("use_regex") else ""
    if len(first) > 1:
        return ""
    if first[0]["type"] == "Digits" and first[0].get("individual_digits") and last.get("use_regex"):
        return "smollm"
    pieces = first[0].get("pattern", {}).get("Regex") if first[0]["type"] == "Split" else None
    known = {str(_pattern(LLAMA3_PIECES)): "llama-bpe", QWEN2_PIECES: "qwen2"}
    return known.get(str(pieces), "") if not last.get("use_regex") else ""


def _pattern(pieces: Any) -> str:
    """The text of a compiled pattern of the `tokenizers` library."""
    from tokenizers import pre_tokenizers

    split = pre_tokenizers.Split(pieces, "isolated")
    return str(json.loads(split.__getstate__())["pattern"]["Regex"])


def _tokens(
    tokenizer: Tokenizer, size: int, added: Mapping[int, Mapping[str, Any]], model: Mapping[str, Any]
) -> tuple[list[str], list[int]]:
    """Every row of the embedding as a token and its type; rows that no token has are named as unused."""
    names = {index: token for token, index in tokenizer.get_vocab(with_added_tokens=True).items()}
    tokens = [names.get(index, f"[PAD{index}]") for index in range(size)]
    types = []
    for index, token in enumerate(tokens):
        kind = NORMAL if index in names else UNUSED
        if index in added:
            kind = CONTROL if added[index]["special"] else USER_DEFINED
        elif model.get("byte_fallback") and len(token) == 6 and token.startswith("<0x"):
            kind = BYTE
        if token == model.get("unk_token"):
            kind = UNKNOWN
        types.append(kind)
    return tokens, types


def _special(decoder: Decoder, tokenizer: Tokenizer) -> Metadata:
    spec = decoder.spec
    around = encode_texts(tokenizer, [""])[0]
    found: Metadata = {
        "tokenizer.ggml.eos_token_id": spec.eos_id,
        "tokenizer.ggml.padding_token_id": spec.pad_id,
        "tokenizer.ggml.add_bos_token": spec.bos_id is not None and around[:1] == [spec.bos_id],
        "tokenizer.ggml.add_eos_token": around[-1:] == [spec.eos_id],
    }
    if spec.bos_id is not None:
        found["tokenizer.ggml.bos_token_id"] = spec.bos_id
    for name, end in zip(("eot", "eom"), spec.eos_ids[1:], strict=False):
        found[f"tokenizer.ggml.{name}_token_id"] = end
    return found
