"""The scorer's pass through a decoder, written out: packed sequences, C++ kernels, a backward pass by hand.

Sequences lie end to end without padding, and each token attends within its own sequence. What several begin
with is computed once (`sharing.py`), but for attention. Matrix products are PyTorch's; what lies between them
(normalisation, rotary attention, SwiGLU, log-probabilities) are kernels of `native/train.cpp`. Only the last
layer's attention reads tokens that no loss counts: everything behind it runs on target positions alone.
`decoder.py` computes the same numbers, and runs where kernels do not apply.

Suffixes: N packed tokens, M target positions, D hidden width, V vocabulary.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, cast

import torch
from torch import Tensor, nn

from practicum.model import decoder as modules
from practicum.model.decoder import NORMS, Decoder, DecoderConfig, Linear, rotary_tables
from practicum.model.lora import LoraLinear, merged_weights
from practicum.model.native import load, say_passed_over
from practicum.model.native.sampler import attention_scale, unknown_layers
from practicum.model.native.sharing import Shared, shared_beginnings

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
# Arguments of each kernel: l a whole number, f a float32, p an array.
SIGNATURES = {
    "add_norm": "llffpppppp",
    "add_final_norm": "llffpppppp",
    "norm_backward": "llfppppppp",
    "final_norm_backward": "llfppppppp",
    "swiglu": "llpp",
    "swiglu_backward": "llppp",
    "geglu": "llpp",
    "geglu_backward": "llppp",
    "attention": "lplllfflppppp",
    "attention_backward": "lplllfflppppppp",
    "pack_output": "llpp",
    "logprobs": "lllfffpppppp",
    "logprobs_backward": "lllfffpppppppp",
    "scatter_rows": "llppp",
}
# Gradients of this many logits exist at a time.
MOST_LOGITS = 1 << 22
GATES = {"silu": "swiglu", "gelu_pytorch_tanh": "geglu"}
PLAIN_MODULES = {
    modules.Decoder,
    modules.Backbone,
    modules.DecoderLayer,
    modules.Attention,
    modules.FeedForward,
    modules.Linear,
    LoraLinear,
    modules.RMSNorm,
    modules.Embedding,
    nn.ModuleList,
}


class Work:
    """Counts of what scorers did, on any thread: forward_passes, tokens, targets, weight_casts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, **counts: int) -> None:
        """Add to the counts."""
        with self._lock:
            self.counts.update(counts)


work = Work()


@dataclass(frozen=True)
class PackedLayer:
    """One layer's weights as they enter products: query, key and value in one matrix, gate and up in one.

    Adapters are added to the weights. `maps` are its linear maps: query, key, value, output, gate, up, down.
    `norms` are those of `NORMS`, then of queries and keys; `biases` those of qkv, out, gate_up and down. What
    the family does not have is None.
    """

    qkv: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor
    maps: list[Linear]
    norms: list[Tensor | None]
    biases: list[Tensor | None]
    rotary: str
    window: int


@dataclass(frozen=True)
class PackedWeights:
    """A decoder's weights in the dtype of its products, cast once for all micro-batches of an update.

    `masters` are the parameters they were cast from, which receive the gradients: of a map with an adapter,
    the adapter's two matrices in place of the weight. `output_panels` is the output matrix as the
    log-probability kernel reads it.
    """

    config: DecoderConfig
    dtype: torch.dtype
    layers: list[PackedLayer]
    output: Tensor
    output_panels: Tensor
    output_master: Tensor
    masters: list[Tensor]


def pack_weights(decoder: nn.Module, dtype: torch.dtype) -> PackedWeights | None:
    """Cast and lay out the weights, or None where the kernels do not apply, which is said once on stderr.

    They apply on a CPU with a compiler, to decoders made of `decoder.py`'s own modules and `lora.py`'s
    adapters and nothing else (it would be passed over), with an even hidden and intermediate size, without
    exact GELU and without heads that are rotated in part.
    """
    reason = _unknown(decoder, dtype)
    if not _on_cpu(decoder) or load("train") is None:
        return None
    if reason is not None:
        say_passed_over("training", reason)
        return None
    decoder = cast(Decoder, decoder)
    config = decoder.config
    work.add(weight_casts=1)
    named = merged_weights(decoder)
    layers = [
        _pack_layer(config, named, index, dtype, _maps(layer))
        for index, layer in enumerate(decoder.model.layers)
    ]
    output = decoder.output_weight.detach().to(dtype).contiguous()
    panels = torch.empty((-(-config.vocab_size // 64) * 64, config.hidden_size), dtype=dtype)
    _call("pack_output", dtype, config.vocab_size, config.hidden_size, output, panels)
    masters = [decoder.model.embed_tokens.weight]
    for layer in decoder.model.layers:
        masters += [part for part in _layer_masters(config, layer) if part is not None]
    masters.append(decoder.model.norm.weight)
    return PackedWeights(config, dtype, layers, output, panels, decoder.output_weight, masters)


def _on_cpu(decoder: nn.Module) -> bool:
    return all(parameter.device.type == "cpu" for parameter in decoder.parameters())


def _unknown(decoder: nn.Module, dtype: torch.dtype) -> str | None:
    """What of this model the kernels do not know, or None where they know all of it."""
    # First of all, since no other model need have the attributes that the rest reads.
    other = {type(module) for module in decoder.modules()} - PLAIN_MODULES
    if other or not isinstance(decoder, Decoder):
        names = sorted(module.__name__ for module in other or {type(decoder)})
        return f"the kernels do not know the model's modules {', '.join(names)}"
    config = decoder.config
    if config.hidden_size % 2 or config.intermediate_size % 2:
        return "the kernels do not know odd hidden or intermediate sizes"
    if dtype not in NAMES:
        return f"the kernels do not compute in {str(dtype).removeprefix('torch.')}"
    return unknown_layers(config)


def _pack_layer(
    config: DecoderConfig, named: dict[str, Tensor], index: int, dtype: torch.dtype, maps: list[Linear]
) -> PackedLayer:
    prefix = f"model.layers.{index}."

    def joined(*names: str) -> Tensor:
        return torch.cat([named[f"{prefix}{name}.weight"].to(dtype) for name in names])

    def norm(name: str) -> Tensor | None:
        weight = named.get(f"{prefix}{name}.weight")
        return weight + config.norm_offset if weight is not None and config.norm_offset else weight

    def bias(*parts: Linear) -> Tensor | None:
        found = [part.bias.detach() for part in parts if part.bias is not None]
        return torch.cat(found).to(dtype) if found else None

    return PackedLayer(
        qkv=joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=joined("self_attn.o_proj"),
        gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
        down=joined("mlp.down_proj"),
        maps=maps,
        norms=[norm(name) for name in (*NORMS[config.norms], "self_attn.q_norm", "self_attn.k_norm")],
        biases=[bias(*maps[:3]), bias(maps[3]), bias(*maps[4:6]), bias(maps[6])],
        rotary=config.rotary(index),
        window=config.window(index) or 0,
    )


def _maps(layer: Any) -> list[Linear]:
    attention, feed = layer.self_attn, layer.mlp
    return [
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        *(feed.gate_proj, feed.up_proj, feed.down_proj),
    ]


def _layer_masters(config: DecoderConfig, layer: Any) -> list[Tensor | None]:
    """Weights of maps, then norms, then biases; None for what the family does not have."""
    norms = [getattr(layer, name).weight if name else None for name in NORMS[config.norms]]
    for name in ("q_norm", "k_norm"):
        norms.append(getattr(layer.self_attn, name).weight if config.query_key_norm else None)
    maps = _maps(layer)
    return [*(part for one in maps for part in _map_masters(one)), *norms, *(one.bias for one in maps)]


def _map_masters(one: Linear) -> list[Tensor]:
    return [one.lora_A, one.lora_B] if isinstance(one, LoraLinear) else [one.weight]


def _map_gradients(maps: list[Linear], slope_NO: Tensor, values_NI: Tensor) -> list[Tensor | None]:
    """Gradients in the order of `_map_masters` of maps from `values_NI`, their outputs side by side.

    With y = (W + s B A) x: dA = s B^T dy x^T and dB = s dy (A x)^T (Hu et al. 2021, 2106.09685, eq. 3), by
    products of the adapter's rank; the gradient of the whole weight is never formed.
    """
    sizes = [len(one.weight) for one in maps]
    if all(type(one) is Linear and one.weight.requires_grad for one in maps):
        return list(torch.split((slope_NO.t() @ values_NI).float(), sizes))
    found: list[Tensor | None] = []
    for one, slope in zip(maps, torch.split(slope_NO, sizes, dim=1), strict=True):
        if isinstance(one, LoraLinear):
            down, up = one.lora_A.detach().to(slope.dtype), one.lora_B.detach().to(slope.dtype)
            found.append(((slope @ up).t() @ values_NI).float() * one.scale)
            found.append((slope.t() @ (values_NI @ down.t())).float() * one.scale)
        else:
            found.append((slope.t() @ values_NI).float() if one.weight.requires_grad else None)
    return found


@dataclass(frozen=True)
class Packing:
    """What attention knows of the sequences: where they begin, rotary tables, and which tokens are shared."""

    starts: Tensor
    tables: dict[str, tuple[Tensor, ...]]
    shared: Shared | None = None


def packed_hidden(weights: PackedWeights, ids_N: Tensor, starts: Tensor, targets_M: Tensor) -> Tensor:
    """Final hidden states float32 [M, D] at the packed positions `targets_M` (int64, rising).

    ids_N: int64, sequences end to end. starts: int64 [sequences + 1], where each begins; the last is N.
    """
    shared = shared_beginnings(ids_N, starts)
    computed = len(ids_N) if shared is None else len(shared.first_U)
    work.add(forward_passes=1, tokens=len(ids_N), targets=len(targets_M), shared_tokens=len(ids_N) - computed)
    longest = int(starts.diff().max()) if len(starts) > 1 else 0
    half = weights.config.head_dim // 2
    tables = {
        name: tuple(table[:, :half].contiguous() for table in pair)
        for name, pair in rotary_tables(weights.config, torch.arange(longest)).items()
    }
    if shared is None:
        return _hidden(weights, ids_N, Packing(starts, tables), targets_M)
    # One hidden state may predict several targets.
    targets, number_M = torch.unique(shared.place_N[targets_M], return_inverse=True)
    return _hidden(weights, shared.gather(ids_N), Packing(starts, tables, shared), targets)[number_M]


def _hidden(weights: PackedWeights, ids_U: Tensor, packing: Packing, targets_M: Tensor) -> Tensor:
    hidden: Tensor = _Hidden.apply(weights, ids_U, packing, targets_M, *weights.masters)  # type: ignore[no-untyped-call]
    return hidden


def packed_logprobs(
    weights: PackedWeights,
    hidden_MD: Tensor,
    targets_M: Tensor,
    temperature: float = 1.0,
    *,
    entropy_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probability of each target id and the entropy of its distribution, float32 [M] both.

    Logits are float32 sums of products in the weights' dtype, divided by `temperature`, and never stored.
    """
    arguments = (weights, hidden_MD, weights.output_master, targets_M, 1 / temperature, entropy_gradient)
    chosen, entropy = _Logprobs.apply(*arguments)  # type: ignore[no-untyped-call]
    return chosen, entropy


@dataclass
class _Norm:
    """What the backward pass of a norm needs: its input in float32, the scale of each row, its weight."""

    values: Tensor
    scale: Tensor
    weight: Tensor | None


@dataclass
class _LayerState:
    """What one layer's backward pass needs of its forward pass; `norms` as in PackedLayer."""

    normed: Tensor
    qkv: Tensor
    logsum: Tensor
    mixed: Tensor
    mixed_targets: Tensor
    feed_normed: Tensor
    gate_up: Tensor
    norms: list[_Norm | None]


class _Hidden(torch.autograd.Function):
    """Embedding, layers and final norm of packed sequences."""

    @staticmethod
    def forward(
        ctx: Any, weights: PackedWeights, ids_N: Tensor, packing: Packing, targets_M: Tensor, *rest: Any
    ) -> Any:
        config, dtype = weights.config, weights.dtype
        embedding, final_norm = rest[0], rest[-1]
        keep = any(ctx.needs_input_grad)
        residual_ND = embedding.detach()[ids_N]
        if config.embedding_multiplier != 1:
            residual_ND *= config.embedding_multiplier
        delta_ND: Tensor | None = None
        states: list[_LayerState] = []
        whole = len(targets_M) == len(ids_N)
        for number, layer in enumerate(weights.layers):
            chosen = targets_M if number == len(weights.layers) - 1 and not whole else None
            state, residual_ND, delta_ND = _layer_forward(
                config, dtype, layer, residual_ND, delta_ND, packing, chosen
            )
            if keep:
                states.append(state)
            del state
        final_weight = final_norm.detach() + config.norm_offset if config.norm_offset else final_norm.detach()
        residual_MD, hidden_MD, scale_M = _add_norm(
            config, dtype, residual_ND, delta_ND, final_weight, final=True
        )
        if keep:
            ctx.states, ctx.final = states, (residual_MD, scale_M)
            ctx.fixed = (weights, ids_N, packing, targets_M, final_weight, whole)
        return hidden_MD

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        weights, ids_N, packing, targets_M, final_norm, whole = ctx.fixed
        config, dtype = weights.config, weights.dtype
        residual_MD, scale_M = ctx.final
        slope = torch.zeros_like(residual_MD)
        rounded = torch.empty_like(residual_MD, dtype=dtype)
        final_gradient = torch.zeros_like(final_norm)
        gradient_in = slopes[0].contiguous()
        final = _Norm(residual_MD, scale_M, final_norm)
        multiplier = config.residual_multiplier
        _norm_backward(dtype, final, gradient_in, slope, rounded, final_gradient, multiplier, final=True)
        found: list[Tensor | None] = []
        last = len(weights.layers) - 1
        for number in range(last, -1, -1):
            chosen = targets_M if number == last and not whole else None
            # Popped, so that each layer's tensors are freed as soon as they are used.
            gradients, slope, rounded = _layer_backward(
                config,
                dtype,
                weights.layers[number],
                ctx.states.pop(),
                slope,
                rounded,
                packing,
                chosen,
            )
            found = gradients + found
        wanted = ctx.needs_input_grad[4:]
        embedding: Tensor | None = None
        if wanted[0]:
            embedding = torch.zeros((config.vocab_size, config.hidden_size))
            if config.embedding_multiplier != 1:
                slope = slope * config.embedding_multiplier
            _call("scatter_rows", torch.float32, len(ids_N), config.hidden_size, ids_N, slope, embedding)
        every = [embedding, *found, final_gradient]
        return (None,) * 4 + tuple(part if want else None for part, want in zip(every, wanted, strict=True))


def _layer_forward(
    config: DecoderConfig,
    dtype: torch.dtype,
    layer: PackedLayer,
    residual_ND: Tensor,
    delta_ND: Tensor | None,
    packing: Packing,
    chosen_M: Tensor | None,
) -> tuple[_LayerState, Tensor, Tensor]:
    """The layer's state, the residual stream before its feed-forward block, and what that block adds."""
    norm, after, feed_norm, feed_after = layer.norms[:4]
    qkv_bias, out_bias, gate_up_bias, down_bias = layer.biases
    before, normed, before_scale = _add_norm(config, dtype, residual_ND, delta_ND, norm)
    qkv = _linear(normed, layer.qkv, qkv_bias)
    qkv, query_norm, key_norm = _norm_queries_and_keys(config, dtype, layer, qkv)
    shared = packing.shared
    attending = qkv if shared is None else shared.spread(qkv)
    mixed = torch.empty((len(attending), config.num_attention_heads * config.head_dim), dtype=dtype)
    logsum = torch.empty((len(attending), config.num_attention_heads))
    _call("attention", dtype, *_attention_shape(config, layer, packing), attending, mixed, logsum)
    mixed = mixed if shared is None else shared.gather(mixed)
    mixed_targets = mixed if chosen_M is None else mixed[chosen_M]
    stream = before if chosen_M is None else before[chosen_M]
    attended, after_norm = _norm_after(config, dtype, _linear(mixed_targets, layer.out, out_bias), after)
    between, feed_normed, between_scale = _add_norm(config, dtype, stream, attended, feed_norm)
    gate_up = _linear(feed_normed, layer.gate_up, gate_up_bias)
    activated = torch.empty((len(gate_up), config.intermediate_size), dtype=dtype)
    _call(GATES[config.activation], dtype, len(gate_up), config.intermediate_size, gate_up, activated)
    fed, feed_after_norm = _norm_after(config, dtype, _linear(activated, layer.down, down_bias), feed_after)
    norms = [
        _Norm(before, before_scale, norm),
        after_norm,
        _Norm(between, between_scale, feed_norm),
        feed_after_norm,
        query_norm,
        key_norm,
    ]
    state = _LayerState(normed, qkv, logsum, mixed, mixed_targets, feed_normed, gate_up, norms)
    return state, between, fed


def _linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    products = values @ weight.t()
    return products if bias is None else products.add_(bias)


def _norm_after(
    config: DecoderConfig, dtype: torch.dtype, delta: Tensor, weight: Tensor | None
) -> tuple[Tensor, _Norm | None]:
    """What a block gives, normed where the family norms it before it is added."""
    if weight is None:
        return delta, None
    values, normed, scale = _add_norm(config, dtype, delta.float(), None, weight)
    return normed, _Norm(values, scale, weight)


def _queries_and_keys(config: DecoderConfig, qkv: Tensor) -> list[Tensor]:
    """Queries and keys of qkv [N, ...] as rows that are normed each: heads, or all heads of a token."""
    width = config.head_dim
    sizes = [config.num_attention_heads * width, config.num_key_value_heads * width]
    parts = torch.split(qkv[:, : sum(sizes)], sizes, dim=1)
    whole = config.query_key_norm == "whole"
    return [(part if whole else part.reshape(-1, width)).contiguous() for part in parts]


def _norm_queries_and_keys(
    config: DecoderConfig, dtype: torch.dtype, layer: PackedLayer, qkv: Tensor
) -> tuple[Tensor, _Norm | None, _Norm | None]:
    if not config.query_key_norm:
        return qkv, None, None
    norms: list[_Norm] = []
    normed: list[Tensor] = []
    for part, weight in zip(_queries_and_keys(config, qkv), layer.norms[4:], strict=True):
        values, result, scale = _add_norm(config, dtype, part.float(), None, weight)
        norms.append(_Norm(values, scale, weight))
        normed.append(result.view(len(qkv), -1))
    values_start = sum(part.shape[1] for part in normed)
    return torch.cat([*normed, qkv[:, values_start:]], dim=1), norms[0], norms[1]


def _attention_shape(config: DecoderConfig, layer: PackedLayer, packing: Packing) -> tuple[Any, ...]:
    heads = (config.num_attention_heads, config.num_key_value_heads, config.head_dim)
    scores = (attention_scale(config), config.attention_soft_cap or 0.0, layer.window)
    tables = packing.tables.get(layer.rotary, (None, None))
    return (len(packing.starts) - 1, packing.starts, *heads, *scores, *tables)


def _layer_backward(
    config: DecoderConfig,
    dtype: torch.dtype,
    layer: PackedLayer,
    state: _LayerState,
    slope: Tensor,
    rounded: Tensor,
    packing: Packing,
    chosen_M: Tensor | None,
) -> tuple[list[Tensor | None], Tensor, Tensor]:
    """Gradients in the order of `_layer_masters`, and that of the layer's input in float32 and in `dtype`.

    `slope` is the gradient of the layer's output, `rounded` that of what its feed-forward block added, in
    `dtype`; both are overwritten.
    """
    multiplier = config.residual_multiplier
    norms: list[Tensor | None] = [
        None if weight is None else torch.zeros_like(weight) for weight in layer.norms
    ]
    dfed = _norm_after_backward(dtype, state.norms[3], rounded, norms[3])
    activated = torch.empty_like(
        state.gate_up[:, : config.intermediate_size], memory_format=torch.contiguous_format
    )
    dactivated = dfed @ layer.down
    gate = f"{GATES[config.activation]}_backward"
    _call(gate, dtype, len(activated), config.intermediate_size, state.gate_up, dactivated, activated)
    ddown = _map_gradients(layer.maps[6:], dfed, activated)
    dgate_up = _map_gradients(layer.maps[4:6], state.gate_up, state.feed_normed)
    dfeed = state.gate_up @ layer.gate_up
    biases = [*_bias_gradients(layer.maps[4:6], state.gate_up), *_bias_gradients(layer.maps[6:], dfed)]
    _norm_backward(dtype, state.norms[2], dfeed, slope, rounded, norms[2], multiplier)
    dattended = _norm_after_backward(dtype, state.norms[1], rounded, norms[1])
    dout = _map_gradients(layer.maps[3:4], dattended, state.mixed_targets)
    biases = [*_bias_gradients(layer.maps[3:4], dattended), *biases]
    dmixed = dattended @ layer.out
    if chosen_M is not None:
        dmixed = dmixed.new_zeros(state.mixed.shape).index_copy_(0, chosen_M, dmixed)
        slope = slope.new_zeros(state.normed.shape).index_copy_(0, chosen_M, slope)
        rounded = torch.empty_like(slope, dtype=dtype)
    dqkv = _attention_backward(config, dtype, layer, state, packing, dmixed)
    if config.query_key_norm:
        dqkv = _queries_and_keys_backward(config, dtype, state, dqkv, norms[4:])
    dqkv_weight = _map_gradients(layer.maps[:3], dqkv, state.normed)
    biases = [*_bias_gradients(layer.maps[:3], dqkv), *biases]
    _norm_backward(dtype, state.norms[0], dqkv @ layer.qkv, slope, rounded, norms[0], multiplier)
    gradients = [*dqkv_weight, *dout, *dgate_up, *ddown]
    gradients += [part for part in [*norms, *biases] if part is not None]
    return gradients, slope, rounded


def _attention_backward(
    config: DecoderConfig,
    dtype: torch.dtype,
    layer: PackedLayer,
    state: _LayerState,
    packing: Packing,
    dmixed: Tensor,
) -> Tensor:
    """The gradient of query, key and value; a shared token has it from every sequence that attends to it."""
    shared, qkv, mixed = packing.shared, state.qkv, state.mixed
    if shared is not None:
        qkv, mixed, dmixed = shared.spread(qkv), shared.spread(mixed), shared.gather_backward(dmixed)
    dqkv = torch.empty_like(qkv)
    shape = _attention_shape(config, layer, packing)
    _call("attention_backward", dtype, *shape, qkv, mixed, state.logsum, dmixed, dqkv)
    return dqkv if shared is None else shared.spread_backward(dqkv)


def _norm_after_backward(
    dtype: torch.dtype, norm: _Norm | None, slope_out: Tensor, weight_slope: Tensor | None
) -> Tensor:
    """The gradient of a norm's input in `dtype`, from that of its output; adds to `weight_slope`."""
    if norm is None:
        return slope_out
    slope, rounded = torch.zeros_like(norm.values), torch.empty_like(norm.values, dtype=dtype)
    _norm_backward(dtype, norm, slope_out, slope, rounded, weight_slope)
    return rounded


def _queries_and_keys_backward(
    config: DecoderConfig,
    dtype: torch.dtype,
    state: _LayerState,
    dqkv: Tensor,
    weight_slopes: list[Tensor | None],
) -> Tensor:
    parts = [
        _norm_after_backward(dtype, norm, part, weight_slope).view(len(dqkv), -1)
        for norm, part, weight_slope in zip(
            state.norms[4:], _queries_and_keys(config, dqkv), weight_slopes, strict=True
        )
    ]
    return torch.cat([*parts, dqkv[:, sum(part.shape[1] for part in parts) :]], dim=1)


def _bias_gradients(maps: list[Linear], slope_NO: Tensor) -> list[Tensor | None]:
    """Gradients of the maps' biases, None where there are none."""
    if all(one.bias is None for one in maps):
        return [None] * len(maps)
    return list(torch.split(slope_NO.float().sum(0), [len(one.weight) for one in maps]))


class _Logprobs(torch.autograd.Function):
    """Log-probabilities and entropies of targets, from hidden states and the output matrix."""

    @staticmethod
    def forward(
        ctx: Any,
        weights: PackedWeights,
        hidden_MD: Tensor,
        output: Tensor,
        targets_M: Tensor,
        sharpness: float,
        entropy_gradient: bool,
    ) -> Any:
        rounded_MD = hidden_MD.detach().to(weights.dtype).contiguous()
        chosen, logsum, entropy = (torch.empty(len(targets_M)) for _ in range(3))
        sizes = (len(targets_M), weights.config.hidden_size, weights.config.vocab_size)
        arrays = (rounded_MD, weights.output_panels, targets_M)
        ending = _ending(weights.config, sharpness)
        _call("logprobs", weights.dtype, *sizes, *ending, *arrays, chosen, logsum, entropy)
        ctx.fixed = (weights, rounded_MD, targets_M, logsum, entropy, sharpness)
        if not entropy_gradient:
            ctx.mark_non_differentiable(entropy)
        ctx.entropy_gradient = entropy_gradient
        return chosen, entropy

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        weights, hidden_MD, targets_M, logsum, entropy, sharpness = ctx.fixed
        chosen_slope, entropy_slope = (slope.contiguous() for slope in slopes)
        hidden_slope = torch.empty((len(targets_M), weights.config.hidden_size))
        wants_output = ctx.needs_input_grad[2]
        output_slope = torch.zeros(weights.output.shape) if wants_output else None
        vocabulary = weights.config.vocab_size
        rows = max(1, MOST_LOGITS // vocabulary)
        for first in range(0, len(targets_M), rows):
            piece = slice(first, min(first + rows, len(targets_M)))
            hidden = hidden_MD[piece]
            logit_slope = torch.empty((len(hidden), vocabulary), dtype=weights.dtype)
            sizes = (len(hidden), weights.config.hidden_size, vocabulary)
            arrays = (hidden, weights.output_panels, targets_M[piece], logsum[piece], entropy[piece])
            entropy_part = entropy_slope[piece] if ctx.entropy_gradient else None
            _call(
                "logprobs_backward",
                weights.dtype,
                *sizes,
                *_ending(weights.config, sharpness),
                *arrays,
                chosen_slope[piece],
                entropy_part,
                logit_slope,
            )
            hidden_slope[piece] = logit_slope @ weights.output
            if output_slope is not None:
                output_slope += logit_slope.t() @ hidden
        return None, hidden_slope, output_slope, None, None, None


def _ending(config: DecoderConfig, sharpness: float) -> tuple[float, float, float]:
    """How products become logits: sharpness, and, where there is a soft cap, what comes before it, and it."""
    if config.final_soft_cap is None:
        return sharpness / config.logits_scaling, 1.0, 0.0
    return sharpness, 1 / config.logits_scaling, config.final_soft_cap


def _add_norm(
    config: DecoderConfig,
    dtype: torch.dtype,
    residual: Tensor,
    delta: Tensor | None,
    weight: Tensor | None,
    *,
    final: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The residual stream with `delta` added, its norm (float32 when final), and the scale of each row.

    The residual multiplier acts on `delta`. Without a weight the sum itself is in the place of its norm.
    """
    summed = residual if delta is None else torch.empty_like(residual)
    normed = torch.empty(residual.shape, dtype=torch.float32 if final else dtype)
    scale = torch.empty(len(residual))
    name = "add_final_norm" if final else "add_norm"
    sizes = (*residual.shape, config.rms_norm_eps, config.residual_multiplier)
    _call(name, dtype, *sizes, residual, delta, weight, summed, normed, scale)
    return summed, normed, scale


def _norm_backward(
    dtype: torch.dtype,
    norm: _Norm | None,
    slope_out: Tensor,
    slope: Tensor,
    rounded: Tensor,
    weight_slope: Tensor | None,
    multiplier: float = 1.0,
    *,
    final: bool = False,
) -> None:
    """Add to `slope` and `weight_slope` the gradients through a norm; `rounded` is slope times multiplier."""
    assert norm is not None
    name = "final_norm_backward" if final else "norm_backward"
    arrays = (norm.values, norm.scale, norm.weight, slope_out, slope, rounded, weight_slope)
    _call(name, dtype, *norm.values.shape, multiplier, *arrays)


def _call(name: str, dtype: torch.dtype, *arguments: Any) -> None:
    """Call a kernel; tensors are passed by address and must be contiguous."""
    _kernel(name, dtype)(*[part.data_ptr() if isinstance(part, Tensor) else part for part in arguments])


@lru_cache(maxsize=64)
def _kernel(name: str, dtype: torch.dtype) -> Any:
    _keep_memory()
    kinds = {"l": ctypes.c_long, "f": ctypes.c_float, "p": ctypes.c_void_p}
    kernel = getattr(load("train"), f"{name}_{NAMES[dtype]}")
    kernel.argtypes = [kinds[letter] for letter in SIGNATURES[name]]
    kernel.restype = None
    return kernel


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Ask glibc to keep freed memory for the next micro-batch: fetching it anew costs a tenth of a step."""
    trim_threshold, map_threshold, gigabyte = -1, -3, 1 << 30
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(trim_threshold, gigabyte)
        mallopt(map_threshold, gigabyte)
