"""`practicum export`: a model as one folder or one GGUF file, adapters merged, in the dtype asked for.

Also how checkpoints are stored in bfloat16 (`store_as`).
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file

from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.gguf_writer import write_gguf
from practicum.model.policy import load_policy
from practicum.ranges import Common, Ranged

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class ExportConfig(Ranged):
    """A model as a Hugging Face folder or a GGUF file for llama.cpp, adapters merged into the weights.

    practicum export --model runs/rl --to my-model
    practicum export --model runs/rl --to my-model.gguf --dtype float16
    """

    model: Path
    """A model folder, a run's folder, an adapter's folder, a .gguf file, or smollm2."""
    to: Path
    """Folder to write, or file whose name ends with .gguf. It must not exist yet."""
    dtype: Common[Literal["bfloat16", "float16", "float32"]] = "bfloat16"
    """Dtype of the stored weights. A GGUF's norms are always float32, as llama.cpp asks."""


def export(config: ExportConfig) -> dict[str, Any]:
    """Write the model, whole or not at all, and return what was written.

    Raises InputError when `to` exists, for a GGUF of a model that is not of the Llama family, and for weights
    that do not fit in float16.
    """
    target = config.to
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"{target}: exists already; choose another --to, or remove it")
    policy, tokenizer = load_policy(config.model)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            written = Path(scratch) / target.name
            if target.suffix == ".gguf":
                write_gguf(policy, tokenizer, written, DTYPES[config.dtype])
                size = written.stat().st_size
            else:
                save_model(policy, tokenizer, written)
                store_as(written, DTYPES[config.dtype])
                size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
            os.replace(written, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
    return {"model": str(config.model), "to": str(target), "dtype": config.dtype, "bytes": size}


def store_as(folder: Path, dtype: torch.dtype) -> None:
    """Store a model folder's float weights in another dtype, in place; its config.json says so.

    Subfolders, such as that of adapters, stay as they are. Raises InputError for a weight that is finite and
    would not be any more.
    """
    if dtype == torch.float32:
        return
    for path in sorted(folder.glob("*.safetensors")):
        tensors = load_file(str(path))
        for name, value in tensors.items():
            if value.is_floating_point():
                tensors[name] = value.to(dtype)
                if bool(value.isfinite().all()) and not bool(tensors[name].isfinite().all()):
                    raise InputError(f"{name} has values that do not fit in {_name(dtype)}: use bfloat16")
        save_file(tensors, str(path), metadata={"format": "pt"})
    path = folder / "config.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["dtype"] = _name(dtype)
    if "torch_dtype" in stored:
        stored["torch_dtype"] = _name(dtype)
    path.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
