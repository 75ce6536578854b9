"""A model of transformers behind the few methods of `Policy`: what any other architecture would be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from practicum.model.policy import ModelSpec

KINDS = ("gpt2", "qwen3")


class ForeignPolicy:
    """Not even an `nn.Module`; it computes in float32 whatever it is asked for."""

    def __init__(self, model: Any, spec: ModelSpec) -> None:
        self.model, self.spec = model, spec

    @property
    def device(self) -> torch.device:
        return self.model.device

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        return self.model.named_parameters()

    def hidden(self, ids_BT: Tensor, dtype: torch.dtype) -> Tensor:
        return self.model.base_model(ids_BT, use_cache=False).last_hidden_state

    def logits(self, hidden: Tensor, dtype: torch.dtype) -> Tensor:
        return self.model.get_output_embeddings()(hidden)

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)

    def restore(self, folder: Path) -> None:
        self.model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)


def foreign_policy(kind: str, vocabulary: int, positions: int = 64, scale: float = 1.0) -> ForeignPolicy:
    """A tiny GPT-2 (learned positions, biases, LayerNorm) or Qwen3 (normalised queries and keys).

    The end of sequence is 1; a larger `scale` makes it surer of its next token.
    """
    torch.manual_seed(0)
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    if kind == "gpt2":
        dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        shape = {"n_positions": positions, "n_embd": 32, "n_layer": 2, "n_head": 4}
        model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, **shape, **dropout, **ends))
    else:
        shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": positions}
        model = Qwen3ForCausalLM(
            Qwen3Config(vocab_size=vocabulary, tie_word_embeddings=True, **shape, **heads, **ends)
        )
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(scale)
    return ForeignPolicy(model.eval(), ModelSpec(vocabulary, 32, positions, (1,), 0))
