"""A small model of llama2.c (Karpathy 2023) as a Hugging Face folder: weights and tokenizer from two files.

The checkpoint is a header of seven int32 (width, feed-forward width, layers, heads, key-value heads,
vocabulary, positions), then float32 tensors kind by kind, each of all layers. Its rotary pairs are
neighbours; Hugging Face's are half a head apart, so rows of the query and key matrices change places. The
tokenizer is SentencePiece's BPE: pieces with scores, the best score merged first, unknown characters as
bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from practicum.errors import InputError

HEADER = struct.Struct("<7i")


def write_stories(checkpoint: Path, words: Path, folder: Path) -> Path:
    """Write the model as a folder that transformers loads, and return it.

    Raises InputError naming the file that is missing or too short.
    """
    model = read_checkpoint(checkpoint)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=read_words(words, model.config.vocab_size),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def read_checkpoint(path: Path) -> LlamaForCausalLM:
    """The model of a llama2.c checkpoint, float32."""
    content = _bytes(path)
    if len(content) < HEADER.size:
        raise InputError(f"{path}: {len(content)} bytes; expected a checkpoint of llama2.c")
    width, inner, layers, heads, kv_heads, vocabulary, positions = HEADER.unpack_from(content)
    values = np.frombuffer(content, np.float32, offset=HEADER.size)
    kv, head, place = width // heads * kv_heads, width // heads, 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal place
        size = int(np.prod(shape))
        if place + size > len(values):
            raise InputError(f"{path}: ends in the middle of its weights")
        part = torch.tensor(values[place : place + size].reshape(shape))
        place += size
        return part

    stacks = {"embed": take(abs(vocabulary), width), "input_layernorm": take(layers, width)}
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (kv, width),
        "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, width),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (inner, width),
        "mlp.down_proj": (width, inner),
        "mlp.up_proj": (inner, width),
    }
    stacks |= {name: take(layers, *shape) for name, shape in shapes.items()}
    tensors = {"model.embed_tokens.weight": stacks.pop("embed"), "model.norm.weight": take(width)}
    for layer in range(layers):
        for name, stack in stacks.items():
            part = stack[layer]
            if name.endswith(("q_proj", "k_proj")):
                part = part.view(-1, head // 2, 2, width).transpose(1, 2).reshape(-1, width)
            tensors[f"model.layers.{layer}.{name}.weight"] = part
    config = LlamaConfig(
        vocab_size=abs(vocabulary),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    missing, surplus = model.load_state_dict(tensors, strict=False)
    if surplus or set(missing) - {"lm_head.weight"}:
        raise InputError(f"{path}: weights do not fit a Llama: {missing} {surplus}")
    return model


def read_words(path: Path, vocabulary: int) -> Tokenizer:
    """The tokenizer of a llama2.c model."""
    content, place = _bytes(path), 4
    pieces: list[tuple[str, float]] = []
    for _ in range(vocabulary):
        score, size = struct.unpack_from("<fi", content, place)
        raw = content[place + 8 : place + 8 + size].decode("utf-8")
        pieces.append((raw, score))
        place += 8 + size
    names = ["<unk>", "<s>", "</s>"] + [piece.replace(" ", "▁") for piece, _ in pieces[3:]]
    ids = {name: number for number, name in enumerate(names)}
    scores = {name: score for name, (_, score) in zip(names, pieces, strict=True)}
    merges = [
        (-scores[name], ids[name], (name[:cut], name[cut:]))
        for name in names[3:]
        for cut in range(1, len(name))
        if name[:cut] in ids and name[cut:] in ids and not name.startswith("<0x")
    ]
    bpe = models.BPE(
        ids, [pair for _, _, pair in sorted(merges)], unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    found = Tokenizer(bpe)
    found.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    found.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1),
        ]
    )
    found.add_special_tokens([AddedToken(name, normalized=False) for name in names[:3]])
    found.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", 1)])
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; it holds a model of llama2.c") from error
