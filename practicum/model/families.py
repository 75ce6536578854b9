"""The families of models that the decoder covers: one table entry each.

An entry says how a family's config.json becomes a `DecoderConfig` and back, and how its tensors are named
where that differs from the decoder's own names, which are those of most families. Everything is taken as
`transformers` takes it: a key that the file leaves out has the family's default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import ACTIVATIONS, DecoderConfig
from practicum.model.policy import NotCoveredError
from practicum.model.rotary import SCALINGS, RopeScaling

Values = dict[str, Any]

# Keys of config.json whose name and meaning are the decoder's in every family.
COMMON = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"),
    *("bos_token_id", "pad_token_id"),
)
NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
ROPE_KEYS = {field.name for field in fields(RopeScaling)}
# Keys beside a scaling's own: those of its base, and marks that say nothing about the frequencies.
ROPE_OTHERS = {"rope_theta", "type", "partial_rotary_factor", "finetuned"}
WINDOWED, FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True)
class Family:
    """How a family differs from Llama.

    `defaults` are the values of keys that config.json leaves out. `fixed` are fields of DecoderConfig that
    the family's code settles. `knobs` name the fields behind a further key of config.json. `windowed` tells
    which layers are windowed where config.json does not list them. `fused` are tensors that hold several of
    the decoder's, one above the other. `classifier` is transformers' class of its sequence classifiers where
    that is not named as the architecture is; None where there is none.
    """

    architecture: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    windowed: Callable[[Values], list[int]] | None = None
    activation_key: str = "hidden_act"
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classifier: str | None = ""


def _every_layer(values: Values) -> list[int]:
    return list(range(values["num_hidden_layers"]))


def _upper_layers(values: Values) -> list[int]:
    return [layer for layer in _every_layer(values) if layer >= values["max_window_layers"]]


def _layers_without_positions(values: Values) -> list[int]:
    return [layer for layer, rotated in enumerate(values["no_rope_layers"]) if not rotated]


def _every_second(values: Values) -> list[int]:
    return _every_layer(values)[::2]


def _all_but_every(values: Values) -> list[int]:
    interval = _interval(values, "sliding_window_pattern")
    return [layer for layer in _every_layer(values) if (layer + 1) % interval]


def _interval(values: Values, key: str) -> int:
    if not isinstance(values[key], int) or values[key] < 1:
        raise InputError(f"{key} is {values[key]!r}; expected a whole number of at least 1")
    return int(values[key])


BIASES = {"attention_bias": ("attention_bias", "output_bias")}
GEMMA = {
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "tie_word_embeddings": True,
    "eos_token_id": 1,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
}

FAMILIES: dict[str, Family] = {
    "llama": Family("LlamaForCausalLM", {"eos_token_id": 2}, knobs={**BIASES, "mlp_bias": ("mlp_bias",)}),
    "mistral": Family(
        "MistralForCausalLM",
        {
            "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
            "eos_token_id": 2,
            "sliding_window": 4096,
        },
        windowed=_every_layer,
    ),
    "qwen2": Family(
        "Qwen2ForCausalLM",
        {
            "num_key_value_heads": 32,
            "max_position_embeddings": 32768,
            "use_sliding_window": False,
            "sliding_window": 4096,
            "max_window_layers": 28,
        },
        {"attention_bias": True},
        windowed=_upper_layers,
    ),
    "qwen3": Family(
        "Qwen3ForCausalLM",
        {
            "num_key_value_heads": 32,
            "head_dim": 128,
            "max_position_embeddings": 32768,
            "use_sliding_window": False,
            "sliding_window": 4096,
            "max_window_layers": 28,
        },
        {"query_key_norm": "head"},
        BIASES,
        windowed=_upper_layers,
    ),
    "smollm3": Family(
        "SmolLM3ForCausalLM",
        {
            "num_key_value_heads": 4,
            "max_position_embeddings": 32768,
            "tie_word_embeddings": True,
            "eos_token_id": 128001,
            "rope_theta": 2000000.0,
            "use_sliding_window": False,
            "sliding_window": None,
            "no_rope_layer_interval": 4,
        },
        knobs={**BIASES, "mlp_bias": ("mlp_bias",)},
        windowed=_layers_without_positions,
    ),
    "granite": Family(
        "GraniteForCausalLM",
        {"eos_token_id": 2, "attention_multiplier": 1.0},
        knobs={
            **BIASES,
            "mlp_bias": ("mlp_bias",),
            "embedding_multiplier": ("embedding_multiplier",),
            "attention_multiplier": ("attention_multiplier",),
            "residual_multiplier": ("residual_multiplier",),
            "logits_scaling": ("logits_scaling",),
        },
        classifier=None,
    ),
    "olmo2": Family(
        "Olmo2ForCausalLM",
        {"rms_norm_eps": 1e-5, "eos_token_id": 50279},
        {"query_key_norm": "whole", "norms": "after"},
        BIASES,
    ),
    "phi3": Family(
        "Phi3ForCausalLM",
        {
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 4096,
            "eos_token_id": 32000,
            "sliding_window": None,
        },
        windowed=_every_layer,
        fused={
            "self_attn.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            "mlp.gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
        },
    ),
    "gemma2": Family(
        "Gemma2ForCausalLM",
        {
            **GEMMA,
            "max_position_embeddings": 8192,
            "final_logit_softcapping": 30.0,
            "attn_logit_softcapping": 50.0,
        },
        {"norms": "both", "norm_offset": 1.0},
        {
            **BIASES,
            "final_logit_softcapping": ("final_soft_cap",),
            "attn_logit_softcapping": ("attention_soft_cap",),
        },
        windowed=_every_second,
        activation_key="hidden_activation",
    ),
    "gemma3_text": Family(
        "Gemma3ForCausalLM",
        {
            **GEMMA,
            "max_position_embeddings": 131072,
            "sliding_window_pattern": 6,
            "rope_theta": 1000000.0,
            "rope_local_base_freq": 10000.0,
        },
        {"norms": "both", "norm_offset": 1.0, "query_key_norm": "head"},
        {**BIASES, "final_logit_softcapping": ("final_soft_cap",)},
        windowed=_all_but_every,
        activation_key="hidden_activation",
        classifier="Gemma3TextForSequenceClassification",
    ),
}

GENERAL: Values = {
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "mlp_bias": False,
}


def family_of(stored: object) -> Family:
    """The family of a config.json as read; NotCoveredError for one that the decoder does not cover."""
    if not isinstance(stored, dict):
        raise InputError(f"expected a JSON object with a model_type, not {type(stored).__name__}")
    kind = stored.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise NotCoveredError(f"model_type is {kind!r}; the decoder reads {', '.join(FAMILIES)}")
    if kind == "mistral" and "layer_types" in stored:
        raise NotCoveredError("model_type mistral with layer_types is Ministral, which the decoder lacks")
    return FAMILIES[kind]


def default_ends(stored: Mapping[str, Any]) -> list[int]:
    """The ends of sequence of a family where its config files do not name any."""
    end = FAMILIES[stored["model_type"]].defaults.get("eos_token_id")
    return [] if end is None else [end]


def classifier_of(model_type: str) -> str:
    """transformers' class of a family's sequence classifiers; InputError where it has none."""
    family = FAMILIES[model_type]
    if family.classifier is None:
        raise InputError(
            f"transformers has no sequence classifier of {model_type} for a reward model: start from a model "
            "of another family"
        )
    return family.classifier or family.architecture.replace("ForCausalLM", "ForSequenceClassification")


def read_config(stored: Mapping[str, Any], ends: list[int]) -> DecoderConfig:
    """The decoder's shape from a family's config.json and its ends of sequence, the first to be appended.

    Raises NotCoveredError for what the decoder does not have, InputError for what is wrong, KeyError for a
    missing key that has no default, and TypeError or ValueError for a value that is none.
    """
    family = family_of(stored)
    given = {key: value for key, value in stored.items() if value is not None or key in family.knobs}
    values: Values = {**GENERAL, **family.defaults, **given}
    for key in NEEDED:
        if not isinstance(values[key], int) or isinstance(values[key], bool):
            raise TypeError(f"{key} is {values[key]!r}; expected a whole number")
        if values[key] < 1:
            raise ValueError(f"{key} is {values[key]}; expected at least 1")
    if stored.get("num_key_value_heads", 0) is None:
        values["num_key_value_heads"] = values["num_attention_heads"]
    values.setdefault("num_key_value_heads", values["num_attention_heads"])
    if stored.get("head_dim", 0) is None:
        values.pop("head_dim", None)
    values.setdefault("head_dim", values["hidden_size"] // values["num_attention_heads"])
    if values.get("use_bidirectional_attention"):
        raise NotCoveredError("use_bidirectional_attention is true; the decoder looks to the left only")
    for key in ("bos_token_id", "pad_token_id"):
        if not isinstance(values.get(key, 0), int):
            raise TypeError(f"{key} is {values[key]!r}; expected a token id")
        if not 0 <= values.get(key, 0) < values["vocab_size"]:
            values.pop(key, None)  # as -1, by which many files say that there is none
    settings: Values = {key: values[key] for key in COMMON if values.get(key) is not None}
    settings |= family.fixed
    for key, names in family.knobs.items():
        if key in values:
            settings |= dict.fromkeys(names, values[key])
    if family.activation_key == "hidden_activation":
        scalar = float(values["query_pre_attn_scalar"])
        if scalar <= 0:
            raise InputError(f"query_pre_attn_scalar is {scalar}; it must be above 0")
        settings["attention_multiplier"] = scalar**-0.5
        settings["embedding_multiplier"] = float(values["hidden_size"]) ** 0.5
    settings |= _activation(family, values) | _positions(stored, values) | _windows(family, stored, values)
    return DecoderConfig(
        **settings, model_type=values["model_type"], eos_token_id=ends[0], other_eos_ids=tuple(ends[1:])
    )


def _activation(family: Family, values: Values) -> Values:
    name = values.get(family.activation_key, "silu")
    name = "silu" if name == "swish" else name
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise NotCoveredError(f"{family.activation_key} is {name!r}; the decoder has {known}")
    return {"activation": name}


def _positions(stored: Mapping[str, Any], values: Values) -> Values:
    """Rotary bases, scaling and layers without positions."""
    found: Values = {}
    if values["model_type"] == "gemma3_text":
        rope, local = _ropes_of_gemma3(stored)
        # Scalings under a kind of layers do not look for it outside.
        values = {key: value for key, value in values.items() if key != "original_max_position_embeddings"}
        local_kind = local.get("rope_type", local.get("type", "default"))
        if local_kind != "default":
            raise NotCoveredError(f"rotary scaling {local_kind!r} of windowed layers is not supported")
        theta = local.get("rope_theta") or values["rope_local_base_freq"]
        found["local_rope_theta"] = float(theta)
    else:
        rope = _table(stored, "rope_scaling") or _table(stored, "rope_parameters")
    found["rope_theta"] = float(rope.get("rope_theta") or values["rope_theta"])
    found["rotary_share"] = float(
        rope.get("partial_rotary_factor") or values.get("partial_rotary_factor") or 1.0
    )
    kind: Any = rope.get("rope_type", rope.get("type", "default"))
    if values["model_type"] == "phi3" and kind != "default":
        raise NotCoveredError(
            f"rotary scaling {kind!r} of Phi-3 (longrope) is not supported; use a model without it"
        )
    if values["model_type"] != "phi3" and found["rotary_share"] != 1:
        share = found["rotary_share"]
        raise NotCoveredError(f"partial_rotary_factor is {share}; only Phi-3 rotates a part of each head")
    if kind != "default":
        found["rope_scaling"] = _scaling(kind, rope, values)
    if values["model_type"] == "smollm3":
        layers = _every_layer(values)
        if "no_rope_layers" not in values:
            interval = _interval(values, "no_rope_layer_interval")
            values["no_rope_layers"] = [int((layer + 1) % interval != 0) for layer in layers]
        without = _layers_without_positions(values)
        found["unrotated_layers"] = tuple(layer for layer in without if layer < len(layers))
    return found


def _ropes_of_gemma3(stored: Mapping[str, Any]) -> tuple[Values, Values]:
    """Rotary parameters of the full and of the windowed layers, read as transformers reads them.

    Those in `rope_parameters` stand under the layers' kinds, and what stands beside these has no effect;
    `rope_scaling` is added to those of the full layers, where a `rope_type` outweighs a `type`.
    """
    given = _table(stored, "rope_parameters")
    full, local = ({**_table(given, kind)} for kind in (FULL, WINDOWED))
    if stored.get("rope_parameters") is None:
        full["rope_type"] = "default"
    full |= _table(stored, "rope_scaling")
    if given.get("truncate") is not None:
        raise NotCoveredError("truncate beside the kinds of layers is not supported")
    # transformers looks for it beside the kinds, so it has no effect where it stands.
    full.pop("truncate", None)
    return full, local


def _table(stored: Mapping[str, Any], key: str) -> Values:
    found = stored.get(key)
    if found is not None and not isinstance(found, dict):
        raise InputError(f"{key} is {found!r}; expected a table, or leave it out")
    return found or {}


def _scaling(kind: str, rope: Mapping[str, Any], values: Values) -> RopeScaling:
    if kind not in SCALINGS:
        known = ", ".join(SCALINGS)
        raise NotCoveredError(f"rotary scaling {kind!r} is not supported; the decoder has {known}")
    strange = sorted(rope.keys() - ROPE_KEYS - ROPE_OTHERS)
    found = {key: value for key, value in rope.items() if key in ROPE_KEYS and value is not None}
    if "truncate" in rope:
        found["truncate"] = bool(rope["truncate"])  # null is no default here
    if kind in ("llama3", "yarn"):
        longest = values["max_position_embeddings"]
        original = values.get("original_max_position_embeddings", longest)
        if "original_max_position_embeddings" in values:
            found["original_max_position_embeddings"] = original
        found.setdefault("original_max_position_embeddings", original)
        if kind == "yarn":
            found.setdefault("factor", longest / found["original_max_position_embeddings"])
    if strange:
        raise NotCoveredError(f"rotary scaling {kind!r} has {strange[0]!r}, which is not known")
    factor = found.pop("factor", None)
    if factor is None:
        raise InputError(f"rotary scaling {kind!r}: factor is missing")
    return RopeScaling(**{**found, "rope_type": kind, "factor": float(factor)})


def _windows(family: Family, stored: Mapping[str, Any], values: Values) -> Values:
    """The window, and the layers that have it."""
    window = values.get("sliding_window")
    # A null in the file is no window; a key left out is the family's default.
    if family.windowed is None or window is None or stored.get("sliding_window", 0) is None:
        return {}
    kinds = stored.get("layer_types") if family.windowed is not _every_layer else None
    # Other families than these read no such key, and SmolLM3 not where it lists the kinds of its layers.
    switched = "use_sliding_window" in family.defaults and not values["use_sliding_window"]
    if switched and (kinds is None or values["model_type"] != "smollm3"):
        return {}
    if kinds is None:
        layers = family.windowed(values)
    else:
        strange = sorted({str(kind) for kind in kinds} - {WINDOWED, FULL})
        if strange or len(kinds) < values["num_hidden_layers"]:
            count = values["num_hidden_layers"]
            raise NotCoveredError(
                f"layer_types is {kinds!r}; expected {WINDOWED} or {FULL} for {count} layers"
            )
        layers = [layer for layer, kind in enumerate(kinds) if kind == WINDOWED]
    layers = [layer for layer in layers if layer < values["num_hidden_layers"]]
    found: Values = {"sliding_window": int(window), "windowed_layers": tuple(layers)}
    # Gemma keeps the number where no layer has a window: transformers cannot run it without.
    return found if layers or family.activation_key == "hidden_activation" else {}


def write_config(config: DecoderConfig) -> Values:
    """A family's config.json, which `transformers` loads as that family; without ends of sequence."""
    family = FAMILIES[config.model_type]
    written: Values = {key: getattr(config, key) for key in COMMON}
    written |= {"architectures": [family.architecture], "model_type": config.model_type}
    written |= {key: getattr(config, names[0]) for key, names in family.knobs.items()}
    written[family.activation_key] = config.activation
    if family.activation_key == "hidden_activation":
        written["query_pre_attn_scalar"] = round(config.attention_scale**-2)
    if config.model_type == "llama":
        written["rope_theta"] = config.rope_theta
    rope = _rope_parameters(config)
    if config.local_rope_theta is not None:
        local = {"rope_type": "default", "rope_theta": config.local_rope_theta}
        rope = {FULL: rope, WINDOWED: local}
    written["rope_parameters"] = rope
    if config.model_type == "smollm3":
        layers = range(config.num_hidden_layers)
        written["no_rope_layers"] = [int(layer not in config.unrotated_layers) for layer in layers]
    return written | _written_windows(family, config)


def _rope_parameters(config: DecoderConfig) -> Values:
    scaling = config.rope_scaling
    written: Values = {"rope_type": "default", "rope_theta": config.rope_theta}
    if scaling is not None:
        found = {field.name: getattr(scaling, field.name) for field in fields(scaling)}
        found = {key: value for key, value in found.items() if value is not None}
        if not scaling.original_max_position_embeddings:
            del found["original_max_position_embeddings"]
        if scaling.truncate:
            del found["truncate"]
        written |= found
    if config.rotary_share != 1:
        written["partial_rotary_factor"] = config.rotary_share
    return written


def _written_windows(family: Family, config: DecoderConfig) -> Values:
    if family.windowed is None:
        return {}
    written: Values = {"sliding_window": config.sliding_window}
    if family.windowed is _every_layer:
        return written
    layers = range(config.num_hidden_layers)
    written["layer_types"] = [WINDOWED if layer in config.windowed_layers else FULL for layer in layers]
    if "use_sliding_window" in family.defaults:
        written["use_sliding_window"] = config.sliding_window is not None
    if "max_window_layers" in family.defaults:
        written["max_window_layers"] = min(config.windowed_layers, default=config.num_hidden_layers)
    return written


def own_tensors(config: DecoderConfig, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A family's tensors under the decoder's names, fused ones cut apart; names that are not known stay."""
    sizes = rows_of(config)
    found: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        stem, _, kind = name.rpartition(".")
        fused = next((key for key in FAMILIES[config.model_type].fused if stem.endswith(key)), None)
        if fused is None:
            found[name] = tensor
            continue
        parts = FAMILIES[config.model_type].fused[fused]
        rows = [sizes[part] for part in parts]
        if len(tensor) != sum(rows):
            shapes = f"{list(tensor.shape)}, config.json asks for {sum(rows)} rows"
            raise InputError(f"{name} has shape {shapes}")
        for part, piece in zip(parts, torch.split(tensor, rows), strict=True):
            found[f"{stem.removesuffix(fused)}{part}.{kind}"] = piece
    return found


def family_tensors(config: DecoderConfig, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The decoder's tensors under the family's names, those that it fuses put together; others stay."""
    found = dict(own)
    for fused, parts in FAMILIES[config.model_type].fused.items():
        for name in [name for name in found if name.rpartition(".")[0].endswith(parts[0])]:
            stem, _, kind = name.rpartition(".")
            start = stem.removesuffix(parts[0])
            pieces = [found.pop(f"{start}{part}.{kind}") for part in parts]
            found[f"{start}{fused}.{kind}"] = torch.cat(pieces)
    return found


def rows_of(config: DecoderConfig) -> dict[str, int]:
    """How many outputs each map has that a family may store together with others."""
    keys = config.num_key_value_heads * config.head_dim
    return {
        "self_attn.q_proj": config.num_attention_heads * config.head_dim,
        "self_attn.k_proj": keys,
        "self_attn.v_proj": keys,
        "mlp.gate_proj": config.intermediate_size,
        "mlp.up_proj": config.intermediate_size,
    }
