"""A run's folder, the one place of side effects: config, metrics, samples, checkpoints, exact resume.

```
config.toml        the complete resolved config: running it again repeats the run
environment.json   versions, commit, machine, seed, command, times
metrics.jsonl      one row a step
samples.jsonl      prompt, completion, reward, advantage, step
untrusted/step-000150/     the newest of the checkpoints that a guard took back, if it took any
checkpoints/step-000143/   model files, trainer.safetensors, trainer.json
summary.json       the final figures
```
A process killed at any moment leaves either a whole checkpoint or none, and resuming cuts the logs back to
the checkpoint, so the continued files equal those of an unbroken run.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from practicum import __version__
from practicum.config import flatten, parse_toml, read_toml, to_toml
from practicum.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

LOGS = ("metrics.jsonl", "samples.jsonl")
TEMPORARY = ".partial"
REPLACED = ".replaced"
QUIET_SECONDS = 10.0


@dataclass(frozen=True)
class Checkpoint:
    """A saved step: model files and trainer state in `path`."""

    step: int
    path: Path
    state: dict[str, Any]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors given to `Run.save`, on the CPU, with their dtypes."""
        from safetensors.torch import load_file

        tensors: dict[str, Tensor] = load_file(self.path / "trainer.safetensors")
        return tensors


@dataclass(frozen=True)
class Run:
    """An open run folder; `keep` newest checkpoints stay."""

    path: Path
    keep: int = 2

    @classmethod
    def open(cls, path: Path, config: object, command: str, *, resume: bool = False, keep: int = 2) -> Run:
        """Start a run in a new or empty folder, or continue the one there.

        Resuming cuts `metrics.jsonl` and `samples.jsonl` back to the newest checkpoint (to nothing without
        one). Raises InputError when the folder is not empty and `resume` is False, when there is nothing to
        resume, when the stored config differs (naming the first differing key), or when writing fails.
        """
        run = cls(Path(path), keep)
        with _writing(run.path):
            if resume:
                run.check_config(config)
                run._cut_logs()
            else:
                if run.path.is_dir() and any(not _is_temporary(item) for item in run.path.iterdir()):
                    raise InputError(f"{path} is not empty: pass --resume to continue it, or another --run")
                run.path.mkdir(parents=True, exist_ok=True)
                atomic_write(run.path / "config.toml", to_toml(config))
            run._record_environment(config, command)
        return run

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one row to metrics.jsonl; NaN and infinities become null. It survives a kill."""
        _append(self.path / "metrics.jsonl", [row])

    def rows(self, count: int) -> list[dict[str, Any]]:
        """The newest `count` rows of metrics.jsonl, the oldest first."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines[-count:]]

    def log_samples(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows to samples.jsonl: all of them or, on an error, none."""
        _append(self.path / "samples.jsonl", rows)

    def save(
        self,
        step: int,
        write_model: Callable[[Path], None],
        tensors: Mapping[str, Tensor],
        state: Mapping[str, Any],
    ) -> Path:
        """Write checkpoints/step-NNNNNN as a whole or not at all, then remove all but the newest `keep`.

        `write_model` gets an empty folder for the model's files. `tensors` may have any dtype (bfloat16
        moments, uint8 random-number states); `state` is plain JSON. Raises InputError when writing fails, for
        instance on a full disk, and leaves the earlier checkpoints as they were.
        """
        final = self.path / "checkpoints" / f"step-{step:06d}"
        temporary = _hidden(final, TEMPORARY)
        with _writing(final):
            try:
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                write_model(temporary)
                _write_tensors(temporary / "trainer.safetensors", tensors)
                lengths = {name: _length(self.path / name) for name in LOGS}
                record = {"step": step, "log_bytes": lengths, "state": dict(state)}
                (temporary / "trainer.json").write_text(to_json(record) + "\n", encoding="utf-8")
                self._sync(temporary)
                if final.exists():
                    os.rename(final, _hidden(final, REPLACED))
                os.rename(temporary, final)
                _sync_path(final.parent)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            shutil.rmtree(_hidden(final, REPLACED), ignore_errors=True)
            self.prune(self.keep)
        return final

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint, or None. Removes what a killed process left half-written."""
        folder = self.path / "checkpoints"
        for leftover in folder.glob(f".step-*{REPLACED}"):
            whole = folder / leftover.name[1 : -len(REPLACED)]
            if not whole.exists():
                os.rename(leftover, whole)
        for leftover in folder.glob(".step-*"):
            shutil.rmtree(leftover)
        steps = self._steps()
        if not steps:
            return None
        record = _read_json(steps[-1] / "trainer.json")
        return Checkpoint(record["step"], steps[-1], record["state"])

    def distrust(self, step: int) -> None:
        """Take back the checkpoints after `step`: the newest of them moves to untrusted/, the others go."""
        with _writing(self.path / "untrusted"):
            later = [folder for folder in self._steps() if int(folder.name[5:]) > step]
            if later:
                (self.path / "untrusted").mkdir(exist_ok=True)
                kept = self.path / "untrusted" / later[-1].name
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(later[-1], kept)
            for folder in reversed(later):
                _remove(folder)

    def prune(self, keep: int) -> None:
        """Remove all but the newest `keep` checkpoints."""
        for old in self._steps()[: -keep or None]:
            _remove(old)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json, whole or not at all. Raises InputError when writing fails."""
        atomic_write(self.path / "summary.json", to_json(summary, indent=2) + "\n")

    def _steps(self) -> list[Path]:
        folders = (self.path / "checkpoints").glob("step-*")
        return sorted(
            (folder for folder in folders if re.fullmatch(r"step-\d{6,}", folder.name)),
            key=lambda folder: int(folder.name[5:]),
        )

    def _sync(self, folder: Path) -> None:
        """Make everything in `folder`, and the logs whose lengths it records, survive a power cut."""
        for parent, _, names in os.walk(folder):
            for name in names:
                _sync_path(Path(parent) / name)
            _sync_path(Path(parent))
        for name in LOGS:
            if (self.path / name).exists():
                _sync_path(self.path / name)

    def check_config(self, config: object) -> None:
        """Raise InputError unless the run was started with this config, naming the first key that differs."""
        stored_path = self.path / "config.toml"
        if not stored_path.exists():
            raise InputError(
                f"{self.path} holds no run to resume (no config.toml): drop --resume to start one"
            )
        stored = flatten(read_toml(stored_path))
        given = flatten(parse_toml(to_toml(config), "the given config"))
        for key in [*stored, *(key for key in given if key not in stored)]:
            if stored.get(key) != given.get(key):
                raise InputError(
                    f"{stored_path} was started with {key} = {stored.get(key)!r}, now it is "
                    f"{given.get(key)!r}: resume with the stored config, or choose another --run"
                )

    def _cut_logs(self) -> None:
        checkpoint = self.latest()
        record = _read_json(checkpoint.path / "trainer.json") if checkpoint else {"log_bytes": {}}
        for name in LOGS:
            length = record["log_bytes"].get(name, 0)
            if _length(self.path / name) > length:
                os.truncate(self.path / name, length)

    def _record_environment(self, config: object, command: str) -> None:
        path = self.path / "environment.json"
        record = environment(command, getattr(config, "seed", None))
        if path.exists():
            first = _read_json(path)
            record = {**first, "resumed": [*first.get("resumed", []), record]}
        atomic_write(path, to_json(record, indent=2) + "\n")


def environment(command: str, seed: int | None) -> dict[str, Any]:
    """What a reader needs to repeat a run: versions, commit, machine, seed, command, start time (UTC)."""
    return {
        "command": command,
        "arguments": sys.argv[1:],
        "seed": seed,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "practicum": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "machine": machine(),
    }


def machine() -> str:
    """What this runs on, in a line: cores, whether they multiply bfloat16, system and versions."""
    names = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(": ")[2] for line in names if line.startswith("model name")), "")
    bfloat16 = any("avx512_bf16" in line or "amx_bf16" in line for line in names)
    parts = [
        f"{os.cpu_count()} cores of {name or platform.processor() or platform.machine()}",
        "bfloat16 in hardware" if bfloat16 else "no bfloat16 in hardware",
        f"{platform.system()}, Python {platform.python_version()}, PyTorch {metadata.version('torch')}",
    ]
    return ", ".join(parts)


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON text: NaN and infinities as null, tuples as lists, zero-dimensional tensors as numbers."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def energy_counter() -> float | None:
    """Joules counted so far by the processor packages (Linux powercap), None where none can be read.

    The counters wrap around after some hours of load, so a difference may be negative: then it says nothing.
    """
    joules = []
    for counter in Path("/sys/class/powercap").glob("intel-rapl:[0-9]"):
        with contextlib.suppress(OSError, ValueError):
            joules.append(int((counter / "energy_uj").read_text()) / 1e6)
    return sum(joules) if joules else None


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part; InputError on failure."""
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _writing(path):
        try:
            with open(temporary, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            _sync_path(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@dataclass
class Progress:
    """Reports the way to `total` steps through `show(completed, rate, time left, extra values)`."""

    total: int
    show: Callable[[int, str, str, str], None]
    first: tuple[int, float] | None = None
    words: str = ""

    def update(self, completed: int, **extra: object) -> None:
        """Say that `completed` of `total` steps are made; extra values are shown as `loss=1.23`.

        The first call marks the start: a resumed run calls it with the steps made before.
        """
        now = time.monotonic()
        start, since = self.first = self.first or (completed, now)
        self.words = " ".join(f"{key}={_short(value)}" for key, value in extra.items()) or self.words
        rate = (completed - start) / max(now - since, 1e-9)
        left = (self.total - completed) / rate if rate else math.nan
        self.show(completed, f"{rate:.3g}/s" if rate else "", _clock(left), self.words)


@contextlib.contextmanager
def progress(description: str, total: int) -> Iterator[Progress]:
    """Show a task's progress on stderr: steps, rate, elapsed, time left, extra values.

    On a terminal it is a live bar, elsewhere a plain line at most every ten seconds and one at the end.
    """
    from rich.console import Console

    console = Console(stderr=True)
    shown = _live_bar if console.is_terminal else _plain_lines
    with shown(console, description, total) as bar:
        yield bar


@contextlib.contextmanager
def _live_bar(console: Console, description: str, total: int) -> Iterator[Progress]:
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left {task.fields[left]}"),
        rich.TextColumn("{task.fields[words]}", markup=False),
    )
    with rich.Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total, rate="", left=_clock(math.nan), words="")

        def show(completed: int, rate: str, left: str, words: str) -> None:
            bar.update(task, completed=completed, rate=rate, left=left, words=words)

        yield Progress(total, show)


@contextlib.contextmanager
def _plain_lines(console: Console, description: str, total: int) -> Iterator[Progress]:
    started = said = time.monotonic()
    unsaid = ""

    def show(completed: int, rate: str, left: str, words: str) -> None:
        nonlocal said, unsaid
        elapsed = f"elapsed {_clock(time.monotonic() - started)}"
        unsaid = " ".join(f"{description} {completed}/{total} {rate} {elapsed} left {left} {words}".split())
        if time.monotonic() - said >= QUIET_SECONDS:
            print(unsaid, file=sys.stderr, flush=True)
            said, unsaid = time.monotonic(), ""

    try:
        yield Progress(total, show)
    finally:
        if unsaid:
            print(unsaid, file=sys.stderr, flush=True)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "-:--"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


# ------------------------------------------------------------------------------------------------- the disk


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failing disk into one line for the person; safetensors has its own error for it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise InputError(f"cannot write {path}: {error}") from error


def _append(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    data = "".join(to_json(row) + "\n" for row in rows).encode("utf-8")
    with _writing(path), open(path, "ab", buffering=0) as stream:
        before = os.fstat(stream.fileno()).st_size
        try:
            while data:
                data = data[stream.write(data) :]
        except OSError:
            stream.truncate(before)
            raise


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    packed: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().cpu().contiguous()
        # safetensors refuses tensors that share memory.
        if whole.untyped_storage().data_ptr() in storages:
            whole = whole.clone()
        storages.add(whole.untyped_storage().data_ptr())
        packed[name] = whole
    save_file(packed, path)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot read it ({error}); remove its folder to fall back on an earlier one"
        ) from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(folder: Path) -> None:
    """Remove a checkpoint; killed on the way it is one no more."""
    os.rename(folder, _hidden(folder, TEMPORARY))
    shutil.rmtree(_hidden(folder, TEMPORARY))


def _hidden(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}{suffix}")


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _commit() -> str | None:
    """The commit of the source tree, `+changes` appended when it was edited since; None when installed."""
    root = Path(__file__).resolve().parents[1]
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
