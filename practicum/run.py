"""A run's folder, the one place of side effects: config, metrics, samples, checkpoints, exact resume.

```
config.toml        the complete resolved config: running it again repeats the run
environment.json   versions, commit, machine, seed, command, times
metrics.jsonl      one row a step
samples.jsonl      prompt, completion, reward, advantage, step
untrusted/step-000150/     the newest of the checkpoints that a guard took back, if it took any
checkpoints/step-000143/   model files, trainer.safetensors, trainer.json
summary.json       the final figures
.lock              there while a process fills the folder, which process it is
```
A process killed at any moment leaves either a whole checkpoint or none, and resuming cuts the logs back to
the checkpoint, so the continued files equal those of an unbroken run. A file that was damaged since is named.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from weakref import WeakValueDictionary, finalize

from safetensors import SafetensorError

from practicum import __version__
from practicum.config import flatten, parse_toml, read_toml, to_toml
from practicum.errors import InputError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

LOGS = ("metrics.jsonl", "samples.jsonl")
TEMPORARY = ".partial"
REPLACED = ".replaced"
LOCK = ".lock"
QUIET_SECONDS = 10.0
MOST_READ = 1 << 24
EARLIER = "remove its folder to fall back on an earlier checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A saved step: model files and trainer state in `path`."""

    step: int
    path: Path
    state: dict[str, Any]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors given to `Run.save`, on the CPU, with their dtypes; InputError for a damaged file."""
        from safetensors.torch import load_file

        path = self.path / "trainer.safetensors"
        try:
            tensors: dict[str, Tensor] = load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: cannot be read ({error}); {EARLIER}") from error
        return tensors


@dataclass(frozen=True)
class Run:
    """A run folder; `keep` newest checkpoints stay. One that was opened is locked while it is in use."""

    path: Path
    keep: int = 2
    lock: FolderLock | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, path: Path, config: object, command: str, *, resume: bool = False, keep: int = 2) -> Run:
        """Start a run in a new or empty folder, or continue the one there.

        Resuming cuts `metrics.jsonl` and `samples.jsonl` back to the newest checkpoint (to nothing without
        one). Raises InputError when another process fills the folder, when it is not empty and `resume` is
        False, when there is nothing to resume, when the stored config differs (naming the first differing
        key), when a file is damaged, or when writing fails.
        """
        folder = Path(path)
        with _writing(folder):
            if (folder / LOCK).exists():
                lock = locked(folder)
            if resume:
                cls(folder).check_config(config)
            elif folder.is_dir() and not all(_is_incidental(item) for item in folder.iterdir()):
                raise InputError(f"{path} is not empty: pass --resume to continue it, or another --run")
            folder.mkdir(parents=True, exist_ok=True)
            lock = locked(folder)
            run = cls(folder, keep, lock)
            if resume:
                run._cut_logs()
            else:
                atomic_write(folder / "config.toml", to_toml(config))
            run._record_environment(config, command)
        if _announced.get() == folder:
            print(f"practicum: run folder {folder}", file=sys.stderr)
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
                files = {
                    path.relative_to(temporary).as_posix(): _fingerprint(path)
                    for path in sorted(temporary.rglob("*"))
                    if path.is_file()
                }
                record = {"step": step, "log_bytes": lengths, "files": files, "state": dict(state)}
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
        """The newest whole checkpoint, or None. Removes what a killed process left half-written.

        Raises InputError naming the file when one of its files is missing or damaged.
        """
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
        record = checked_files(steps[-1])
        if record is None:
            raise InputError(f"{steps[-1] / 'trainer.json'}: no such file; {EARLIER}")
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
        for key in [*stored, *given]:
            if key not in stored:
                raise InputError(
                    f"{stored_path} has no {key}: it was cut short or written by another version; restore "
                    "it, or choose another --run"
                )
            if stored.get(key) != given.get(key):
                raise InputError(
                    f"{stored_path} was started with {key} = {stored.get(key)!r}, now it is "
                    f"{given.get(key)!r}: resume with the stored config, or choose another --run"
                )

    def _cut_logs(self) -> None:
        checkpoint = self.latest()
        record = checked_files(checkpoint.path) if checkpoint else None
        lengths = {} if record is None else record["log_bytes"]
        for name in LOGS:
            length = lengths.get(name, 0)
            _check_rows(self.path / name, length)
            if _length(self.path / name) > length:
                os.truncate(self.path / name, length)

    def note_arithmetic(self, found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Record in environment.json what the bits of results depend on, as {"threads": 2}.

        Returns what differs from when the folder was last computed in: {"threads": (2, 1)}.
        """
        path = self.path / "environment.json"
        if not path.exists():
            return {}
        record = read_json(path, "remove it: resuming writes another")
        entries = [record, *record.get("resumed", [])]
        earlier = [entry["arithmetic"] for entry in entries if "arithmetic" in entry]
        entries[-1]["arithmetic"] = dict(found)
        atomic_write(path, to_json(record, indent=2) + "\n")
        if not earlier:
            return {}
        names = [name for name in found if earlier[-1].get(name) != found[name]]
        return {name: (earlier[-1].get(name), found[name]) for name in names}

    def _record_environment(self, config: object, command: str) -> None:
        path = self.path / "environment.json"
        record = environment(command, getattr(config, "seed", None))
        if path.exists():
            first = read_json(path, "remove it: resuming writes another")
            record = {**first, "resumed": [*first.get("resumed", []), record]}
        atomic_write(path, to_json(record, indent=2) + "\n")


def checked_files(checkpoint: Path, unused: Sequence[str] = ()) -> dict[str, Any] | None:
    """The record in a checkpoint's trainer.json, whose files are there as they were saved.

    None where there is no trainer.json: a model folder of another making. Files in `unused` are not looked
    at. Raises InputError naming the file.
    """
    path = checkpoint / "trainer.json"
    if not path.is_file():
        return None
    record: dict[str, Any] = read_json(path, EARLIER)
    kinds = (("step", int), ("log_bytes", dict), ("state", dict))
    for name, kind in kinds:
        if not isinstance(record.get(name), kind):
            raise InputError(f"{path}: {name} is {record.get(name)!r:.40}; {EARLIER}")
    for name, fingerprint in record.get("files", {}).items():
        file = checkpoint / name
        if name in unused:
            continue
        if not file.is_file():
            raise InputError(f"{file}: no such file, but the checkpoint was saved with it; {EARLIER}")
        if _fingerprint(file) != fingerprint:
            raise InputError(
                f"{file}: not what it was when the checkpoint was saved; {EARLIER}, or remove its "
                "trainer.json to use the files as they are"
            )
    return record


# ------------------------------------------------------------------------------- one process a folder


class FolderLock:
    """Holds a folder, by a locked file in it, until nothing refers to it any more or the process ends.

    The file says who holds it. It goes with the lock; one that a killed process leaves behind is locked by
    nobody and is taken over.
    """

    def __init__(self, folder: Path) -> None:
        self.stream = _take(folder)
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.stream.truncate(0)
        self.stream.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
        self.stream.flush()
        self.release = finalize(self, _give_back, folder / LOCK, self.stream)


def _take(folder: Path) -> TextIO:
    """The folder's lock file, open and locked. Raises InputError that says who holds it, if somebody does."""
    while True:
        stream = open(folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
        if sys.platform == "win32":
            return stream
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            stream.close()
            raise InputError(f"{folder} is in use by {holder}: wait for it, or stop it") from error
        except OSError as error:
            print(
                f"practicum: {folder} cannot be locked here ({error.strerror}): let no second process use it",
                file=sys.stderr,
            )
            return stream
        # Its last holder may have removed it between the opening and the locking.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), os.stat(folder / LOCK)):
                return stream
        stream.close()


def _give_back(path: Path, stream: TextIO) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    stream.close()


_locks: WeakValueDictionary[Path, FolderLock] = WeakValueDictionary()
_announced: ContextVar[Path | None] = ContextVar("announced", default=None)


def locked(folder: Path) -> FolderLock:
    """The lock of a folder, for this process; InputError says which other process holds it, if one does."""
    key = folder.resolve()
    lock = _locks.get(key)
    if lock is None:
        _locks[key] = lock = FolderLock(folder)
    return lock


def _let_go() -> None:
    """A forked child is not the run: it must not hold the folder when its parent has been killed."""
    for lock in list(_locks.values()):
        lock.release.detach()
        lock.stream.close()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextlib.contextmanager
def announced(folder: Path) -> Iterator[None]:
    """Have the run of this folder named on stderr once it is open, and no other that is opened within it."""
    token = _announced.set(Path(folder))
    try:
        yield
    finally:
        _announced.reset(token)


# ------------------------------------------------------------------------------------ the environment


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


def read_json(path: Path, advice: str) -> Any:
    """The JSON object in a file of a run. Raises InputError, which ends with advice, when it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {advice}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object; {advice}")
    return found


def _fingerprint(path: Path) -> list[int]:
    """A file's bytes and, where reading them all takes no time, their CRC-32."""
    size = path.stat().st_size
    return [size, zlib.crc32(path.read_bytes())] if size <= MOST_READ else [size]


def _check_rows(path: Path, length: int) -> None:
    """Raise InputError unless the first `length` bytes of a log are there and are rows of JSON."""
    data = path.read_bytes()[:length] if path.is_file() else b""
    advice = "restore it, or choose another --run"
    if len(data) < length:
        raise InputError(f"{path}: holds {len(data)} bytes, {length} at the newest checkpoint; {advice}")
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else (), start=1):
        try:
            json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: no JSON ({error}); {advice}") from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(folder: Path) -> None:
    """Remove a checkpoint; killed on the way it is one no more."""
    os.rename(folder, _hidden(folder, TEMPORARY))
    shutil.rmtree(_hidden(folder, TEMPORARY))


def _hidden(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}{suffix}")


def _is_incidental(path: Path) -> bool:
    """Whether a file is no part of a run: its lock, or what a killed process left half-written."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(TEMPORARY))


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
