"""Where a model lies: the device that `--device` names, chosen once at the head of a command.

Only loading a policy and making heads take a device from here. Whatever reads or samples a policy goes by
`Policy.device`; prompts, rollouts, credit and losses stay on the CPU, whose generators decide all data.
Multiplications of float32 are those of float32: TensorFloat-32 stays off, as PyTorch has it.
"""

from __future__ import annotations

import re
import sys

import torch

from practicum.errors import InputError

EXPECTED = "expected auto, cpu, cuda, cuda:N or mps"


def chosen_device(name: str) -> torch.device:
    """The device that a setting names: auto (the first CUDA device, else mps, else the CPU) or one by name.

    A name without a number means the first of its kind. Any other kind that this PyTorch can use, as xpu, is
    taken by its name too. Raises InputError for what is no name, or is not there.
    """
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu")
    kind, index = _parsed(name)
    if kind == "cpu":
        return torch.device("cpu")
    count = _count(kind)
    if not count:
        raise InputError(
            f"device is {name!r}, but PyTorch {torch.__version__} finds none here: install a driver and a "
            f"build of PyTorch for {kind}, or use --device cpu"
        )
    if index >= count:
        there = f"{kind}:0" if count == 1 else f"{kind}:0 to {kind}:{count - 1}"
        raise InputError(f"device is {name!r}, but there is only {there}")
    return torch.device(kind, index)


def _parsed(name: str) -> tuple[str, int]:
    """Kind and number of a device's name. Raises InputError for what is none."""
    # PyTorch keeps a number in eight bits: its own parser would take cuda:256 for cuda:0.
    found = re.fullmatch(r"([a-z]+)(?::([0-9]{1,18}))?", name)
    kind, index = found.groups() if found else ("", None)
    try:
        torch.device(kind)
    except RuntimeError as error:
        raise InputError(f"device is {name!r}; {EXPECTED}") from error
    if kind == "meta" or (kind == "cpu" and index):
        raise InputError(f"device is {name!r}; {EXPECTED}")
    return kind, int(index or 0)


def described(device: torch.device) -> str:
    """A device in words, as `cpu` or `cuda:0 (NVIDIA H100 80GB HBM3)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def told_device(name: str) -> torch.device:
    """`chosen_device`, told on stderr where it is not the CPU: for commands that keep no record of it."""
    device = chosen_device(name)
    if device.type != "cpu":
        print(f"practicum: device {described(device)}", file=sys.stderr)
    return device


def _count(kind: str) -> int:
    """How many devices of a kind this PyTorch can use here."""
    # Not every kind of device has a module of its own, and not every module counts its devices.
    module = getattr(torch, kind, None)
    if module is None or not hasattr(module, "is_available") or not module.is_available():
        return 0
    return int(module.device_count()) if hasattr(module, "device_count") else 1
