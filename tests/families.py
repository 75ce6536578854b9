"""Tiny models of many architectures with random weights, and tokenizers of transformers that fit them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from practicum.model.tokenizer import train_tokenizer
from tests.tiny import without_bytes

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
DENSE = {**SMALL, "intermediate_size": 48}
FAMILIES: dict[str, dict[str, Any]] = {
    # Learned positions, biases, LayerNorm, matrices stored the other way round.
    "gpt2": {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4},
    # Positions with an offset, embeddings narrower than the layers.
    "opt": {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 16},
    # A mixture of experts.
    "qwen3_moe": {
        **DENSE, "num_key_value_heads": 2, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
    },
    # Rotary positions on a part of each head, parallel residual stream.
    "gpt_neox": DENSE,
    # ALiBi: no limit of positions.
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    # A head with a bias.
    "phi": {**DENSE, "partial_rotary_factor": 0.5},
    # Multi-query attention.
    "falcon": {**SMALL, "alibi": False, "new_decoder_architecture": False},
    # Logits are scaled.
    "cohere": {**DENSE, "num_key_value_heads": 2, "logit_scale": 0.25},
    # Logits pass a soft cap.
    "nanochat": {**DENSE, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 3.0},
    # No attention at all.
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
}  # fmt: skip
CHECKED = ("gpt2", "opt", "qwen3_moe", "gpt_neox", "bloom")


def words() -> transformers.PreTrainedTokenizerFast:
    """A tokenizer of characters as transformers has it: <pad> 0, <eos> 1."""
    own = without_bytes(train_tokenizer(["1 2"], 110))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def family_config(kind: str, **changes: Any) -> Any:
    """The config of a tiny model, <eos> 1 and <pad> 0."""
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    return AutoConfig.for_model(kind, vocab_size=len(words()), **{**FAMILIES[kind], **ends, **changes})


def family_folder(kind: str, folder: Path, scale: float = 4.0, **changes: Any) -> Path:
    """A folder with a tiny causal model, whose logits spread more the larger `scale`."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(kind, **changes), dtype=torch.float32)
    with torch.no_grad():
        for part in model.parameters():
            # Biases and norms start at 0 and 1, which would hide that they are left out.
            part.add_(torch.randn_like(part) * 0.05) if part.dim() < 2 else part.mul_(scale)
    model.save_pretrained(folder)
    words().save_pretrained(folder)
    return folder


def reward_family_folder(kind: str, folder: Path, **changes: Any) -> Path:
    """A folder with a tiny sequence classifier of one label."""
    torch.manual_seed(0)
    config = family_config(kind, num_labels=1, **changes)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for part in model.parameters():
            part.add_(torch.randn_like(part) * 0.05)
    model.save_pretrained(folder)
    words().save_pretrained(folder)
    return folder
