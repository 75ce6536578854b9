"""What a run was made on: versions, commit, machine, energy."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import practicum
from practicum import __version__

# ------------------------------------------------------------------------------------ the environment


def environment(command: str, seed: int | None) -> dict[str, Any]:
    """What a reader needs to repeat a run: versions, commit, machine, seed, command, start time (UTC)."""
    return {
        "command": command,
        "arguments": sys.argv[1:],
        "seed": seed,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "practicum": __version__,
        "commit": source_commit(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "machine": machine(),
    }


INSTRUCTIONS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 BF16", "amx_bf16": "AMX"}
"""What decides the speed of products, by the flags of Linux; names are the processor's makers'."""


def machine() -> str:
    """What this runs on, in a line: cores, processor and what it multiplies with, system and versions."""
    system = f"{platform.system()}, Python {platform.python_version()}, PyTorch {metadata.version('torch')}"
    return f"{os.cpu_count()} cores of {processor()}, {system}"


def processor() -> str:
    """The processor's name and the instruction sets that decide its speed, as far as they are told."""
    name, flags = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
            elif line.startswith("flags"):
                flags = line.partition(":")[2]
                break
    return ", ".join([name, *(said for flag, said in INSTRUCTIONS.items() if flag in flags.split())])


def energy_counter() -> float | None:
    """Joules counted so far by the processor packages (Linux powercap), None where none can be read.

    The counters wrap around after some hours of load, so a difference may be negative: then it says nothing.
    """
    joules = []
    for counter in Path("/sys/class/powercap").glob("intel-rapl:[0-9]"):
        with contextlib.suppress(OSError, ValueError):
            joules.append(int((counter / "energy_uj").read_text()) / 1e6)
    return sum(joules) if joules else None


def source_commit() -> str | None:
    """The commit of the source tree, `+changes` appended when it was edited since; None when installed."""
    root = Path(practicum.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    commands = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain"])
    try:
        commit, changes = (
            subprocess.run(
                command, cwd=root, capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
            for command in commands
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")
