"""C++ kernels, compiled on first use; without a compiler, the PyTorch code that each of them mirrors runs.

`load("decode")` compiles `decode.cpp` beside this file into the user's cache folder, once for every version
of the source, the compiler and the processor. Set PRACTICUM_NATIVE=0 to run without kernels, and
PRACTICUM_BFLOAT16=0 to run as on a processor without bfloat16.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from practicum.run.progress import doing

SOURCES = Path(__file__).parent
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math")


def bfloat16_allowed() -> bool:
    """False where PRACTICUM_BFLOAT16=0 asks for what a processor without bfloat16 would do."""
    return os.environ.get("PRACTICUM_BFLOAT16", "1") != "0"


@lru_cache(maxsize=8)
def load(name: str) -> ctypes.CDLL | None:
    """The compiled library of `name`.cpp, or None where kernels are off or cannot be built.

    That there is no compiler is said once on stderr, and so is a failed build, with the compiler's last line;
    training then runs in PyTorch.
    """
    if os.environ.get("PRACTICUM_NATIVE", "1") == "0" or sys.platform != "linux":
        return None
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        _say_no_compiler()
        return None
    try:
        return ctypes.CDLL(str(_built(name, compiler)))
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"practicum: kernel {name} was not built ({last}); PyTorch is used instead", file=sys.stderr)
    except OSError as error:
        print(f"practicum: kernel {name} was not loaded ({error}); PyTorch is used instead", file=sys.stderr)
    return None


@lru_cache(maxsize=64)
def say_passed_over(kernels: str, reason: str) -> None:
    """Say on stderr that these kernels do not know a decoder, and why: once for each reason."""
    if os.environ.get("PRACTICUM_NATIVE", "1") != "0":
        print(f"practicum: {reason}, so {kernels} runs in PyTorch, several times slower", file=sys.stderr)


@lru_cache(maxsize=1)
def _say_no_compiler() -> None:
    named = os.environ.get("CXX", "g++")
    print(
        f"practicum: no C++ compiler here ({named} is not found), so PyTorch runs in place of the kernels, "
        "which sample about four times as fast; install g++ (sudo apt install g++), or name one in CXX",
        file=sys.stderr,
    )


def _built(name: str, compiler: str) -> Path:
    """Path of the library, compiled now unless the cache holds it; appears whole or not at all."""
    source = SOURCES / f"{name}.cpp"
    digest = hashlib.sha256(_processor().encode())
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    flags = _flags()
    digest.update(f"{compiler} {version} {flags}".encode())
    for path in [source, *sorted(SOURCES.glob("*.h"))]:
        digest.update(path.read_bytes())
    target = cache_folder() / f"{name}-{digest.hexdigest()[:20]}.so"
    if not target.exists():
        print(f"practicum: compiling the kernel {name}, once on this machine", file=sys.stderr, flush=True)
        with doing(f"compiling the kernel {name}"), tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            command = [compiler, *flags, str(source), "-o", str(made)]
            subprocess.run(command, capture_output=True, text=True, check=True)
            os.replace(made, target)
    return target


def _flags() -> tuple[str, ...]:
    x86 = platform.machine() in ("x86_64", "AMD64")
    return FLAGS if bfloat16_allowed() or not x86 else (*FLAGS, "-mno-avx512bf16")


def _processor() -> str:
    """What the code is compiled for: a library built elsewhere with more instructions would crash here."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def cache_folder() -> Path:
    """The user's cache folder of this package, made now; a private temporary one where it cannot be."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "practicum"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"practicum-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder
