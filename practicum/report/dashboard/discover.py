"""The runs in a folder and how each stands, from small files and the last lines of large ones.

Nothing here fails on a damaged run folder: what is wrong with it is one of its `problems`, a sentence each.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from practicum.config import flatten
from practicum.errors import InputError
from practicum.files import atomic_write, to_json, writing
from practicum.report.dashboard.findings import AUDITS, Finding, findings_of
from practicum.report.dashboard.lines import BLOCK, backward, ends_whole, row_of, size_of, spread_rows
from practicum.report.dashboard.small import settings, small_json
from practicum.report.runs import MAY_DIFFER, dig, number
from practicum.run.folder import LOCK, LOGS, locked

Status = Literal["running", "finished", "ended", "stopped", "broken"]
"""ended: the guard or the count beside it ended the run; stopped: no summary, and no process fills it."""

MARKS = ("config.toml", "metrics.jsonl", "samples.jsonl")
"""A folder that has one of them is a run's."""
MODELS = ("config.json", "adapter_config.json")
"""A checkpoint that has one of them is a model's, or an adapter's."""
SKIPPED = ("checkpoints", "untrusted")
TAGS = "tags.json"
DEEPEST, MOST_RUNS, MOST_FOLDERS = 6, 5000, 50_000
SPARK = 32
MOST_TAGS, LONGEST_TAG = 12, 40
TAG = re.compile(rf"[\w.+-][\w .+-]{{0,{LONGEST_TAG - 1}}}")
SIGNED = ("config.toml", "environment.json", "summary.json", "held.json", *AUDITS, TAGS, LOCK, *LOGS)
CURVES = ("reward", "loss", "episode_return", "accuracy")
"""What a run's small picture shows: the first of these that its last row has."""


@dataclass(frozen=True)
class RunState:
    """How a run stands. `name` is its path within the runs folder; `spark` a few values through the run.

    `recipe` is equal for runs that differ in nothing but seed and control, None where there is no config.
    """

    name: str
    path: Path
    status: Status
    problems: tuple[str, ...]
    stage: str
    task: str
    algorithm: str
    seed: int | None
    control: str
    step: int | None
    steps: int | None
    metric: str
    value: float | None
    spark: tuple[float, ...]
    started: str
    seconds: float | None
    alarms: int
    tags: tuple[str, ...]
    recipe: str | None
    changed: float

    @property
    def words(self) -> str:
        """What a search looks through."""
        fields = (self.name, self.status, self.stage, self.task, self.algorithm, self.control)
        return " ".join((*fields, *self.tags, f"seed {self.seed}")).lower()

    @property
    def findings(self) -> list[Finding]:
        """All that is known about the run, the worst first."""
        return findings_of(self.path, self.problems, self.status in ("finished", "ended"))


@dataclass(frozen=True)
class Runs:
    """All runs of a folder; `left_out` says that there are more than are looked at."""

    states: Sequence[RunState]
    left_out: bool = False


class Library:
    """The runs below a folder. What did not change since the last look is not read again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: OrderedDict[Path, tuple[Any, RunState]] = OrderedDict()
        self._lock = threading.Lock()

    def look(self) -> Runs:
        """Every run as it stands now, the newest first."""
        folders, left_out = found_folders(self.root)
        with self._lock:
            states = [self._state(folder) for folder in folders]
        states.sort(key=lambda state: (state.status != "running", -state.changed, state.name))
        return Runs(states, left_out)

    def state(self, name: str) -> RunState:
        """One run by its name. Raises InputError where there is none of this name in the folder."""
        folder = self.folder(name)
        with self._lock:
            return self._state(folder)

    def folder(self, name: str) -> Path:
        """The folder of a run by its name, which must lie within the runs folder, with no link on the way."""
        parts = name.split("/")
        if not name or any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
            raise InputError(f"no run is called {name!r:.100}")
        folder = self.root
        for part in parts:
            folder = folder / part
            try:
                inside = folder.is_dir() and not folder.is_symlink()
            except OSError:
                inside = False
            if not inside:
                raise InputError(f"there is no run {name!r:.100} in {self.root}")
        return folder

    def _state(self, folder: Path) -> RunState:
        signature = _signature(folder)
        known = self._known.get(folder)
        if known is not None and known[0] == signature:
            self._known.move_to_end(folder)
            return known[1]
        state = read_state(folder, folder.relative_to(self.root).as_posix())
        self._known[folder] = (signature, state)
        while len(self._known) > MOST_RUNS:
            self._known.popitem(last=False)
        return state


def found_folders(root: Path) -> tuple[list[Path], bool]:
    """(folders of runs below `root`, whether some are left out). Links are not followed.

    A folder directly below `root` that has no run in it counts too, so that an empty one is seen.
    """
    found: list[Path] = []
    seen, too_deep = 0, False

    def walk(folder: Path, depth: int) -> bool:
        nonlocal seen, too_deep
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            return False
        seen += 1
        here = depth > 0 and any(entry.name in MARKS for entry in inside)
        if here:
            found.append(folder)
        below = False
        for entry in inside:
            if entry.name.startswith(".") or entry.name in SKIPPED or not entry.is_dir(follow_symlinks=False):
                continue
            if depth < DEEPEST and seen < MOST_FOLDERS and len(found) < MOST_RUNS:
                below |= walk(Path(entry.path), depth + 1)
            elif not here:
                # What lies deeper is not looked at, so nobody may say that there is no run.
                below = too_deep = True
        if depth == 1 and not here and not below:
            found.append(folder)
        return here or below

    walk(root, 0)
    return found[:MOST_RUNS], too_deep or len(found) >= MOST_RUNS or seen >= MOST_FOLDERS


def read_state(folder: Path, name: str) -> RunState:
    """How the run in a folder stands; whatever is wrong with its files is among the `problems`."""
    problems: list[str] = []
    config = settings(folder / "config.toml", problems)
    environment = small_json(folder / "environment.json", problems, needed=bool(config))
    summary = small_json(folder / "summary.json", problems, needed=False)
    running = is_running(folder)
    last = _last_row(folder / "metrics.jsonl", problems, running)
    if not running:
        for log in LOGS:
            if not ends_whole(folder / log):
                problems.append(f"{log}: its last line is cut")
    if not any((folder / mark).exists() for mark in MARKS):
        problems = [_empty(folder)]
    metric = next((one for one in CURVES if number(last.get(one)) is not None), "")
    whole = flatten(config)
    return RunState(
        name=name,
        path=folder,
        status=_status(running, problems, summary),
        problems=tuple(problems),
        stage=_text(summary.get("stage") or environment.get("command")),
        task=_text(dig(config, "task", "name") or summary.get("task")),
        algorithm=_text(config.get("algorithm")),
        seed=seed if isinstance(seed := config.get("seed", environment.get("seed")), int) else None,
        control=_text(config.get("control")) or "none",
        step=_whole(last.get("step")),
        steps=_whole(dig(config, "loop", "steps")),
        metric=metric,
        value=number(last.get(metric)),
        spark=_spark(folder / "metrics.jsonl", metric),
        started=_text(environment.get("started")),
        seconds=number(last.get("total_seconds")),
        alarms=sum(one.severity != "ok" for one in findings_of(folder)),
        tags=read_tags(folder),
        recipe=_recipe(whole) if config else None,
        changed=max((_mtime(folder / one) for one in (*LOGS, "config.toml", "summary.json")), default=0.0),
    )


def _status(running: bool, problems: Sequence[str], summary: Mapping[str, Any]) -> Status:
    if running:
        return "running"
    if problems:
        return "broken"
    guard, known = dig(summary, "guard", "action"), dig(summary, "known", "action")
    if guard in ("stop", "roll_back", "ask") or known in ("stop", "ask"):
        return "ended"
    return "finished" if summary else "stopped"


def _recipe(config: Mapping[str, Any]) -> str:
    """What repeats have in common. Each may be paid by a reward model of its own seed."""
    own = re.compile(rf"(seed[-_]?){re.escape(str(config.get('seed')))}(?![0-9])")
    same = {
        key: value
        for key, value in config.items()
        if key not in MAY_DIFFER and key.rpartition(".")[2] not in MAY_DIFFER
    }
    return own.sub(r"\1#", to_json(dict(sorted(same.items()))))


def _signature(folder: Path) -> Any:
    signs: list[Any] = [is_running(folder)]
    for name in SIGNED:
        try:
            found = os.stat(folder / name)
            signs.append((found.st_mtime_ns, found.st_size, found.st_ino))
        except OSError:
            signs.append(None)
    return tuple(signs)


def _last_row(path: Path, problems: list[str], running: bool) -> dict[str, Any]:
    if not path.is_file():
        if not running and not _holds_runs(path.parent):
            problems.append("metrics.jsonl: missing")
        return {}
    size = size_of(path)
    for offset, line in backward(path):
        row = row_of(line)
        if row is not None:
            return row
        if line.strip():
            problems.append("metrics.jsonl: its last lines are no JSON")
        if size - offset > BLOCK:
            break
    return {}


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is that of a demo or a loop, whose stages have the metrics."""
    try:
        return any(any(folder.glob(place)) for place in ("*/config.toml", "*/*/config.toml"))
    except OSError:
        return False


def _spark(path: Path, metric: str) -> tuple[float, ...]:
    if not metric:
        return ()
    values = [number(row.get(metric)) for row in spread_rows(path, SPARK)]
    return tuple(value for value in values if value is not None)


def _empty(folder: Path) -> str:
    try:
        empty = not any(folder.iterdir())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "an empty folder" if empty else "no run: neither config.toml nor metrics.jsonl is in it"


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)


# -------------------------------------------------------------------------------------- running, tags, delete


def is_running(folder: Path) -> bool:
    """Whether the process that a run's lock names is alive; one on another machine counts as alive.

    The lock itself is not touched: a run that starts at this moment must find it free.
    """
    try:
        text = (folder / LOCK).read_text(encoding="utf-8", errors="replace")[:500]
    except OSError:
        return False
    named = re.match(r"process (\d{1,9}) on (\S+) since", text)
    if named is None:
        return False
    if named[2] != socket.gethostname():
        return True
    try:
        os.kill(int(named[1]), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run that a model can be read from, the newest first."""
    try:
        with os.scandir(folder / "checkpoints") as entries:
            steps = [Path(entry.path) for entry in entries if re.fullmatch(r"step-[0-9]{1,15}", entry.name)]
    except OSError:
        return []
    whole = [one for one in steps if any((one / name).is_file() for name in MODELS)]
    return sorted(whole, key=lambda one: -int(one.name[5:]))


def read_tags(folder: Path) -> tuple[str, ...]:
    """The tags of a run; none where its tags.json is missing or damaged."""
    tags = small_json(folder / TAGS, [], needed=False).get("tags")
    kept = (
        [tag for tag in tags if isinstance(tag, str) and TAG.fullmatch(tag)] if isinstance(tags, list) else []
    )
    return tuple(dict.fromkeys(kept))[:MOST_TAGS]


def write_tags(folder: Path, text: str) -> tuple[str, ...]:
    """Give a run the tags in a text, apart by commas, in place of those it has: RUN/tags.json.

    Raises InputError for a tag of other characters than letters, digits, spaces and _.+-, or too many.
    """
    tags = list(dict.fromkeys(" ".join(part.split()) for part in text.split(",") if part.strip()))
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise InputError(
                f"tag {tag!r:.60}: expected letters, digits, spaces and _.+-, at most {LONGEST_TAG} of them"
            )
    if len(tags) > MOST_TAGS:
        raise InputError(f"{len(tags)} tags are too many: a run has at most {MOST_TAGS}")
    if tags:
        atomic_write(folder / TAGS, to_json({"tags": tags}, indent=2) + "\n")
    else:
        with writing(folder):
            (folder / TAGS).unlink(missing_ok=True)
    return tuple(tags)


def runs_inside(folder: Path) -> list[Path]:
    """The run in a folder and those below it, as the stages of a demo are."""
    return [
        folder,
        *(Path(parent) for parent, _, _ in os.walk(folder) if _is_run_below(Path(parent), folder)),
    ]


def _is_run_below(parent: Path, folder: Path) -> bool:
    return parent != folder and ((parent / LOCK).exists() or any((parent / mark).exists() for mark in MARKS))


def delete_run(library: Library, name: str) -> None:
    """Remove a run's folder and all that is in it.

    Raises InputError for a folder that is no run's or lies elsewhere, and for a run, or one below it, that a
    process fills.
    """
    folder = library.folder(name)
    if not any((folder / mark).exists() for mark in MARKS):
        raise InputError(f"{name} is no run's folder, so it is not deleted from here: remove it by hand")
    # Holding the locks keeps the runs from being resumed while they go.
    inside = runs_inside(folder)
    for one in inside:
        if is_running(one):
            raise InputError(f"{name} is being filled by a process: wait for it, or stop it")
    with writing(folder):
        locks = [locked(one) for one in inside]
        shutil.rmtree(folder)
    del locks


def grouped(states: Sequence[RunState]) -> list[list[RunState]]:
    """Runs of one recipe and control together, in the order in which they are given.

    Where one seed occurs twice, the recipe does not say all that was different: then names must agree too,
    but for their numbers.
    """
    groups: dict[Any, list[RunState]] = {}
    for state in states:
        key = (state.name,) if state.recipe is None else (state.recipe, state.control)
        groups.setdefault(key, []).append(state)
    apart: list[list[RunState]] = []
    for group in groups.values():
        if len({state.seed for state in group}) == len(group):
            apart.append(group)
            continue
        named: dict[str, list[RunState]] = {}
        for state in group:
            named.setdefault(re.sub(r"[0-9]+", "#", state.name), []).append(state)
        apart += named.values()
    return apart
