"""The C++ decoder behind the sampler: weights packed for it, and the rows it decodes, many steps in one call.

`decode.cpp` does what `PackedDecoder` in `practicum/model/cache.py` does, without the interpreter's lock, so
that rows on several threads run side by side. The structures here mirror its structures field by field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.decoder import NORMS, Decoder, DecoderConfig, rotary_tables
from practicum.model.lora import merged_weights
from practicum.model.native import load, say_passed_over
from practicum.model.sampling import SamplingConfig

LANES = 16
# Rows that share one pass over a layer's weights: their activations stay in a core's second-level cache.
CHUNK = 96

_pointer, _integer, _double = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double


class _Layer(ctypes.Structure):
    _fields_ = [
        *((name, _pointer) for name in ("qkv", "output", "gate_up", "down")),
        *((name, _pointer) for name in ("attention_norm", "feed_forward_norm")),
        *((name, _pointer) for name in ("after_attention_norm", "after_feed_forward_norm")),
        *(
            (name, _pointer)
            for name in ("qkv_bias", "output_bias", "query_norm", "key_norm", "cosine", "sine")
        ),
        ("window", _integer),
    ]


class _Model(ctypes.Structure):
    _fields_ = [
        *((name, _integer) for name in ("bfloat16", "hidden", "layers", "heads", "key_heads", "width")),
        *((name, _integer) for name in ("feed_forward", "vocabulary", "whole_norm", "gelu")),
        *((name, _double) for name in ("epsilon", "scale", "embedding_multiplier", "residual_multiplier")),
        *((name, _double) for name in ("logits_scaling", "attention_cap", "final_cap")),
        *((name, _pointer) for name in ("embedding", "final_norm", "head", "layer")),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        *((name, _integer) for name in ("slots", "prefixes", "own_length", "prefix_length", "chunk")),
        *((name, _integer) for name in ("results_width", "end_tokens")),
        *((name, _double) for name in ("temperature", "top_p")),
        ("top_k", _integer),
        ("seed", ctypes.c_uint64),
        *((name, _pointer) for name in ("ends", "own", "prefix")),
        *((name, _integer) for name in ("active", "finished")),
        *((name, _pointer) for name in ("order", "request", "request_name", "prefix_of", "filled")),
        *((name, _pointer) for name in ("next_token", "prefix_filled", "limit", "ids", "length")),
        *((name, _pointer) for name in ("logprobs", "ended", "workspace")),
        ("workspace_rows", _integer),
    ]


ACTIVATIONS = ("silu", "gelu_pytorch_tanh")


def native_decoding(dtype: torch.dtype, device: torch.device, config: DecoderConfig | None = None) -> bool:
    """Whether the C++ decoder was built here and computes in `dtype` on `device`, for such a decoder.

    It knows no biases of the feed-forward block, no exact GELU and no heads that are rotated in part; that it
    does not know a decoder is said once on stderr.
    """
    library = load("decode") if device.type == "cpu" else None
    if library is None:
        return False
    reason = None if config is None else unknown_layers(config)
    if config is not None and config.mlp_bias:
        reason = "the kernels do not know biases of the feed-forward block"
    if reason is not None:
        say_passed_over("sampling", reason)
        return False
    library.decode_supports.restype = ctypes.c_int64
    bit = {torch.float32: 1, torch.bfloat16: 2}.get(dtype, 0)
    return bool(library.decode_supports() & bit)


def unknown_layers(config: DecoderConfig) -> str | None:
    """What neither kernel knows of such layers, of the sampler and of training; None where both know all."""
    if config.activation not in ACTIVATIONS:
        return f"the kernels do not know the activation {config.activation}"
    if config.rotary_share != 1:
        return "the kernels do not know heads that are rotated in part"
    return None


def attention_scale(config: DecoderConfig) -> float:
    """The factor on scores; where it follows from the width of heads, it is worked out in float32."""
    if config.attention_multiplier is not None:
        return config.attention_multiplier
    return float(numpy.float32(1) / numpy.sqrt(numpy.float32(config.head_dim)))


class NativeDecoder:
    """A decoder's weights packed for the C++ decoder; copies, which follow no later change until `load`.

    `dtype` is that of matrix products and of the cache: float32 or bfloat16. Call only where
    `native_decoding(dtype, device, config)` holds.
    """

    def __init__(self, decoder: Decoder, dtype: torch.dtype) -> None:
        self.config, self.dtype = decoder.config, dtype
        library = load("decode")
        if library is None:
            raise RuntimeError("the C++ decoder was not built here: ask native_decoding first")
        self.library = library
        self._kept: list[Tensor] = []
        self.load(decoder)

    def load(self, decoder: Decoder) -> None:
        """Pack the present weights of a decoder of the same shape, into the memory that is there already."""
        if decoder.config != self.config:
            raise ValueError("the decoder has another shape than the one that was packed first")
        self._next = 0
        dtype = self.dtype
        config, pair = self.config, 2 if dtype == torch.bfloat16 else 1
        weights = merged_weights(decoder)

        def panels(weight: Tensor) -> Tensor:
            """Weights [columns, terms] as [columns/16, terms/pair, 16, pair], padded with zeros."""
            weight = functional.pad(
                weight.to(dtype), (0, -weight.shape[1] % pair, 0, -weight.shape[0] % LANES)
            )
            return weight.view(-1, LANES, weight.shape[1] // pair, pair).transpose(1, 2)

        def terms_padded(weight: Tensor, width: int) -> Tensor:
            """Each run of `width` terms padded to a multiple of 16."""
            runs = weight.reshape(weight.shape[0], -1, width)
            return functional.pad(runs, (0, -width % LANES)).flatten(1)

        def norm(weight: Tensor) -> int:
            return line(weight.float() + config.norm_offset if config.norm_offset else weight.float())

        def line(values: Tensor) -> int:
            return self._keep(functional.pad(values, (0, -len(values) % LANES)))

        def if_any(own: dict[str, Tensor], name: str) -> int | None:
            return norm(own[name]) if name in own else None

        def bias(own: dict[str, Tensor], *names: str) -> int | None:
            parts = [own[part] for part in (f"self_attn.{name}_proj.bias" for name in names) if part in own]
            return line(torch.cat(parts).to(dtype).float()) if parts else None

        def layer(index: int) -> _Layer:
            own = {
                name.removeprefix(f"model.layers.{index}.").removesuffix(".weight"): value
                for name, value in weights.items()
                if name.startswith(f"model.layers.{index}.")
            }
            qkv = torch.cat([own[f"self_attn.{name}_proj"].to(dtype) for name in "qkv"])
            gate, up = panels(own["mlp.gate_proj"]), panels(own["mlp.up_proj"])
            before, after, feed_before, feed_after = NORMS[config.norms]
            table = tables.get(config.rotary(index))
            return _Layer(
                qkv=self._keep(panels(qkv)),
                output=self._keep(panels(terms_padded(own["self_attn.o_proj"], config.head_dim))),
                gate_up=self._keep(torch.stack([gate, up], dim=1)),
                down=self._keep(panels(terms_padded(own["mlp.down_proj"], config.intermediate_size))),
                attention_norm=if_any(own, before),
                feed_forward_norm=if_any(own, feed_before),
                after_attention_norm=if_any(own, after),
                after_feed_forward_norm=if_any(own, feed_after),
                qkv_bias=bias(own, "q", "k", "v"),
                output_bias=bias(own, "o"),
                query_norm=if_any(own, "self_attn.q_norm"),
                key_norm=if_any(own, "self_attn.k_norm"),
                cosine=table[0] if table else None,
                sine=table[1] if table else None,
                window=config.window(index) or 0,
            )

        half = config.head_dim // 2
        positions = torch.arange(config.max_position_embeddings)
        tables = {
            name: [self._keep(table[:, :half]) for table in pair]
            for name, pair in rotary_tables(config, positions).items()
        }
        self._layers = (_Layer * config.num_hidden_layers)(*map(layer, range(config.num_hidden_layers)))
        self.structure = _Model(
            bfloat16=dtype == torch.bfloat16,
            hidden=config.hidden_size,
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            key_heads=config.num_key_value_heads,
            width=config.head_dim,
            feed_forward=config.intermediate_size,
            vocabulary=config.vocab_size,
            whole_norm=config.query_key_norm == "whole",
            gelu=config.activation == "gelu_pytorch_tanh",
            epsilon=config.rms_norm_eps,
            scale=attention_scale(config),
            embedding_multiplier=config.embedding_multiplier,
            residual_multiplier=config.residual_multiplier,
            logits_scaling=config.logits_scaling,
            attention_cap=config.attention_soft_cap or 0.0,
            final_cap=config.final_soft_cap or 0.0,
            embedding=self._keep(weights["model.embed_tokens.weight"].float()),
            final_norm=norm(weights["model.norm.weight"]),
            head=self._keep(panels(decoder.output_weight.detach())),
            layer=ctypes.addressof(self._layers),
        )

    def _keep(self, values: Tensor) -> int:
        """Address of a contiguous copy that lives as long as this object; each load fills the same ones."""
        if self._next == len(self._kept):
            self._kept.append(torch.empty(values.shape, dtype=values.dtype))
        kept = self._kept[self._next].copy_(values)
        self._next += 1
        return kept.data_ptr()


class NativeRows:
    """The rows of one shard: their caches, their requests' results, and the C++ calls that advance them.

    A request is one completion of one prompt; requests [prompts * count] are numbered prompt by prompt, and
    `first_request` is the number of the first one here among all shards': its random numbers depend on the
    seed, that number and the position, on nothing else. Everything is allocated here, nothing later.
    """

    def __init__(
        self,
        decoder: NativeDecoder,
        prompts: Sequence[Sequence[int]],
        count: int,
        sampling: SamplingConfig,
        seed: int,
        first_request: int = 0,
    ) -> None:
        self.decoder, self.prompts, self.count = decoder, prompts, count
        config, requests = decoder.config, len(prompts) * count
        self.slots = slots = min(sampling.slots, requests)
        # A token needs a position only to be read again, so the last one may stand just past the end.
        room = [config.max_position_embeddings - len(prompt) + 1 for prompt in prompts]
        self.limit = numpy.minimum(sampling.max_new_tokens, room).astype(numpy.int64).repeat(count)
        width = int(self.limit.max())
        self.ids = numpy.zeros((requests, width), dtype=numpy.int64)
        self.logprobs = numpy.zeros((requests, width), dtype=numpy.float32)
        self.length = numpy.zeros(requests, dtype=numpy.int64)
        self.ended = numpy.zeros(requests, dtype=numpy.uint8)
        self.ends = numpy.array(config.eos_ids, dtype=numpy.int64)
        self.names = numpy.arange(first_request, first_request + requests, dtype=numpy.int64)
        self.order = numpy.arange(slots, dtype=numpy.int64)
        self.request, self.prefix_of, self.filled, self.next_token = numpy.zeros(
            (4, slots), dtype=numpy.int64
        )
        prefixes = min(slots, len(prompts))
        self.prefix_filled = numpy.zeros(prefixes, dtype=numpy.int64)
        self.prefix_of_prompt: dict[int, int] = {}
        self.waiting = 0
        self.prefill_tokens = 0
        own_length, prefix_length = (
            size + -size % LANES for size in (max(1, width - 1), max(len(prompt) for prompt in prompts))
        )
        position = config.head_dim + config.head_dim + -config.head_dim % LANES
        position *= config.num_hidden_layers * config.num_key_value_heads
        self.own = torch.empty(slots * own_length * position, dtype=decoder.dtype)
        self.prefix = torch.empty(prefixes * prefix_length * position, dtype=decoder.dtype)
        self.structure = _Batch(
            slots=slots,
            prefixes=prefixes,
            own_length=own_length,
            prefix_length=prefix_length,
            chunk=CHUNK,
            results_width=width,
            end_tokens=len(self.ends),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=seed,
            ends=self.ends.ctypes.data,
            own=self.own.data_ptr(),
            prefix=self.prefix.data_ptr(),
            order=self.order.ctypes.data,
            request=self.request.ctypes.data,
            request_name=self.names.ctypes.data,
            prefix_of=self.prefix_of.ctypes.data,
            filled=self.filled.ctypes.data,
            next_token=self.next_token.ctypes.data,
            prefix_filled=self.prefix_filled.ctypes.data,
            limit=self.limit.ctypes.data,
            ids=self.ids.ctypes.data,
            length=self.length.ctypes.data,
            logprobs=self.logprobs.ctypes.data,
            ended=self.ended.ctypes.data,
            workspace_rows=max(slots, CHUNK),
        )
        self.workspace = torch.empty(self._call("decode_workspace"), dtype=torch.uint8)
        self.structure.workspace = self.workspace.data_ptr()

    @property
    def active(self) -> int:
        """Rows being decoded now."""
        return int(self.structure.active)

    @property
    def finished(self) -> int:
        """Requests answered so far."""
        return int(self.structure.finished)

    def decode(self, steps: int, enough: int) -> int:
        """Draw up to `steps` tokens for every active row while over `enough` run; returns the steps taken.

        Raises InputError when the model's logits are not finite.
        """
        return self._call("decode_steps", _integer(steps), _integer(enough))

    def admit(self, count: int) -> None:
        """Read the prompts of the next `count` requests, each once, and draw their rows' first tokens.

        Raises InputError when the model's logits are not finite.
        """
        requests = numpy.arange(self.waiting, self.waiting + count)
        new, rows_of = numpy.unique(requests // self.count, return_counts=True)
        active = self.order[: self.active]
        held = {*(self.request[active] // self.count).tolist(), *new.tolist()}
        self.prefix_of_prompt = {
            prompt: prefix for prompt, prefix in self.prefix_of_prompt.items() if prompt in held
        }
        used = set(self.prefix_of_prompt.values())
        free = (prefix for prefix in range(len(self.prefix_filled)) if prefix not in used)
        ids: list[int] = []
        starts = []
        for prompt in new.tolist():
            tokens = self.prompts[prompt]
            # A prompt that is read already gives its logits by reading its last token again.
            starts.append(len(tokens) - 1 if prompt in self.prefix_of_prompt else 0)
            ids.extend(tokens[starts[-1] :])
            if prompt not in self.prefix_of_prompt:
                self.prefix_of_prompt[prompt] = next(free)
        lengths = [len(self.prompts[prompt]) for prompt in new.tolist()]
        prefixes = numpy.array([self.prefix_of_prompt[prompt] for prompt in new.tolist()])
        slots = self.order[self.active : self.active + count]
        self.request[slots], self.filled[slots] = requests, 0
        self.prefix_of[slots] = prefixes.repeat(rows_of)
        self.waiting += count
        self.prefill_tokens += len(ids)
        arrays = [
            numpy.array(values, dtype=numpy.int64) for values in (ids, starts, lengths, prefixes, rows_of)
        ]
        self._call("decode_admit", *(_pointer(array.ctypes.data) for array in arrays), _integer(len(new)))

    def _call(self, name: str, *arguments: ctypes.c_int64 | ctypes.c_void_p) -> int:
        function = getattr(self.decoder.library, name)
        function.restype = _integer
        result = int(function(ctypes.byref(self.decoder.structure), ctypes.byref(self.structure), *arguments))
        if result < 0:
            raise InputError(NOT_FINITE)
        return result


NOT_FINITE = (
    "sampling: the model's logits are not finite (NaN or infinite weights?); "
    "go back to an earlier checkpoint or lower the learning rate"
)
