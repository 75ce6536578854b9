"""Incremental decoding in PyTorch: packed weights and a preallocated cache, rows at their own positions.

Runs where the C++ decoder (`native/sampler.py`) cannot. Suffixes as in decoder.py, with S cache slots (rows
being decoded) and L cached positions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from practicum.model.decoder import Decoder, DecoderConfig, masked_attention, rotary_table, rotate
from practicum.model.lora import merged_weights


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
        self.final_norm = decoder.model.norm.weight.detach().clone()
        weights = merged_weights(decoder)
        self.layers = [
            _pack_layer(weights, f"model.layers.{index}.", dtype)
            for index in range(self.config.num_hidden_layers)
        ]
        positions = torch.arange(self.config.max_position_embeddings, device=self.embedding.device)
        self.rotary = rotary_table(positions, self.config.head_dim, self.config.rope_theta)

    def forward(
        self, ids_ST: Tensor, lengths_S: Tensor, cache: KeyValueCache, slots_S: Tensor | None
    ) -> Tensor:
        """Extend cached rows by T tokens each and return float32 logits [S, V] after each row's last token.

        ids_ST: int64, right-padded; lengths_S: int64 in 1..T, real tokens of each row. Rows are cache rows
        `slots_S`, or the first S rows when it is None (no copy then). Filled lengths advance by `lengths_S`.
        """
        rows, steps = ids_ST.shape
        head_dim, key_heads = self.config.head_dim, self.config.num_key_value_heads
        groups = self.config.num_attention_heads // key_heads
        start_S = cache.filled_S[:rows] if slots_S is None else cache.filled_S[slots_S]
        positions_ST = start_S[:, None] + torch.arange(steps, device=ids_ST.device)
        positions_ST = positions_ST.clamp_max(cache.length - 1)
        longest = int(positions_ST.max()) + 1
        cosine = self.rotary[0][positions_ST].unsqueeze(2).to(self.dtype)
        sine = self.rotary[1][positions_ST].unsqueeze(2).to(self.dtype)
        visible = torch.arange(longest, device=ids_ST.device) <= positions_ST[:, :, None]
        mask = (
            visible[:, None, None]
            .expand(rows, 1, groups, steps, longest)
            .reshape(rows, 1, groups * steps, longest)
        )
        row_index = torch.arange(rows, device=ids_ST.device) if slots_S is None else slots_S
        residual = functional.embedding(ids_ST, self.embedding)
        for layer, storage in zip(self.layers, cache.storage, strict=True):
            values = self._norm(residual, layer["attention_norm"])
            heads = functional.linear(values, layer["qkv"]).view(rows, steps, -1, head_dim)
            turned = rotate(heads[:, :, : (groups + 1) * key_heads], cosine, sine)
            query = turned[:, :, : groups * key_heads].view(rows, steps, key_heads, groups, head_dim)
            query = query.permute(0, 2, 3, 1, 4).reshape(rows, key_heads, groups * steps, head_dim)
            storage[0][row_index[:, None], :, positions_ST] = turned[:, :, groups * key_heads :]
            storage[1][row_index[:, None], :, positions_ST] = heads[:, :, (groups + 1) * key_heads :]
            keys, cached_values = (
                part[:rows, :, :longest] if slots_S is None else part[slots_S, :, :longest]
                for part in storage
            )
            mixed = masked_attention(query, keys, cached_values, mask)
            mixed = mixed.view(rows, key_heads, groups, steps, head_dim).permute(0, 3, 1, 2, 4)
            residual = residual + functional.linear(mixed.reshape(rows, steps, -1), layer["output"])
            values = self._norm(residual, layer["feed_forward_norm"])
            gate, up = functional.linear(values, layer["gate_up"]).chunk(2, dim=-1)
            residual = residual + functional.linear(functional.silu(gate) * up, layer["down"])
        last = residual[torch.arange(rows, device=ids_ST.device), lengths_S - 1]
        cache.filled_S[row_index] = start_S + lengths_S
        return functional.linear(self._norm(last, self.final_norm).float(), self.output)

    def _norm(self, values: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(values, weight.shape, weight, self.config.rms_norm_eps).to(self.dtype)


def _pack_layer(weights: dict[str, Tensor], prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """One layer's matrices in the compute dtype, those that read the same input stacked; norms in float32."""

    def stack(*names: str) -> Tensor:
        return torch.cat([weights[f"{prefix}{name}.weight"] for name in names]).to(dtype)

    return {
        "qkv": stack("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "output": stack("self_attn.o_proj"),
        "gate_up": stack("mlp.gate_proj", "mlp.up_proj"),
        "down": stack("mlp.down_proj"),
        "attention_norm": weights[f"{prefix}input_layernorm.weight"].clone(),
        "feed_forward_norm": weights[f"{prefix}post_attention_layernorm.weight"].clone(),
    }
