"""Low-rank adapters: frozen weights, and beside each of them a product of two thin matrices that learns.

y = (W + s B A) x with A [rank, in], B [out, rank], s = alpha / rank, B = 0 at the start (Hu et al. 2021,
LoRA, arXiv 2106.09685, section 4.1). Sampling and scoring use the sum of weight and adapter, formed once
per update, so both see the very same weights. Stored as peft stores them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.decoder import Decoder, Linear
from practicum.model.fused_adapters import fused, fused_maps, parted
from practicum.ranges import Common, PositiveFloat, Range, Ranged

HALVES = ("lora_A", "lora_B")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Settings of peft's LoraConfig that change what an adapter computes; we know each at this value only.
PLAIN = {
    "use_dora": False,
    "fan_in_fan_out": False,
    "bias": "none",
    "modules_to_save": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "lora_bias": False,
    "alora_invocation_tokens": None,
    "layer_replication": None,
    "velora_config": None,
    "monteclora_config": None,
    "use_bdlora": None,
    "arrow_config": None,
    "kasa_config": None,
}
# Those that say nothing about it, or that are read: where adapters are, the file of weights says too.
READ = (
    *("peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "lora_dropout"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "init_lora_weights"),
    *("megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    *("use_qalora", "qalora_group_size", "ensure_weight_tying", "runtime_config"),
)
# Ways of drawing adapters that leave the base's weights as they are; others change what the sum starts from.
INITIALISATIONS = (True, False, None, "gaussian", "orthogonal", "eva")


@dataclass(frozen=True)
class LoraConfig(Ranged, section="lora"):
    """Adapters instead of all weights; rank 0, the default, trains all weights."""

    rank: Common[Annotated[int, Range(at_least=0, at_most=65_536)]] = 0
    """Rank of the adapters; 0 trains all weights."""
    alpha: PositiveFloat = 32.0
    """The output of an adapter is scaled by alpha / rank."""
    targets: tuple[str, ...] = TARGETS
    """Matrices of the layers that get an adapter; the default means all of them in any architecture."""

    def without_effect(self) -> Mapping[str, str]:
        """Settings of adapters where there are none."""
        return (
            {} if self.rank else dict.fromkeys(("alpha", "targets"), "lora.rank 0 makes no adapters: give it")
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.targets:
            raise InputError(
                f"lora.targets: none given; choose from {', '.join(TARGETS)}, or the model's own"
            )


class LoraLinear(Linear):
    """A linear map whose weight is frozen, and the adapter that learns in its place."""

    def __init__(self, base: Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)
        outputs, inputs = base.weight.shape
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach(), requires_grad=False)
        self.lora_A = nn.Parameter(torch.zeros(rank, inputs, device=base.weight.device))
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=base.weight.device))
        self.alpha = alpha
        self.scale = alpha / rank

    def merged(self) -> Tensor:
        """Weight [out, in] with the adapter added, float32."""
        return torch.addmm(self.weight, self.lora_B, self.lora_A, alpha=self.scale)

    def forward(self, values: Tensor) -> Tensor:
        """[..., in] -> [..., out] in the dtype of `values`."""
        bias = self.bias if self.bias is None else self.bias.to(values.dtype)
        return functional.linear(values, self.merged().to(values.dtype), bias)


def add_adapters(decoder: Decoder, config: LoraConfig, seed: int) -> Decoder:
    """Freeze all weights of a decoder and give its layers adapters, in place; rank 0 changes nothing.

    A is uniform within 1 / sqrt(in), as peft draws it; B is 0, so that nothing changes at first. Raises
    InputError, and changes nothing, when the decoder has adapters already or no map that could take one.
    """
    unknown = sorted(set(config.targets) - set(TARGETS))
    if unknown:
        raise InputError(f"lora.targets: {unknown}; choose from {', '.join(TARGETS)}")
    if config.rank == 0:
        return decoder
    if adapters(decoder):
        raise InputError("lora: this model has adapters already; merge them first")
    places = {
        name: module
        for name, module in decoder.named_modules()
        if isinstance(module, Linear) and name.rpartition(".")[2] in config.targets
    }
    if not places:
        raise InputError(
            f"lora: the model has no map named {', '.join(config.targets)} that can take an adapter, so "
            "nothing would be trained; use --lora.rank 0"
        )
    generator = torch.Generator().manual_seed(seed)
    for parameter in decoder.parameters():
        parameter.requires_grad_(False)
    for name, module in places.items():
        adapter = LoraLinear(module, config.rank, config.alpha)
        bound = module.weight.shape[1] ** -0.5
        drawn = torch.rand(adapter.lora_A.shape, generator=generator) * 2 * bound - bound
        adapter.lora_A.data.copy_(drawn)
        decoder.set_submodule(name, adapter)
    return decoder


def adapters(decoder: Decoder) -> dict[str, LoraLinear]:
    """The adapters of a decoder by the name of their map, such as `model.layers.0.self_attn.q_proj`."""
    return {name: module for name, module in decoder.named_modules() if isinstance(module, LoraLinear)}


@torch.no_grad()
def merged_weights(decoder: Decoder) -> dict[str, Tensor]:
    """The weights that act, detached, adapters added; a weight without adapter is not copied."""
    found = adapters(decoder)
    weights = {
        name: value.detach()
        for name, value in decoder.named_parameters()
        if not name.endswith((".lora_A", ".lora_B"))
    }
    return weights | {f"{name}.weight": adapter.merged() for name, adapter in found.items()}


def merge_adapters(decoder: Decoder) -> Decoder:
    """Add the adapters to the weights in place; afterwards all weights can be trained."""
    for name, adapter in adapters(decoder).items():
        decoder.set_submodule(name, _plain(adapter, adapter.merged().detach()))
    for parameter in decoder.parameters():
        parameter.requires_grad_(True)
    return decoder


def _plain(adapter: LoraLinear, weight: Tensor) -> Linear:
    """A map without adapter in the place of one with."""
    outputs, inputs = weight.shape
    plain = Linear(inputs, outputs)
    plain.weight = nn.Parameter(weight)
    plain.bias = adapter.bias
    return plain


def save_adapters(decoder: Decoder, folder: Path) -> None:
    """Write the adapters as `PeftModel.from_pretrained` reads them; `decoder.base` is their base model."""
    found = adapters(decoder)
    first = next(iter(found.values()))
    rank, alpha = len(first.lora_A), first.alpha
    own = {name: (adapter.lora_A.detach(), adapter.lora_B.detach()) for name, adapter in found.items()}
    pairs, counts = fused(decoder.config, own)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted({name.rpartition(".")[2] for name in pairs}),
        "rank_pattern": {name: rank * count for name, count in counts.items()},
        "alpha_pattern": {name: alpha * count for name, count in counts.items()},
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "base_model_name_or_path": decoder.base,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {
        f"base_model.model.{name}.{half}.weight": part.cpu().contiguous()
        for name, pair in pairs.items()
        for half, part in zip(HALVES, pair, strict=True)
    }
    save_file(tensors, str(folder / ADAPTER_WEIGHTS), metadata={"format": "pt"})


def load_adapters(decoder: Decoder, folder: Path) -> Decoder:
    """Read peft's folder into the decoder, in place; a decoder without adapters gets them first.

    Raises InputError for other kinds of adapters and for weights that do not fit the decoder.
    """
    path = folder / ADAPTER_CONFIG
    config = _read_config(path, fused_maps(decoder.config))
    stored = _read_weights(folder / ADAPTER_WEIGHTS)
    maps = {name.rpartition(".lora_")[0] for name in stored}
    whole = {name: pair for name in maps if (pair := _pair(stored, name)) is not None}
    ranks = {name: len(adapter.lora_A) for name, adapter in adapters(decoder).items()}
    try:
        pairs, origin = parted(decoder.config, whole, ranks)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    weights = {name: part for name, part in stored.items() if name.rpartition(".lora_")[0] in pairs}
    weights |= {
        f"{name}.{half}": part
        for name, pair in pairs.items()
        for half, part in zip(HALVES, pair, strict=True)
    }
    maps = (maps - whole.keys()) | pairs.keys()
    if not ranks:
        rank, alpha = _strength(path, config, "")
        targets = tuple(sorted({name.rpartition(".")[2] for name in maps}))
        if rank < 1:
            raise InputError(f"{path}: r is {rank}; an adapter has at least rank 1")
        add_adapters(decoder, LoraConfig(rank, alpha, targets), seed=0)
        for name, adapter in adapters(decoder).items():
            if name not in maps:
                decoder.set_submodule(name, _plain(adapter, adapter.weight))
            elif name in origin:
                strength = _strength(path, config, origin[name])
                decoder.set_submodule(name, LoraLinear(adapter, *strength))
    found = adapters(decoder)
    if maps != found.keys():
        strange = sorted(maps ^ found.keys())
        raise InputError(
            f"{folder}: the adapter does not fit this model ({len(strange)} maps, {strange[:2]})"
        )
    with torch.no_grad():
        for name, adapter in found.items():
            for part in ("lora_A", "lora_B"):
                given, own = weights.get(f"{name}.{part}"), getattr(adapter, part)
                if given is None or given.shape != own.shape:
                    shape = None if given is None else list(given.shape)
                    raise InputError(
                        f"{folder}: {name}.{part} is {shape}, the model asks for {list(own.shape)}"
                    )
                own.copy_(given)
    return decoder


def _pair(stored: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor] | None:
    """A map's A and B; None where a half is missing, which is told later by name."""
    halves = [stored.get(f"{name}.{half}") for half in HALVES]
    if halves[0] is None or halves[1] is None:
        return None
    return halves[0], halves[1]


def _strength(path: Path, config: Mapping[str, Any], kind: str) -> tuple[int, float]:
    """Rank and alpha of an adapter, of a kind of fused map where one is named, as our sum counts alpha."""
    try:
        rank = int((config.get("rank_pattern") or {}).get(kind, config["r"]))
        alpha = float((config.get("alpha_pattern") or {}).get(kind, config["lora_alpha"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected numbers r and lora_alpha ({error})") from error
    return rank, alpha * (rank**0.5 if config.get("use_rslora") and rank > 0 else 1.0)


def base_folder(folder: Path) -> Path:
    """The model that an adapter's folder names as its base. Raises InputError when it names none."""
    path = folder / ADAPTER_CONFIG
    base = _read_adapter(path).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise InputError(f"{path}: names no base_model_name_or_path; write the base model's folder there")
    return Path(base)


def _read_config(path: Path, fused_kinds: Collection[str]) -> Mapping[str, Any]:
    """An adapter's settings, all of them such as our decoder has."""
    config = _read_adapter(path)
    for name in ("rank_pattern", "alpha_pattern"):
        given = config.get(name) or {}
        if not isinstance(given, dict) or given.keys() - set(fused_kinds):
            raise InputError(
                f"{path}: {name} is {given!r:.80}; ranks are supported that are alike everywhere"
            )
    for name, known in PLAIN.items():
        if config.get(name) not in (known, None):
            raise InputError(f"{path}: {name} is {config[name]!r}; only {known!r} is supported")
    for name in sorted(config.keys() - PLAIN.keys() - set(READ)):
        if config[name]:
            raise InputError(
                f"{path}: {name} is {config[name]!r:.80}, which is not known here; remove it if it changes "
                "nothing of what the adapter computes"
            )
    check_initialisation(path)
    return config


def check_initialisation(path: Path) -> None:
    """Raise InputError for an adapter whose training began by changing the weights that it is added to."""
    drawn = _read_adapter(path).get("init_lora_weights")
    if drawn not in INITIALISATIONS:
        raise InputError(
            f"{path}: init_lora_weights is {drawn!r}: such adapters belong to weights that were changed when "
            "their training began; convert it to a plain one by save_pretrained of peft, with "
            "path_initial_model_for_weight_conversion"
        )


def _read_adapter(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as an adapter's settings ({error})") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(f"{path}: peft_type is not LORA; only LoRA adapters are supported")
    return config


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name without peft's prefix, such as `model.layers.0.self_attn.q_proj.lora_A`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; the adapter's weights are missing")
    try:
        stored = load_file(str(path))
    except SafetensorError as error:
        raise InputError(f"{path}: damaged safetensors file ({error})") from error
    prefix, suffix = "base_model.model.", ".weight"
    weights = {name.removeprefix(prefix).removesuffix(suffix): part for name, part in stored.items()}
    strange = [name for name in weights if not name.endswith((".lora_A", ".lora_B"))]
    if strange:
        raise InputError(f"{path}: {strange[0]} is not part of a LoRA adapter of linear maps")
    return weights
