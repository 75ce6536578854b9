"""A decoder of the Llama family and its relatives: RMSNorm, rotary positions, grouped-query attention, gates.

One set of modules for all of them. What tells one family from another are fields of `DecoderConfig`: biases,
norms and where they stand, multipliers, soft caps, windows, layers without positions. Which family has which
is a table (`practicum/model/families.py`). Parameter names and the rotary layout are Hugging Face's, so
loading and saving a folder is a copy (`practicum/model/checkpoint.py`). Dimension suffixes: B rows,
T positions, D hidden width, H query heads, K key-value heads, E width of one head, V vocabulary.

Sources: Touvron et al. 2023 (LLaMA, arXiv 2302.13971); Su et al. 2021 (RoPE, 2104.09864);
Ainslie et al. 2023 (grouped-query attention, 2305.13245); Shazeer 2020 (SwiGLU and GeGLU, 2002.05202);
Jiang et al. 2023 (sliding windows, 2310.06825); Gemma Team 2024 (soft caps, post norms, 2408.00118);
OLMo Team 2025 (norms of queries, keys and outputs, 2501.00656).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.native import bfloat16_allowed
from practicum.model.policy import ModelSpec, NotCoveredError
from practicum.model.rotary import RopeScaling, rotary_table, rotate

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
}
# Names of a layer's norms, by where they stand: before and after attention, before and after feed-forward.
NORMS: dict[str, tuple[str, str, str, str]] = {
    "before": ("input_layernorm", "", "post_attention_layernorm", ""),
    "after": ("", "post_attention_layernorm", "", "post_feedforward_layernorm"),
    "both": (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
}
# Families whose hidden size transformers wants to be a multiple of the heads, whatever the heads' width.
DIVIDED = ("llama", "gemma2", "gemma3_text")
Tables = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class DecoderConfig:
    """Shape of a decoder; the field names are those of Hugging Face's configs, as far as these have one.

    `eos_token_id` is the token that training puts at the end of an answer. It and `other_eos_ids` all end a
    sequence that is sampled; `LlamaConfig` has them as one list.

    Raises InputError for heads that do not divide as transformers, too, asks for, and for values that no
    family has.
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
    model_type: str = "llama"
    """The family that config.json is written for."""
    rope_scaling: RopeScaling | None = None
    local_rope_theta: float | None = None
    """Base of the rotary angles in windowed layers, which then take no scaling; None: as everywhere."""
    rotary_share: float = 1.0
    """Share of a head that is rotated, its first values."""
    unrotated_layers: tuple[int, ...] = ()
    """Layers without rotary positions."""
    sliding_window: int | None = None
    """Windowed layers see this many last positions, their own included."""
    windowed_layers: tuple[int, ...] = ()
    attention_bias: bool = False
    """Biases of queries, keys and values."""
    output_bias: bool = False
    """Bias of attention's output."""
    mlp_bias: bool = False
    query_key_norm: str = ""
    """RMSNorm of queries and keys: `head`, each head by itself, `whole`, all heads together, or none."""
    norms: str = "before"
    """Norms stand `before` attention and feed-forward, `after` them, or `both`."""
    norm_offset: float = 0.0
    """Norms multiply by weight + norm_offset."""
    activation: str = "silu"
    embedding_multiplier: float = 1.0
    attention_multiplier: float | None = None
    """Scores are queries times keys times this; None: 1 / sqrt(head_dim)."""
    residual_multiplier: float = 1.0
    """What attention and feed-forward give is multiplied by this before it is added."""
    logits_scaling: float = 1.0
    """Logits are divided by this."""
    attention_soft_cap: float | None = None
    """Scores s become cap * tanh(s / cap)."""
    final_soft_cap: float | None = None
    """Logits, likewise."""

    def __post_init__(self) -> None:
        for whole, part in (
            ("hidden_size", "num_attention_heads"),
            ("num_attention_heads", "num_key_value_heads"),
        ):
            size, count = getattr(self, whole), getattr(self, part)
            free = whole == "hidden_size" and self.model_type not in DIVIDED
            if count < 1 or (size % count and not free):
                raise InputError(f"{part} {count} must be at least 1 and divide {whole} {size}")
        if self.rotated % 2 or self.rotated < 2:
            # transformers rotates an odd part by one value more, which the decoder does not.
            whole_head = self.rotary_share == 1
            name = "head_dim" if whole_head else "the rotated part of head_dim"
            kind = InputError if whole_head else NotCoveredError
            raise kind(f"{name} {self.rotated} must be even, for rotary positions")
        if self.sliding_window is not None and self.sliding_window < 1:
            raise InputError(f"sliding_window {self.sliding_window} must be at least 1")
        if self.windowed_layers and self.sliding_window is None:
            raise InputError("windowed layers need a sliding_window")
        for name, known in (
            ("activation", tuple(ACTIVATIONS)),
            ("norms", tuple(NORMS)),
            ("query_key_norm", ("", "head", "whole")),
        ):
            if getattr(self, name) not in known:
                raise NotCoveredError(
                    f"{name} is {getattr(self, name)!r}; the decoder has {', '.join(known)}"
                )

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Every token that ends a sequence, the one that training appends first."""
        return tuple(dict.fromkeys((self.eos_token_id, *self.other_eos_ids)))

    @property
    def rotated(self) -> int:
        """Values of a head that rotary positions turn."""
        return self.head_dim if self.rotary_share == 1 else int(self.head_dim * self.rotary_share)

    @property
    def attention_scale(self) -> float:
        """What products of queries and keys are multiplied by."""
        return self.head_dim**-0.5 if self.attention_multiplier is None else self.attention_multiplier

    def window(self, layer: int) -> int | None:
        """Positions that a layer sees, its own included; None: all before it."""
        return self.sliding_window if layer in self.windowed_layers else None

    def rotary(self, layer: int) -> str:
        """Which of `rotary_tables` a layer reads: `global`, `local`, or none."""
        if layer in self.unrotated_layers:
            return ""
        return "local" if self.local_rope_theta is not None and layer in self.windowed_layers else "global"


def rotary_tables(config: DecoderConfig, positions: Tensor) -> dict[str, Tables]:
    """Cosines and sines float32 [..., rotated] at int64 `positions` [...], by the name `config.rotary` gives.

    With `dynamic` scaling those of all positions follow from the last one, as in one pass of transformers.
    """
    tables = {
        "global": rotary_table(
            positions, config.rotated, config.rope_theta, config.rope_scaling, config.max_position_embeddings
        )
    }
    if config.local_rope_theta is not None:
        tables["local"] = rotary_table(positions, config.rotated, config.local_rope_theta)
    return tables


class Linear(nn.Module):
    """A linear map whose float32 master weight is cast to the dtype of its input; without bias as a rule.

    The cast is part of the graph, so gradients arrive at the master weight in its own dtype.
    """

    def __init__(self, input_size: int, output_size: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(output_size, input_size))
        self.bias = nn.Parameter(torch.zeros(output_size)) if bias else None

    def forward(self, values: Tensor) -> Tensor:
        """[..., input_size] -> [..., output_size] in the dtype of `values`."""
        bias = self.bias if self.bias is None else self.bias.to(values.dtype)
        return functional.linear(values, self.weight.to(values.dtype), bias)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019, 1910.07467, eq. 4), computed in float32.

    With an `offset`, weight + offset takes the place of the weight.
    """

    def __init__(self, size: int, eps: float, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), 1.0 - offset))
        self.eps, self.offset = eps, offset

    def forward(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """[..., size] of any float dtype -> the same shape in `dtype`."""
        values = values.float()
        scale = torch.rsqrt(values.square().mean(-1, keepdim=True) + self.eps)
        weight = self.weight + self.offset if self.offset else self.weight
        return (values * scale * weight).to(dtype)


# On CPU the fused kernel's backward pass is several times slower than two batched products up to about
# this length; beyond it the quadratic score matrix costs more memory than the speed is worth.
SHORT_SEQUENCE = 512


def soft_capped(values: Tensor, cap: float | None) -> Tensor:
    """cap * tanh(values / cap); None changes nothing."""
    return values if cap is None else torch.tanh(values / cap) * cap


def causal_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    cap: float | None = None,
    window: int | None = None,
) -> Tensor:
    """Grouped-query causal attention: queries [B, H, T, E], keys and values [B, K, T, E] -> [B, H, T, E].

    `window` is how many last positions each query sees, its own included; None: all.
    """
    rows, heads, length, width = query.shape
    key_heads = key.shape[1]
    visible = None
    if window is not None and window < length:
        visible = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        visible = visible.triu(1 - window)
    if cap is None and (query.device.type != "cpu" or length > SHORT_SEQUENCE):
        return functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=visible,
            is_causal=visible is None,
            scale=scale,
            enable_gqa=key_heads != heads,
        )
    if visible is None:
        visible = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    groups = heads // key_heads
    query = query.reshape(rows, key_heads, groups * length, width)
    mixed = masked_attention(query, key, value, visible.repeat(groups, 1), scale, cap)
    return mixed.view(rows, heads, length, width)


def masked_attention(
    query: Tensor, keys: Tensor, values: Tensor, visible: Tensor, scale: float, cap: float | None = None
) -> Tensor:
    """Attention of queries [B, K, Q, E] to the keys and values [B, K, T, E] that `visible`, bool [..., Q, T],
    is True for.

    On a CPU, and everywhere with a soft cap, it is written out, the scorer's like the sampler's: scores and
    their softmax in float32, the shares rounded like every factor of a product. Kernels that round at other
    places make the two disagree by several percent of a token's probability in bfloat16.
    """
    if query.device.type != "cpu" and cap is None:
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=visible, scale=scale)
    scores = soft_capped(query.float() @ keys.float().transpose(-2, -1) * scale, cap)
    mixed: Tensor = scores.masked_fill(~visible, -torch.inf).softmax(-1).to(values.dtype) @ values
    return mixed


class Attention(nn.Module):
    """Causal grouped-query self-attention of one layer over whole sequences."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.config, self.window = config, config.window(layer)
        query_size = config.num_attention_heads * config.head_dim
        key_size = config.num_key_value_heads * config.head_dim
        self.q_proj = Linear(config.hidden_size, query_size, config.attention_bias)
        self.k_proj = Linear(config.hidden_size, key_size, config.attention_bias)
        self.v_proj = Linear(config.hidden_size, key_size, config.attention_bias)
        self.o_proj = Linear(query_size, config.hidden_size, config.output_bias)
        if config.query_key_norm:
            whole = config.query_key_norm == "whole"
            for name, size in (("q_norm", query_size), ("k_norm", key_size)):
                size = size if whole else config.head_dim
                self.add_module(name, RMSNorm(size, config.rms_norm_eps, config.norm_offset))

    def forward(self, values: Tensor, tables: Tables | None) -> Tensor:
        """[B, T, D] -> [B, T, D]; right padding needs no mask, since no token looks to its right."""
        config, (rows, length, _) = self.config, values.shape
        shape = (rows, length, -1, config.head_dim)
        query = self._normed("q_norm", self.q_proj(values), shape).transpose(1, 2)
        key = self._normed("k_norm", self.k_proj(values), shape).transpose(1, 2)
        if tables is not None:
            query, key = rotate(query, *tables), rotate(key, *tables)
        value = self.v_proj(values).view(shape).transpose(1, 2)
        mixed = causal_attention(
            query, key, value, config.attention_scale, config.attention_soft_cap, self.window
        )
        projected: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))
        return projected

    def _normed(self, name: str, values: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Queries or keys [B, T, heads * E] as `shape` [B, T, heads, E], normed where it is done."""
        if not self.config.query_key_norm:
            return values.view(shape)
        whole = self.config.query_key_norm == "whole"
        normed: Tensor = getattr(self, name)(values if whole else values.view(shape), values.dtype)
        return normed.view(shape)


class FeedForward(nn.Module):
    """A gated feed-forward block: down(activation(gate(x)) * up(x))."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, config.mlp_bias)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, config.mlp_bias)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, config.mlp_bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, values: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        down: Tensor = self.down_proj(self.activation(self.gate_proj(values)) * self.up_proj(values))
        return down


class DecoderLayer(nn.Module):
    """Attention, then feed-forward, each added to the residual stream, with norms before or after or both."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.config = config
        self.self_attn = Attention(config, layer)
        self.mlp = FeedForward(config)
        for name in filter(None, NORMS[config.norms]):
            self.add_module(name, RMSNorm(config.hidden_size, config.rms_norm_eps, config.norm_offset))

    def forward(self, residual: Tensor, tables: Tables | None, dtype: torch.dtype) -> Tensor:
        """float32 residual [B, T, D] -> the same; matrix products run in `dtype`."""
        before, after, feed_before, feed_after = NORMS[self.config.norms]
        mixed = self.self_attn(self._norm(before, residual, dtype), tables)
        residual = self._add(residual, self._norm(after, mixed, dtype))
        fed = self.mlp(self._norm(feed_before, residual, dtype))
        return self._add(residual, self._norm(feed_after, fed, dtype))

    def _norm(self, name: str, values: Tensor, dtype: torch.dtype) -> Tensor:
        normed: Tensor = getattr(self, name)(values, dtype) if name else values.to(dtype)
        return normed

    def _add(self, residual: Tensor, values: Tensor) -> Tensor:
        multiplier = self.config.residual_multiplier
        return residual + (values if multiplier == 1 else values.float() * multiplier)


class Embedding(nn.Embedding):
    """One whose weights are not drawn: `initialise` or a checkpoint gives them."""

    def reset_parameters(self) -> None:
        """Nothing. PyTorch's draws on the meta device load its compiler, which takes a second."""


class Backbone(nn.Module):
    """Embedding, layers and final norm: everything below the output head."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps, config.norm_offset)

    def forward(self, ids_BT: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Token ids [B, T], right-padded -> final hidden states float32 [B, T, D]."""
        config = self.config
        tables = rotary_tables(config, torch.arange(ids_BT.shape[1], device=ids_BT.device))
        residual = self.embed_tokens(ids_BT)
        if config.embedding_multiplier != 1:
            residual = residual * config.embedding_multiplier
        for index, layer in enumerate(self.layers):
            residual = layer(residual, tables.get(config.rotary(index)), dtype)
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
        products = functional.linear(hidden.to(dtype).float(), self.output_weight.to(dtype).float())
        return finished_logits(self.config, products)

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


def finished_logits(config: DecoderConfig, products: Tensor) -> Tensor:
    """Products of hidden states and output head -> logits: divided and capped where the family does so."""
    scaled = products if config.logits_scaling == 1 else products / config.logits_scaling
    return soft_capped(scaled, config.final_soft_cap)


def initialise(decoder: Decoder, seed: int) -> Decoder:
    """Fill a decoder in place with normal weights and return it; norms start at 1, biases at 0.

    Standard deviation 0.02 for the output head, 0.5 / sqrt(hidden_size) for the other matrices, and that
    times 1 / sqrt(2 layers) for the projections back into the residual stream (Radford et al. 2019, GPT-2,
    section 2.3).
    """
    generator = torch.Generator().manual_seed(seed)
    residual_scale = (2 * decoder.config.num_hidden_layers) ** -0.5
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(0.0 if name.endswith(".bias") else 1.0 - decoder.config.norm_offset)
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
        kind = torch.device(device).type
        if kind == "cuda":
            # Older cards only emulate bfloat16, which is slower there than float32.
            hardware = torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if hardware else torch.float32
        if kind != "cpu":
            return torch.float32
        return torch.bfloat16 if bfloat16_allowed() and _processor_has_bfloat16() else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def _processor_has_bfloat16() -> bool:
    # PyTorch's own test is private, so a release without it falls back to float32, which is right anywhere.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())


def parameter_count(module: nn.Module) -> int:
    """Number of trainable values, each tied weight counted once."""
    return sum(parameter.numel() for parameter in module.parameters())
