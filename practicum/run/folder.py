"""A run's folder, the one place of side effects: config, metrics, samples, checkpoints, exact resume.

```
config.toml        the complete resolved config: running it again repeats the run
environment.json   versions, commit, machine, seed, command, times, fingerprints of the files that it reads
metrics.jsonl      one row a step
samples.jsonl      prompt, completion, reward, advantage, step
untrusted/step-000150/     the newest of the checkpoints that a guard took back, if it took any
checkpoints/step-000143/   model files, trainer.safetensors, trainer.json
summary.json       the final figures
loggers.json       where its metrics go besides, if anywhere (`--log`)
.lock              there while a process fills the folder, which process it is
```
A process killed at any moment leaves either a whole checkpoint or none, and resuming cuts the logs back to
the checkpoint, so the continued files equal those of an unbroken run. A file that was damaged since is named.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from weakref import WeakValueDictionary, finalize

from safetensors import SafetensorError

from practicum.config import flatten, parse_toml, stored, to_toml
from practicum.errors import InputError
from practicum.files import (
    TEMPORARY,
    append_rows,
    atomic_write,
    jsonl_objects,
    read_json,
    read_rows,
    sync_path,
    to_json,
    writing,
)
from practicum.run.environment import environment
from practicum.run.inputs import changed_inputs, inputs
from practicum.run.loggers import loggers_of, remember_loggers

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from torch import Tensor

LOGS = ("metrics.jsonl", "samples.jsonl")
REPLACED = ".replaced"
LOCK = ".lock"
MOST_READ = 1 << 24
DEVICE = "device"
STEPS = "loop.steps"
ALLOW_DEAD = ("loop.allow_dead", "allow_dead", "practice.loop.allow_dead", "reward_model.allow_dead")
"""What the setting is called in a stage, in reward-model, and for the stages of rlhf."""
GROWING = (STEPS, "epochs", "rounds")
"""What says how long a run is: steps, passes of a reward model over rankings, rounds of rlhf."""
GROWN = ("seeds", "recipes")
"""Lists of a comparison to which others may be added; a number of seeds, as elsewhere, stays."""
COMPARING = (*GROWN, "jobs", "measure", "against")
"""What changes no run of a comparison: which there are, how many are at work at a time, how they are read."""
CHANGEABLE = (*GROWING, *ALLOW_DEAD, *COMPARING)
"""Settings that a resumed run may be given anew: to be longer than before, to go on when dead, and what a
comparison makes of its runs."""
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
    """A run folder; `keep` newest checkpoints stay. One that was opened is locked while it is in use.

    `extended_from`: the steps (or epochs, or rounds) it was to make before it was resumed with more.
    """

    path: Path
    keep: int = 2
    extended_from: int | None = None
    lock: FolderLock | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        path: Path,
        config: object,
        command: str,
        *,
        resume: bool = False,
        keep: int = 2,
        device: str = "",
        reads: object = None,
    ) -> Run:
        """Start a run in a new or empty folder, or continue the one there.

        `device` says in words where it computes, for environment.json and stderr. `reads` are the configs
        that name what it reads, where that is not its own.

        Resuming cuts `metrics.jsonl` and `samples.jsonl` back to the newest checkpoint (to nothing without
        one), takes over a changed setting of CHANGEABLE, and tells which of the files that it reads have
        changed. Raises InputError when another process fills the folder, when it is not empty and `resume` is
        False, when there is nothing to resume, when the stored config differs otherwise (naming the first
        differing key), when a file is damaged, or when writing fails.
        """
        folder = Path(path)
        with writing(folder):
            if (folder / LOCK).exists():
                lock = locked(folder)
            changed: dict[str, tuple[Any, Any]] = {}
            if resume:
                changed = cls(folder).check_config(config)
            elif not is_vacant(folder):
                raise InputError(f"{path} is not empty: pass --resume to continue it, or another --run")
            folder.mkdir(parents=True, exist_ok=True)
            lock = locked(folder)
            before = next((changed[key][0] for key in GROWING if key in changed), None)
            run = cls(folder, keep, before, lock)
            if resume:
                run.cut_logs()
            if changed or not resume:
                atomic_write(folder / "config.toml", to_toml(config))
            remember_loggers(folder, loggers_of(folder))
            run._record_environment(config, command, device, changed, config if reads is None else reads)
        if _announced.get() == folder:
            print(f"practicum: run folder {folder}", file=sys.stderr)
            if device:
                print(f"practicum: device {device}", file=sys.stderr)
        return run

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one row to metrics.jsonl; NaN and infinities become null. It survives a kill."""
        append_rows(self.path / "metrics.jsonl", [row])

    def rows(self, count: int) -> list[dict[str, Any]]:
        """The newest `count` rows of metrics.jsonl, the oldest first."""
        path = self.path / "metrics.jsonl"
        return read_rows(path)[-count:] if path.exists() else []

    def log_samples(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows to samples.jsonl: all of them or, on an error, none."""
        append_rows(self.path / "samples.jsonl", rows)

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
        with writing(final):
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
                sync_path(final.parent)
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

    def branched_at(self) -> int:
        """The step of another run at which this one begins; -1 where it is no branch."""
        path = self.path / "environment.json"
        record = read_json(path, "remove it: resuming writes another") if path.exists() else {}
        return int(record.get("branched_from", {}).get("step", -1))

    def steps(self) -> dict[int, Path]:
        """The folders of the whole checkpoints by their steps, the oldest first."""
        return {int(folder.name[5:]): folder for folder in self._steps()}

    def distrust(self, step: int) -> None:
        """Take back the checkpoints after `step`: the newest of them moves to untrusted/, the others go."""
        with writing(self.path / "untrusted"):
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
                sync_path(Path(parent) / name)
            sync_path(Path(parent))
        for name in LOGS:
            if (self.path / name).exists():
                sync_path(self.path / name)

    def check_config(self, config: object) -> dict[str, tuple[Any, Any]]:
        """What differs from the config that the run was started with: values then and now.

        That may be settings of CHANGEABLE, the device, which is not listed, for a run goes on wherever it is
        resumed, and settings that are new since the run began: they are listed where they are at their
        defaults (None then), and told. Raises InputError for any other difference, naming the first key that
        differs, for fewer steps and for a seed or recipe that is left out.
        """
        stored_path = self.path / "config.toml"
        if not stored_path.exists():
            raise InputError(
                f"{self.path} holds no run to resume (no config.toml): drop --resume to start one"
            )
        begun, new = stored(type(config), stored_path)
        then, now = (flatten(parse_toml(to_toml(one), "a config")) for one in (begun, config))
        changed: dict[str, tuple[Any, Any]] = {}
        for key in [*then, *now]:
            if key == DEVICE or then.get(key) == now.get(key):
                continue
            changed[key] = (then.get(key), now.get(key))
            # Of a command that has a number of seeds they are what it is to find, and no list to add to.
            listed = key in GROWN and isinstance(then[key], list)
            fixed = key in GROWN and not (listed and set(then[key]) <= set(now[key]))
            if fixed or key not in CHANGEABLE or (key in GROWING and not now[key] > then[key]):
                advice = "give those and others" if listed else "resume with the stored config"
                raise InputError(
                    f"{stored_path} was started with {key} = {then.get(key)!r}, now it is "
                    f"{now.get(key)!r}: {advice}, or choose another --run"
                )
        if new:
            print(
                f"practicum: {stored_path}: written by an earlier version; settings that are new since take "
                f"their defaults: {', '.join(new)}",
                file=sys.stderr,
            )
        return changed | {key: (None, now.get(key)) for key in new if key not in changed}

    def cut_logs(self) -> None:
        """Cut `metrics.jsonl` and `samples.jsonl` back to the newest checkpoint, to nothing without one."""
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
        # Runs of earlier versions were on the CPU and did not say so.
        before = {DEVICE: "cpu", **earlier[-1]}
        names = [name for name in found if before.get(name) != found[name]]
        return {name: (before.get(name), found[name]) for name in names}

    def _record_environment(
        self,
        config: object,
        command: str,
        device: str,
        changed: Mapping[str, tuple[Any, Any]],
        reads: object,
    ) -> None:
        path = self.path / "environment.json"
        record = environment(command, getattr(config, "seed", None)) | {"inputs": inputs(reads)}
        if device:
            record[DEVICE] = device
        if changed:
            record["changed"] = {key: list(values) for key, values in changed.items()}
        if path.exists():
            first = read_json(path, "remove it: resuming writes another")
            last = [first, *first.get("resumed", [])][-1]
            for name in changed_inputs(last.get("inputs", {}), record["inputs"]):
                print(
                    f"practicum: {name} has changed since {self.path} last read it: what is done from here "
                    "on reads it as it is now, and with that the whole is no unbroken run",
                    file=sys.stderr,
                )
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
    for _ in jsonl_objects(data, path, advice=advice, skip_blank=False):
        pass


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(folder: Path) -> None:
    """Remove a checkpoint; killed on the way it is one no more."""
    os.rename(folder, _hidden(folder, TEMPORARY))
    shutil.rmtree(_hidden(folder, TEMPORARY))


def _hidden(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}{suffix}")


def is_vacant(folder: Path) -> bool:
    """Whether a run may begin there: the folder does not exist, or holds nothing of a run."""
    return not folder.is_dir() or all(_is_incidental(item) for item in folder.iterdir())


def _is_incidental(path: Path) -> bool:
    """Whether a file is no part of a run: its lock, or what a killed process left half-written."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(TEMPORARY))
