"""LoRA adapters of transformers' models, by peft: added, saved in its format, restored, merged.

As for our own decoder (`lora.py`), a checkpoint's weights have the adapters merged in, and the adapters lie
beside them. peft computes W x + s B (A x), which differs from (W + s B A) x by rounding.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.model.checkpoint import load_model_file
from practicum.model.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, TARGETS, LoraConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "default"
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

    The default targets stand for every linear map but the output head, whatever the architecture calls them.
    Raises InputError where the model has none of the maps.
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
    words = {_last(name) for name in chosen}
    # peft takes the last part of a name for all maps that have it, which may be the head too.
    ambiguous = any(module is head and _last(name) in words for name, module in named.items())
    settings = library.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=0.0,
        target_modules=sorted(chosen if ambiguous else words),
        fan_in_fan_out=all(isinstance(module, transposed) for module in chosen.values()),
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        library.inject_adapter_in_model(settings, model)
    model.eval()


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
    try:
        merged: PreTrainedModel = library.PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, SafetensorError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{folder / ADAPTER_CONFIG}: peft cannot load it ({said:.200})") from error
    for parameter in merged.parameters():
        parameter.requires_grad_(True)
    return merged
