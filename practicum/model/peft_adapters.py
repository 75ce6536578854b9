"""LoRA adapters of transformers' models, by peft: added, saved in its format, restored, merged.

As for our own decoder (`lora.py`), a checkpoint's weights have the adapters merged in, and the adapters lie
beside them. peft computes W x + s B (A x), which differs from (W + s B A) x by rounding.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.checkpoint import load_model_file
from practicum.model.lora import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    TARGETS,
    LoraConfig,
    check_initialisation,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "default"
# Models whose fast kernels read this map's weight past its adapter, so that peft gives it none.
STATE_SPACES, PAST_ADAPTER = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"), "out_proj"
CONVERSION = "peft.utils.transformers_weight_conversion"
PART = re.compile(r"^(?P<map>.+)\.(?P<half>lora_[AB])\.default\.weight$")


def peft(reason: str) -> Any:
    """The package; InputError where it is not installed, which begins with the reason to ask for it."""
    if importlib.util.find_spec("peft") is None:
        raise InputError(
            f"{reason} needs the package peft, which is not installed: pip install 'practicum[peft]'"
        )
    return importlib.import_module("peft")


def add_peft_adapters(model: PreTrainedModel, config: LoraConfig, seed: int) -> None:
    """Freeze all weights and give linear maps adapters, in place; `seed` draws their A, their B is 0.

    The default targets stand for every linear map but the output head, whatever the architecture calls them,
    that an adapter would act in; those left out are told on stderr. Raises InputError where the model has
    none of the maps, and for one that is named and cannot have an adapter.
    """
    library = peft("lora: an adapter of this model")
    transposed = importlib.import_module("transformers.pytorch_utils").Conv1D
    named = {
        name: module for name, module in model.named_modules() if isinstance(module, (nn.Linear, transposed))
    }
    head = model.get_output_embeddings()
    maps = {name: module for name, module in named.items() if module is not head}
    every = config.targets == TARGETS
    chosen = {name: module for name, module in maps.items() if every or _last(name) in config.targets}
    missing = set() if every else set(config.targets) - {_last(name) for name in maps}
    if missing or not chosen:
        known = ", ".join(sorted({_last(name) for name in maps})) or "none"
        raise InputError(f"lora.targets: the model has no map named {', '.join(missing)}; it has {known}")
    settings = library.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=0.0,
        target_modules=sorted(chosen),
        fan_in_fan_out=all(isinstance(module, transposed) for module in chosen.values()),
        bias="none",
        task_type="CAUSAL_LM",
    )
    left_out = _without_effect(model, chosen, settings)
    if left_out:
        parts = ", ".join(sorted({_last(name) for name in left_out}))
        if not every or len(left_out) == len(chosen):
            raise InputError(
                f"lora.targets: {parts}: leave it out; an adapter would not act there, or peft has none"
            )
        print(
            f"practicum: {parts} get no adapters: they would not act there, or peft has none",
            file=sys.stderr,
        )
        chosen = {name: module for name, module in chosen.items() if name not in left_out}
    words = {_last(name) for name in chosen}
    # peft takes the last part of a name for all modules that have it, which may be the head too, or no map.
    alike = {name for name, _ in model.named_modules() if _last(name) in words}
    settings.target_modules = words if alike == chosen.keys() else set(chosen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            library.inject_adapter_in_model(settings, model)
        except (ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            raise InputError(f"lora.targets: peft makes no adapters of this model ({said:.200})") from error
    model.eval()


def _without_effect(model: PreTrainedModel, maps: Mapping[str, nn.Module], settings: Any) -> set[str]:
    """Names of maps that an adapter would not act in, or not as the sum of weight and adapter does."""
    found = set()
    if model.config.model_type in STATE_SPACES:
        found |= {name for name in maps if _last(name) == PAST_ADAPTER}
    if importlib.util.find_spec(CONVERSION) is not None:
        # peft takes some names for those of experts, which are one tensor now and no map.
        converted = copy.deepcopy(settings)
        try:
            importlib.import_module(CONVERSION).convert_peft_config_for_transformers(converted, model, None)
        except ValueError as error:
            raise InputError(
                f"lora.targets: peft cannot have these ({' '.join(str(error).split())})"
            ) from error
        found |= maps.keys() - set(converted.target_modules)
    kinds: dict[str, list[str]] = {}
    for name in maps.keys() - found:
        kinds.setdefault(re.sub(r"\d+", "#", name), []).append(name)
    firsts = {min(names): names for names in kinds.values()}
    for name in _read_past_forward(model, {name: maps[name] for name in firsts}):
        found |= set(firsts[name])
    return found


def _read_past_forward(model: PreTrainedModel, maps: Mapping[str, nn.Module]) -> list[str]:
    """Names of maps whose weight acts elsewhere than in their own forward, where an adapter stands.

    Beside each map stands a second weight, 0, as an adapter would. Both have the same gradient, unless the
    model's code reads the first one by itself, as Jamba's does with dt_proj.
    """
    if not maps:
        return []
    weights = [module.get_parameter("weight") for module in maps.values()]
    probes = [torch.zeros_like(weight, requires_grad=True) for weight in weights]
    hooks = [
        module.register_forward_hook(_beside(probe, transposed=not isinstance(module, nn.Linear)))
        for module, probe in zip(maps.values(), probes, strict=True)
    ]
    ids = torch.arange(4, device=model.device)[None]
    try:
        with torch.enable_grad():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            found = torch.autograd.grad(
                logits.float().logsumexp(-1).sum(), [*weights, *probes], allow_unused=True
            )
    finally:
        for hook in hooks:
            hook.remove()
    gradients = [torch.zeros(1) if part is None else part.cpu() for part in found]
    pairs = zip(maps, gradients[: len(weights)], gradients[len(weights) :], strict=True)
    return [name for name, one, other in pairs if (one - other).abs().max() > 1e-3 * one.abs().max()]


def _beside(probe: Tensor, transposed: bool) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    def hook(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return output + functional.linear(inputs[0], probe.t() if transposed else probe)

    return hook


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def adapter_parts(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The adapters' matrices by the names they have in peft's files."""
    for name, part in model.named_parameters():
        match = PART.match(name)
        if match:
            yield f"base_model.model.{match['map']}.{match['half']}.weight", part


@torch.no_grad()
def merged_model_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights that act, by the names they have without adapters; tied ones stay one tensor."""
    weights = {
        name.replace(".base_layer.", "."): value
        for name, value in model.state_dict().items()
        if ".lora_" not in name
    }
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and NAME in getattr(module, "lora_A", ()):
            weights[f"{name}.weight"] = module.base_layer.weight + module.get_delta_weight(NAME)
    return weights


def save_peft_adapters(model: PreTrainedModel, folder: Path, base: str) -> None:
    """Write what `PeftModel.from_pretrained` reads; `base` is the folder of the model they belong to."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.copy(model.peft_config[NAME])
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(str(folder))
    tensors = {name: part.detach().cpu().contiguous() for name, part in adapter_parts(model)}
    save_file(tensors, str(folder / ADAPTER_WEIGHTS), metadata={"format": "pt"})


@torch.no_grad()
def restore_peft_adapters(model: PreTrainedModel, folder: Path) -> None:
    """Take saved adapters in place; InputError where they do not fit."""
    stored = load_model_file(folder / ADAPTER_WEIGHTS)
    for name, part in adapter_parts(model):
        value = stored.get(name)
        if value is None or value.shape != part.shape:
            shape = None if value is None else list(value.shape)
            raise InputError(f"{folder}: {name} is {shape}, the model asks for {list(part.shape)}")
        part.copy_(value)


def merge_peft_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with the adapter in a folder added to its weights, all of which can be trained."""
    library = peft(f"{folder}: an adapter of this model")
    check_initialisation(folder / ADAPTER_CONFIG)
    try:
        merged: PreTrainedModel = library.PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, SafetensorError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{folder / ADAPTER_CONFIG}: peft cannot load it ({said:.200})") from error
    for parameter in merged.parameters():
        parameter.requires_grad_(True)
    return merged
