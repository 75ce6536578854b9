"""Incremental decoding in PyTorch: packed weights and a preallocated cache, rows at their own positions.

Runs where the C++ decoder (`native/sampler.py`) cannot. Suffixes as in decoder.py, with S cache slots (rows
being decoded) and L cached positions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from practicum.model.decoder import (
    ACTIVATIONS,
    NORMS,
    Decoder,
    DecoderConfig,
    finished_logits,
    masked_attention,
    rotary_tables,
)
from practicum.model.lora import merged_weights
from practicum.model.rotary import rotate


class KeyValueCache:
    """Keys and values of every layer for `slots` rows of up to `length` positions, allocated once.

    `filled_S` counts each row's cached tokens; positions at or past it hold leftovers that attention masks.
    """

    def __init__(
        self,
        config: DecoderConfig,
        slots: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (config.num_hidden_layers, 2, slots, config.num_key_value_heads, length, config.head_dim)
        self.storage = torch.zeros(shape, dtype=dtype, device=device)
        self.filled_S = torch.zeros(slots, dtype=torch.int64, device=device)

    @property
    def length(self) -> int:
        """Positions a row can hold."""
        return self.storage.shape[4]

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Copy rows `sources` (int64) over rows `targets`, up to the longest filled length among them."""
        longest = int(self.filled_S[sources].max())
        part = self.storage[:, :, :, :, :longest]
        part[:, :, targets] = part[:, :, sources]
        self.filled_S[targets] = self.filled_S[sources]


class PackedDecoder:
    """A decoder's weights laid out for decoding: query, key and value in one matrix, gate and up in one.

    Packed once per policy version. All are copies, which follow no later change of the decoder's weights.
    """

    def __init__(self, decoder: Decoder, dtype: torch.dtype) -> None:
        self.config = decoder.config
        self.dtype = dtype
        self.embedding = decoder.model.embed_tokens.weight.detach().clone()
        # Logits are summed in float32 as the scorer's are (`Decoder.logits`): factors rounded, sums never.
        self.output = decoder.output_weight.detach().to(dtype, copy=True).float()
        self.final_norm = decoder.model.norm.weight.detach() + self.config.norm_offset
        weights = merged_weights(decoder)
        self.layers = [
            _pack_layer(self.config, weights, index, dtype) for index in range(len(decoder.model.layers))
        ]
        positions = torch.arange(self.config.max_position_embeddings, device=self.embedding.device)
        self.rotary = rotary_tables(self.config, positions)

    def forward(
        self, ids_ST: Tensor, lengths_S: Tensor, cache: KeyValueCache, slots_S: Tensor | None
    ) -> Tensor:
        """Extend cached rows by T tokens each and return float32 logits [S, V] after each row's last token.

        ids_ST: int64, right-padded; lengths_S: int64 in 1..T, real tokens of each row. Rows are cache rows
        `slots_S`, or the first S rows when it is None (no copy then). Filled lengths advance by `lengths_S`.
        """
        config = self.config
        rows, steps = ids_ST.shape
        groups = config.num_attention_heads // config.num_key_value_heads
        start_S = cache.filled_S[:rows] if slots_S is None else cache.filled_S[slots_S]
        positions_ST = start_S[:, None] + torch.arange(steps, device=ids_ST.device)
        positions_ST = positions_ST.clamp_max(cache.length - 1)
        longest = int(positions_ST.max()) + 1
        tables = {
            name: tuple(table[positions_ST].unsqueeze(2).to(self.dtype) for table in pair)
            for name, pair in self.rotary.items()
        }
        columns = torch.arange(longest, device=ids_ST.device)
        visible = columns <= positions_ST[:, :, None]
        masks: dict[int | None, Tensor] = {None: _for_groups(visible, groups)}
        if config.windowed_layers and config.sliding_window is not None:
            near = columns > positions_ST[:, :, None] - config.sliding_window
            masks[config.sliding_window] = _for_groups(visible & near, groups)
        row_index = torch.arange(rows, device=ids_ST.device) if slots_S is None else slots_S
        places = (row_index[:, None], positions_ST)
        residual = functional.embedding(ids_ST, self.embedding)
        if config.embedding_multiplier != 1:
            residual = residual * config.embedding_multiplier
        before, after, feed_before, feed_after = NORMS[config.norms]
        for index, (layer, storage) in enumerate(zip(self.layers, cache.storage, strict=True)):
            values = self._norm(residual, layer.get(before))
            query = self._attend_inputs(layer, values, tables.get(config.rotary(index)), storage, places)
            keys, cached_values = (
                part[:rows, :, :longest] if slots_S is None else part[slots_S, :, :longest]
                for part in storage
            )
            mixed = masked_attention(
                query,
                keys,
                cached_values,
                masks[config.window(index)],
                config.attention_scale,
                config.attention_soft_cap,
            )
            mixed = mixed.view(rows, config.num_key_value_heads, groups, steps, config.head_dim)
            mixed = mixed.permute(0, 3, 1, 2, 4).reshape(rows, steps, -1)
            attended = functional.linear(mixed, layer["output"], layer.get("output_bias"))
            residual = self._add(residual, attended, layer.get(after))
            values = self._norm(residual, layer.get(feed_before))
            gate, up = functional.linear(values, layer["gate_up"], layer.get("gate_up_bias")).chunk(2, dim=-1)
            inner = ACTIVATIONS[config.activation](gate) * up
            fed = functional.linear(inner, layer["down"], layer.get("down_bias"))
            residual = self._add(residual, fed, layer.get(feed_after))
        last = residual[torch.arange(rows, device=ids_ST.device), lengths_S - 1]
        cache.filled_S[row_index] = start_S + lengths_S
        products = functional.linear(self._norm(last, self.final_norm).float(), self.output)
        return finished_logits(config, products)

    def _attend_inputs(
        self,
        layer: dict[str, Tensor],
        values: Tensor,
        tables: tuple[Tensor, ...] | None,
        storage: Tensor,
        places: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Write keys and values of `values` [S, T, D] into the cache; return queries [S, K, G * T, E]."""
        config, (rows, steps, _) = self.config, values.shape
        key_heads, width = config.num_key_value_heads, config.head_dim
        groups = config.num_attention_heads // key_heads
        heads = functional.linear(values, layer["qkv"], layer.get("qkv_bias")).view(rows, steps, -1, width)
        turned = heads[:, :, : (groups + 1) * key_heads]
        if config.query_key_norm:
            parts = torch.split(turned, [groups * key_heads, key_heads], dim=2)
            whole = config.query_key_norm == "whole"
            turned = torch.cat(
                [
                    self._norm(part.flatten(2) if whole else part, layer[f"{name}_norm"]).view(part.shape)
                    for name, part in zip("qk", parts, strict=True)
                ],
                dim=2,
            )
        if tables is not None:
            turned = rotate(turned, *tables)
        row_index, positions_ST = places
        storage[0][row_index, :, positions_ST] = turned[:, :, groups * key_heads :]
        storage[1][row_index, :, positions_ST] = heads[:, :, (groups + 1) * key_heads :]
        query = turned[:, :, : groups * key_heads].view(rows, steps, key_heads, groups, width)
        return query.permute(0, 2, 3, 1, 4).reshape(rows, key_heads, groups * steps, width)

    def _norm(self, values: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None:
            return values.to(self.dtype)
        return functional.rms_norm(values.float(), weight.shape, weight, self.config.rms_norm_eps).to(
            self.dtype
        )

    def _add(self, residual: Tensor, values: Tensor, norm: Tensor | None) -> Tensor:
        if norm is not None:
            values = self._norm(values, norm)
        multiplier = self.config.residual_multiplier
        return residual + (values if multiplier == 1 else values.float() * multiplier)


def _for_groups(visible: Tensor, groups: int) -> Tensor:
    """Bool [S, T, L] -> [S, 1, groups * T, L]: the queries of one key-value head lie side by side."""
    rows, steps, longest = visible.shape
    shape = (rows, 1, groups, steps, longest)
    return visible[:, None, None].expand(shape).reshape(rows, 1, groups * steps, longest)


def _pack_layer(
    config: DecoderConfig, weights: dict[str, Tensor], index: int, dtype: torch.dtype
) -> dict[str, Tensor]:
    """One layer's matrices and biases in the compute dtype, those that read the same input stacked, and its
    norms in float32; a part that the family does not have is left out."""
    prefix = f"model.layers.{index}."
    stacks = {
        "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "output": ("self_attn.o_proj",),
        "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
        "down": ("mlp.down_proj",),
    }
    packed = {
        name: torch.cat([weights[f"{prefix}{part}.weight"] for part in parts]).to(dtype)
        for name, parts in stacks.items()
    }
    for name, parts in stacks.items():
        if f"{prefix}{parts[0]}.bias" in weights:
            packed[f"{name}_bias"] = torch.cat([weights[f"{prefix}{part}.bias"] for part in parts]).to(dtype)
    norms = {name: name for name in NORMS[config.norms] if name}
    if config.query_key_norm:
        norms |= {"q_norm": "self_attn.q_norm", "k_norm": "self_attn.k_norm"}
    for name, path in norms.items():
        packed[name] = weights[f"{prefix}{path}.weight"] + config.norm_offset
    return packed
