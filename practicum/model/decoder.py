"""A Llama-family decoder: RMSNorm, rotary positions, grouped-query attention, SwiGLU.

Parameter names and the rotary layout are Hugging Face's, so loading and saving a folder is a copy
(`practicum/model/checkpoint.py`). Dimension suffixes: B rows, T positions, D hidden width, H query heads,
K key-value heads, E width of one head, V vocabulary.

Sources: Touvron et al. 2023 (LLaMA, arXiv 2302.13971); Su et al. 2021 (RoPE, 2104.09864);
Ainslie et al. 2023 (grouped-query attention, 2305.13245); Shazeer 2020 (SwiGLU, 2002.05202).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.native import bfloat16_allowed
from practicum.model.policy import ModelSpec


@dataclass(frozen=True)
class DecoderConfig:
    """Shape of a decoder; the field names are those of Hugging Face's `LlamaConfig`.

    `eos_token_id` is the token that training puts at the end of an answer. It and `other_eos_ids` all end a
    sequence that is sampled; `LlamaConfig` has them as one list.

    Raises InputError for heads that do not divide as transformers, too, asks for.
    """

    vocab_size: int
    hidden_size: int = 192
    intermediate_size: int = 512
    num_hidden_layers: int = 4
    num_attention_heads: int = 6
    num_key_value_heads: int = 2
    head_dim: int = 32
    max_position_embeddings: int = 512
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = True
    bos_token_id: int | None = None
    eos_token_id: int = 1
    pad_token_id: int = 0
    other_eos_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for whole, part in (
            ("hidden_size", "num_attention_heads"),
            ("num_attention_heads", "num_key_value_heads"),
        ):
            size, count = getattr(self, whole), getattr(self, part)
            if count < 1 or size % count:
                raise InputError(f"{part} {count} must be at least 1 and divide {whole} {size}")
        if self.head_dim < 2 or self.head_dim % 2:
            raise InputError(f"head_dim {self.head_dim} must be even, for rotary positions")

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Every token that ends a sequence, the one that training appends first."""
        return tuple(dict.fromkeys((self.eos_token_id, *self.other_eos_ids)))


class Linear(nn.Module):
    """A bias-free linear map whose float32 master weight is cast to the dtype of its input.

    The cast is part of the graph, so gradients arrive at the master weight in its own dtype.
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(output_size, input_size))

    def forward(self, values: Tensor) -> Tensor:
        """[..., input_size] -> [..., output_size] in the dtype of `values`."""
        return functional.linear(values, self.weight.to(values.dtype))


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019, 1910.07467, eq. 4), computed in float32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """[..., size] of any float dtype -> the same shape in `dtype`."""
        values = values.float()
        scale = torch.rsqrt(values.square().mean(-1, keepdim=True) + self.eps)
        return (values * scale * self.weight).to(dtype)


def rotary_table(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines, float32 [..., head_dim], of the rotary angles at int64 `positions` [...]."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = positions.float().unsqueeze(-1) * frequencies.to(positions.device)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Apply rotary positions in Hugging Face's half-split layout; [..., E] and tables broadcast to it."""
    first, second = heads.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return heads * cosine.to(heads.dtype) + turned * sine.to(heads.dtype)


# On CPU the fused kernel's backward pass is several times slower than two batched products up to about
# this length; beyond it the quadratic score matrix costs more memory than the speed is worth.
SHORT_SEQUENCE = 512


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Grouped-query causal attention: queries [B, H, T, E], keys and values [B, K, T, E] -> [B, H, T, E]."""
    rows, heads, length, width = query.shape
    key_heads = key.shape[1]
    if query.device.type != "cpu" or length > SHORT_SEQUENCE:
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=key_heads != heads
        )
    groups = heads // key_heads
    query = query.reshape(rows, key_heads, groups * length, width)
    visible = torch.ones(length, length, dtype=torch.bool).tril().repeat(groups, 1)
    return masked_attention(query, key, value, visible).view(rows, heads, length, width)


def masked_attention(query: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
    """Attention of queries [B, K, Q, E] to the keys and values [B, K, T, E] that `visible`, bool [..., Q, T],
    is True for.

    On a CPU it is written out, the scorer's like the sampler's: scores and their softmax in float32, the
    shares rounded like every factor of a product. Kernels that round at other places make the two disagree
    by several percent of a token's probability in bfloat16.
    """
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=visible)
    scores = query.float() @ keys.float().transpose(-2, -1) * query.shape[-1] ** -0.5
    mixed: Tensor = scores.masked_fill(~visible, -torch.inf).softmax(-1).to(values.dtype) @ values
    return mixed


class Attention(nn.Module):
    """Causal grouped-query self-attention over whole sequences."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        query_size = config.num_attention_heads * config.head_dim
        key_size = config.num_key_value_heads * config.head_dim
        self.q_proj = Linear(config.hidden_size, query_size)
        self.k_proj = Linear(config.hidden_size, key_size)
        self.v_proj = Linear(config.hidden_size, key_size)
        self.o_proj = Linear(query_size, config.hidden_size)

    def forward(self, values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]; right padding needs no mask, since no token looks to its right."""
        rows, length, _ = values.shape
        shape = (rows, length, -1, self.config.head_dim)
        query = rotate(self.q_proj(values).view(shape).transpose(1, 2), cosine, sine)
        key = rotate(self.k_proj(values).view(shape).transpose(1, 2), cosine, sine)
        value = self.v_proj(values).view(shape).transpose(1, 2)
        mixed = causal_attention(query, key, value)
        projected: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))
        return projected


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size)

    def forward(self, values: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        down: Tensor = self.down_proj(functional.silu(self.gate_proj(values)) * self.up_proj(values))
        return down


class DecoderLayer(nn.Module):
    """Attention, then feed-forward, each on a normalised copy and added to the residual stream."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, residual: Tensor, cosine: Tensor, sine: Tensor, dtype: torch.dtype) -> Tensor:
        """float32 residual [B, T, D] -> the same; matrix products run in `dtype`."""
        residual = residual + self.self_attn(self.input_layernorm(residual, dtype), cosine, sine)
        residual = residual + self.mlp(self.post_attention_layernorm(residual, dtype))
        return residual


class Backbone(nn.Module):
    """Embedding, layers and final norm: everything below the output head."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, ids_BT: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Token ids [B, T], right-padded -> final hidden states float32 [B, T, D]."""
        positions = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        cosine, sine = rotary_table(positions, self.config.head_dim, self.config.rope_theta)
        residual = self.embed_tokens(ids_BT)
        for layer in self.layers:
            residual = layer(residual, cosine, sine, dtype)
        hidden: Tensor = self.norm(residual, torch.float32)
        return hidden


class Decoder(nn.Module):
    """Our own `Policy`: a backbone and the output head, which is the transposed embedding when tied."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.base: str | None = None  # the folder of the weights, which adapters name
        self.model = Backbone(config)
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size)

    @property
    def spec(self) -> ModelSpec:
        """Sizes and special tokens."""
        config = self.config
        return ModelSpec(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            max_positions=config.max_position_embeddings,
            eos_ids=config.eos_ids,
            pad_id=config.pad_token_id,
            bos_id=config.bos_token_id,
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.output_weight.device

    @property
    def output_weight(self) -> Tensor:
        """Weight [V, D] of the output head."""
        if self.config.tie_word_embeddings:
            return self.model.embed_tokens.weight
        return self.lm_head.weight

    def hidden(self, ids_BT: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Final hidden states float32 [B, T, D] of right-padded ids; matrix products run in `dtype`."""
        hidden: Tensor = self.model(ids_BT, dtype)
        return hidden

    def logits(self, hidden: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Hidden states [..., D] -> float32 logits [..., V]: factors rounded to `dtype`, sums never."""
        return functional.linear(hidden.to(dtype).float(), self.output_weight.to(dtype).float())

    def forward(self, ids_BT: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Token ids [B, T] -> float32 logits [B, T, V]."""
        return self.logits(self.hidden(ids_BT, dtype), dtype)

    def save(self, folder: Path) -> None:
        """Write config.json, generation_config.json, the weights, and adapters if there are any."""
        # The formats are written in terms of the decoder, so they are imported only here.
        from practicum.model.checkpoint import save_decoder

        save_decoder(self, folder)

    def restore(self, folder: Path) -> None:
        """Take a saved folder's weights in place: its adapters where there are any, else all weights."""
        from practicum.model.checkpoint import restore_decoder

        restore_decoder(self, folder)


def initialise(decoder: Decoder, seed: int) -> Decoder:
    """Fill a decoder in place with normal weights and return it; norms start at 1.

    Standard deviation 0.02 for the output head, 0.5 / sqrt(hidden_size) for the other matrices, and that
    times 1 / sqrt(2 layers) for the projections back into the residual stream (Radford et al. 2019, GPT-2,
    section 2.3).
    """
    generator = torch.Generator().manual_seed(seed)
    residual_scale = (2 * decoder.config.num_hidden_layers) ** -0.5
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(1.0)
                continue
            std = 0.02 if parameter is decoder.output_weight else decoder.config.hidden_size**-0.5 * 0.5
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                std *= residual_scale
            parameter.normal_(0.0, std, generator=generator)
    return decoder


def compute_dtype(name: str, device: torch.device | str = "cpu") -> torch.dtype:
    """The dtype of matrix products: `float32`, `bfloat16`, or `auto` = bfloat16 where hardware has it.

    PRACTICUM_BFLOAT16=0 makes `auto` float32 on any processor.
    """
    if name == "auto":
        if torch.device(device).type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        return torch.bfloat16 if bfloat16_allowed() and _processor_has_bfloat16() else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def _processor_has_bfloat16() -> bool:
    # PyTorch's own test is private, so a release without it falls back to float32, which is right anywhere.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())


def parameter_count(module: nn.Module) -> int:
    """Number of trainable values, each tied weight counted once."""
    return sum(parameter.numel() for parameter in module.parameters())
