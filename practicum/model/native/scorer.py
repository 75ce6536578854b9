"""The scorer's pass through a decoder, written out: packed sequences, C++ kernels, a backward pass by hand.

Sequences lie end to end without padding, and each token attends within its own sequence. Matrix products are
PyTorch's; what lies between them (normalisation, rotary attention, SwiGLU, log-probabilities) are kernels of
`native/train.cpp`. Only the last layer's attention reads tokens that no loss counts: everything behind it
runs on target positions alone. `decoder.py` computes the same numbers, and runs where kernels do not apply.

Suffixes: N packed tokens, M target positions, D hidden width, V vocabulary.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from practicum.model import decoder as modules
from practicum.model.decoder import Decoder, DecoderConfig, Linear
from practicum.model.lora import LoraLinear, merged_weights
from practicum.model.native import load
from practicum.model.rotary import rotary_table

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
# Arguments of each kernel: l a whole number, f a float32, p an array.
SIGNATURES = {
    "add_norm": "llfpppppp",
    "add_final_norm": "llfpppppp",
    "norm_backward": "llppppppp",
    "final_norm_backward": "llppppppp",
    "swiglu": "llpp",
    "swiglu_backward": "llppp",
    "attention": "lplllppppp",
    "attention_backward": "lplllppppppp",
    "pack_output": "llpp",
    "logprobs": "lllfpppppp",
    "logprobs_backward": "lllfpppppppp",
    "scatter_rows": "llppp",
}
# Gradients of this many logits exist at a time.
MOST_LOGITS = 1 << 22
# Fields of DecoderConfig that the kernels know at their default only.
UNKNOWN = (
    *("rope_scaling", "local_rope_theta", "rotary_share", "unrotated_layers", "windowed_layers"),
    *("attention_bias", "output_bias", "mlp_bias", "query_key_norm", "norms", "norm_offset", "activation"),
    *("embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"),
    *("attention_soft_cap", "final_soft_cap"),
)
PLAIN_MODULES = {
    modules.Decoder,
    modules.Backbone,
    modules.DecoderLayer,
    modules.Attention,
    modules.FeedForward,
    modules.Linear,
    LoraLinear,
    modules.RMSNorm,
    nn.Embedding,
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
    """

    norm: Tensor
    qkv: Tensor
    out: Tensor
    feed_norm: Tensor
    gate_up: Tensor
    down: Tensor
    maps: list[Linear]


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
    """Cast and lay out the weights, or None where the kernels do not apply.

    They apply on a CPU with a compiler, to decoders made of `decoder.py`'s own modules and `lora.py`'s
    adapters and nothing else (it would be passed over), with an even hidden and intermediate size.
    """
    # First of all, since no other model need have the attributes that the rest reads.
    plain = {type(module) for module in decoder.modules()} <= PLAIN_MODULES
    if not plain or not isinstance(decoder, Decoder):
        return None
    config = decoder.config
    even = config.hidden_size % 2 == 0 and config.intermediate_size % 2 == 0
    on_cpu = decoder.device.type == "cpu" and dtype in NAMES
    default = DecoderConfig(1)
    known = all(getattr(config, name) == getattr(default, name) for name in UNKNOWN)
    if not even or not known or not on_cpu or load("train") is None:
        return None
    work.add(weight_casts=1)
    named = merged_weights(decoder)
    layers = [
        _pack_layer(named, f"model.layers.{index}.", dtype, _maps(layer))
        for index, layer in enumerate(decoder.model.layers)
    ]
    output = decoder.output_weight.detach().to(dtype).contiguous()
    panels = torch.empty((-(-config.vocab_size // 64) * 64, config.hidden_size), dtype=dtype)
    _call("pack_output", dtype, config.vocab_size, config.hidden_size, output, panels)
    masters = [decoder.model.embed_tokens.weight]
    for layer in decoder.model.layers:
        masters += _layer_masters(layer)
    masters.append(decoder.model.norm.weight)
    return PackedWeights(config, dtype, layers, output, panels, decoder.output_weight, masters)


def _pack_layer(named: dict[str, Tensor], prefix: str, dtype: torch.dtype, maps: list[Linear]) -> PackedLayer:
    def joined(*names: str) -> Tensor:
        return torch.cat([named[f"{prefix}{name}.weight"].to(dtype) for name in names])

    return PackedLayer(
        norm=named[f"{prefix}input_layernorm.weight"],
        qkv=joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=joined("self_attn.o_proj"),
        feed_norm=named[f"{prefix}post_attention_layernorm.weight"],
        gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
        down=joined("mlp.down_proj"),
        maps=maps,
    )


def _maps(layer: Any) -> list[Linear]:
    attention, feed = layer.self_attn, layer.mlp
    return [
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        *(feed.gate_proj, feed.up_proj, feed.down_proj),
    ]


def _layer_masters(layer: Any) -> list[Tensor]:
    attention, feed = (
        [part for one in maps for part in _map_masters(one)] for maps in (_maps(layer)[:4], _maps(layer)[4:])
    )
    return [layer.input_layernorm.weight, *attention, layer.post_attention_layernorm.weight, *feed]


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


def packed_hidden(weights: PackedWeights, ids_N: Tensor, starts: Tensor, targets_M: Tensor) -> Tensor:
    """Final hidden states float32 [M, D] at the packed positions `targets_M` (int64, rising).

    ids_N: int64, sequences end to end. starts: int64 [sequences + 1], where each begins; the last is N.
    """
    work.add(forward_passes=1, tokens=len(ids_N), targets=len(targets_M))
    longest = int(starts.diff().max()) if len(starts) > 1 else 0
    positions = torch.arange(longest)
    cosine, sine = rotary_table(positions, weights.config.head_dim, weights.config.rope_theta)
    half = weights.config.head_dim // 2
    tables = (cosine[:, :half].contiguous(), sine[:, :half].contiguous())
    arguments = (weights, ids_N, starts, targets_M, tables, *weights.masters)
    hidden: Tensor = _Hidden.apply(*arguments)  # type: ignore[no-untyped-call]
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
class _LayerState:
    """What one layer's backward pass needs of its forward pass."""

    before: Tensor
    before_scale: Tensor
    normed: Tensor
    qkv: Tensor
    logsum: Tensor
    mixed: Tensor
    mixed_targets: Tensor
    between: Tensor
    between_scale: Tensor
    feed_normed: Tensor
    gate_up: Tensor


class _Hidden(torch.autograd.Function):
    """Embedding, layers and final norm of packed sequences."""

    @staticmethod
    def forward(
        ctx: Any, weights: PackedWeights, ids_N: Tensor, starts: Tensor, targets_M: Tensor, *rest: Any
    ) -> Any:
        config, dtype = weights.config, weights.dtype
        tables, embedding, final_norm = rest[0], rest[1], rest[-1]
        keep = any(ctx.needs_input_grad)
        residual_ND = embedding.detach()[ids_N]
        delta_ND: Tensor | None = None
        states: list[_LayerState] = []
        whole = len(targets_M) == len(ids_N)
        for number, layer in enumerate(weights.layers):
            chosen = targets_M if number == len(weights.layers) - 1 and not whole else None
            state, residual_ND, delta_ND = _layer_forward(
                config, dtype, layer, residual_ND, delta_ND, starts, tables, chosen
            )
            if keep:
                states.append(state)
            del state
        residual_MD, hidden_MD, scale_M = _add_norm(
            config, dtype, residual_ND, delta_ND, final_norm, final=True
        )
        if keep:
            ctx.states, ctx.final = states, (residual_MD, scale_M)
            ctx.fixed = (weights, ids_N, starts, targets_M, tables, final_norm.detach(), whole)
        return hidden_MD

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        weights, ids_N, starts, targets_M, tables, final_norm, whole = ctx.fixed
        config, dtype = weights.config, weights.dtype
        residual_MD, scale_M = ctx.final
        slope = torch.zeros_like(residual_MD)
        rounded = torch.empty_like(residual_MD, dtype=dtype)
        final_gradient = torch.zeros_like(final_norm)
        gradient_in = slopes[0].contiguous()
        _norm_backward(
            dtype, residual_MD, scale_M, final_norm, gradient_in, slope, rounded, final_gradient, final=True
        )
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
                starts,
                tables,
                chosen,
            )
            found = gradients + found
        wanted = ctx.needs_input_grad[5:]
        embedding: Tensor | None = None
        if wanted[0]:
            embedding = torch.zeros((config.vocab_size, config.hidden_size))
            _call("scatter_rows", torch.float32, len(ids_N), config.hidden_size, ids_N, slope, embedding)
        every = [embedding, *found, final_gradient]
        return (None,) * 5 + tuple(part if want else None for part, want in zip(every, wanted, strict=True))


def _layer_forward(
    config: DecoderConfig,
    dtype: torch.dtype,
    layer: PackedLayer,
    residual_ND: Tensor,
    delta_ND: Tensor | None,
    starts: Tensor,
    tables: tuple[Tensor, Tensor],
    chosen_M: Tensor | None,
) -> tuple[_LayerState, Tensor, Tensor]:
    """The layer's state, the residual stream before its feed-forward block, and what that block adds."""
    before, normed, before_scale = _add_norm(config, dtype, residual_ND, delta_ND, layer.norm)
    qkv = normed @ layer.qkv.t()
    heads, key_heads, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    mixed = torch.empty((len(qkv), heads * width), dtype=dtype)
    logsum = torch.empty((len(qkv), heads))
    shape = (len(starts) - 1, starts, heads, key_heads, width, *tables)
    _call("attention", dtype, *shape, qkv, mixed, logsum)
    mixed_targets = mixed if chosen_M is None else mixed[chosen_M]
    stream = before if chosen_M is None else before[chosen_M]
    attended = mixed_targets @ layer.out.t()
    between, feed_normed, between_scale = _add_norm(config, dtype, stream, attended, layer.feed_norm)
    gate_up = feed_normed @ layer.gate_up.t()
    activated = torch.empty((len(gate_up), config.intermediate_size), dtype=dtype)
    _call("swiglu", dtype, len(gate_up), config.intermediate_size, gate_up, activated)
    state = _LayerState(
        before,
        before_scale,
        normed,
        qkv,
        logsum,
        mixed,
        mixed_targets,
        between,
        between_scale,
        feed_normed,
        gate_up,
    )
    return state, between, activated @ layer.down.t()


def _layer_backward(
    config: DecoderConfig,
    dtype: torch.dtype,
    layer: PackedLayer,
    state: _LayerState,
    slope: Tensor,
    rounded: Tensor,
    starts: Tensor,
    tables: tuple[Tensor, Tensor],
    chosen_M: Tensor | None,
) -> tuple[list[Tensor | None], Tensor, Tensor]:
    """Gradients in the order of `_layer_masters`, and that of the layer's input in float32 and in `dtype`.

    `slope` is the gradient of the layer's output, `rounded` the same in `dtype`; both are overwritten.
    """
    activated = torch.empty_like(
        state.gate_up[:, : config.intermediate_size], memory_format=torch.contiguous_format
    )
    dactivated = rounded @ layer.down
    _call(
        "swiglu_backward",
        dtype,
        len(activated),
        config.intermediate_size,
        state.gate_up,
        dactivated,
        activated,
    )
    ddown = _map_gradients(layer.maps[6:], rounded, activated)
    dgate_up = _map_gradients(layer.maps[4:6], state.gate_up, state.feed_normed)
    feed_norm = torch.zeros_like(layer.feed_norm)
    dfeed = state.gate_up @ layer.gate_up
    _norm_backward(
        dtype, state.between, state.between_scale, layer.feed_norm, dfeed, slope, rounded, feed_norm
    )
    dout = _map_gradients(layer.maps[3:4], rounded, state.mixed_targets)
    dmixed = rounded @ layer.out
    if chosen_M is not None:
        dmixed = dmixed.new_zeros(state.mixed.shape).index_copy_(0, chosen_M, dmixed)
        slope = slope.new_zeros(state.before.shape).index_copy_(0, chosen_M, slope)
        rounded = torch.empty_like(slope, dtype=dtype)
    heads, key_heads, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    dqkv = torch.empty_like(state.qkv)
    shape = (len(starts) - 1, starts, heads, key_heads, width, *tables)
    _call("attention_backward", dtype, *shape, state.qkv, state.mixed, state.logsum, dmixed, dqkv)
    dqkv_weight = _map_gradients(layer.maps[:3], dqkv, state.normed)
    norm = torch.zeros_like(layer.norm)
    _norm_backward(
        dtype, state.before, state.before_scale, layer.norm, dqkv @ layer.qkv, slope, rounded, norm
    )
    return [norm, *dqkv_weight, *dout, feed_norm, *dgate_up, *ddown], slope, rounded


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
        _call("logprobs", weights.dtype, *sizes, sharpness, *arrays, chosen, logsum, entropy)
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
                sharpness,
                *arrays,
                chosen_slope[piece],
                entropy_part,
                logit_slope,
            )
            hidden_slope[piece] = logit_slope @ weights.output
            if output_slope is not None:
                output_slope += logit_slope.t() @ hidden
        return None, hidden_slope, output_slope, None, None, None


def _add_norm(
    config: DecoderConfig,
    dtype: torch.dtype,
    residual: Tensor,
    delta: Tensor | None,
    weight: Tensor,
    *,
    final: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The residual stream with `delta` added, its norm (float32 when final), and the scale of each row."""
    summed = residual if delta is None else torch.empty_like(residual)
    normed = torch.empty(residual.shape, dtype=torch.float32 if final else dtype)
    scale = torch.empty(len(residual))
    name = "add_final_norm" if final else "add_norm"
    rows, width = residual.shape
    _call(name, dtype, rows, width, config.rms_norm_eps, residual, delta, weight, summed, normed, scale)
    return summed, normed, scale


def _norm_backward(
    dtype: torch.dtype,
    values: Tensor,
    scale: Tensor,
    weight: Tensor,
    slope_out: Tensor,
    slope: Tensor,
    rounded: Tensor,
    weight_slope: Tensor,
    *,
    final: bool = False,
) -> None:
    """Add to `slope` (copied to `rounded` in `dtype`) and to `weight_slope` the gradients through a norm."""
    name = "final_norm_backward" if final else "norm_backward"
    _call(name, dtype, *values.shape, values, scale, weight, slope_out, slope, rounded, weight_slope)


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
