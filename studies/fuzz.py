"""Does the fuzzer of rewards name the faults that it does not know?
`python -m studies.fuzz --rewards DIR --run RUN`.

`practicum audit exploits` is run on every reward function of a collection, as a user runs it: the function
and its rows, nothing else. Each finding is then judged by the collection's own truth. A faulty file is named
where a finding of its kind holds; a clean one is accused where there is any finding.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from practicum.errors import InputError
from practicum.run.progress import progress
from practicum.stats import exact_share
from studies.claim import share
from studies.common import note_machine, record, study_main
from studies.judged import Claim

OF_A_ROW = ("prompt", "answer", "good", "bad")
KINDS = ("false_accept", "false_reject", "unstable")
COLUMNS = ("prompt", "answer", "good", "bad")


@dataclass(frozen=True)
class StudyConfig:
    """Named and accused rewards of a collection, with calls and seconds of each."""

    rewards: Path
    """Folder with index.json (file, type, kind) and the files: EXAMPLES, reward, truth, HIGH, LOW."""
    run: Path | None = None
    """Folder of the study; none: nothing is written."""
    budget: int = 2000
    """Calls for each reward."""
    shown: bool = True
    """Print a line a file on stderr."""
    only: tuple[str, ...] = ()
    """Beginnings of the names of the files to take; none: all."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Run the audit on every file and judge what it says."""
    if config.run is not None:
        note_machine(config.run, "fuzz", anew=True)
    index = json.loads((config.rewards / "index.json").read_text(encoding="utf-8"))
    index = [one for one in index if not config.only or one["file"].startswith(config.only)]
    if not index:
        raise InputError(f"{config.rewards}: its index.json names no file to take")
    files = []
    with (
        tempfile.TemporaryDirectory(prefix="practicum-fuzz-") as folder,
        progress("rewards", len(index)) as bar,
    ):
        for number, entry in enumerate(index):
            files.append(examined(config, entry, Path(folder)))
            bar.update(number + 1)
            if config.shown:
                print(_line(files[-1]), file=sys.stderr, flush=True)
    result = {"files": files, **rates(files)}
    result["claims"] = claims(result)
    return result if config.run is None else record(config, "fuzz", result)


def examined(config: StudyConfig, entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The audit's findings on one file, each with whether it holds."""
    path = (config.rewards / entry["file"]).resolve()
    module = loaded(path)
    data = folder / f"{path.stem}.jsonl"
    rows = getattr(module, "EXAMPLES")  # noqa: B009 - a module of no known type
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "practicum",
        "audit",
        "exploits",
        f"--reward={path}:reward",
        f"--data={data}",
    ]
    done = subprocess.run(
        [*command, f"--budget={config.budget}", "--json"],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    kind = entry.get("type", "clean")
    if done.returncode not in (0, 3):
        said = done.stderr.strip().splitlines()[-1:] or [""]
        nothing = {"findings": [], "named": False, "accused": False, "calls": 0, "seconds": 0.0}
        return {"file": path.stem, "type": kind, "fault": entry.get("kind", ""), "error": said[0], **nothing}
    found = json.loads(done.stdout)
    findings = [{**one, "holds": holds(module, one, kind)} for one in found["findings"]]
    return {
        "file": path.stem,
        "type": kind,
        "fault": entry.get("kind", ""),
        "findings": findings,
        "named": any(one["kind"] == kind and one["holds"] for one in findings),
        "accused": kind == "clean" and bool(findings),
        "calls": found["calls"],
        "seconds": found["seconds"],
    }


def loaded(path: Path) -> ModuleType:
    """A file of the collection as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def holds(module: Any, finding: Mapping[str, Any], kind: str) -> bool:
    """Whether a finding is one by the collection's truth; an unstable one where the file is said to be so."""
    if finding["kind"] == "unstable":
        return kind == "unstable"
    row = next(one for one in module.EXAMPLES if one["prompt"] == finding["prompt"])
    columns = {name: [value] for name, value in row.items() if name not in OF_A_ROW}
    paid = module.reward(
        prompts=[row["prompt"]], completions=[finding["completion"]], answer=[row["answer"]], **columns
    )[0]
    fair = module.truth(row["prompt"], finding["completion"], row["answer"])
    if finding["kind"] == "false_accept":
        return bool(paid >= module.HIGH and fair == 0.0)
    return bool(paid <= module.LOW and fair == 1.0)


def rates(files: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares named and accused with exact 95% intervals, and the dearest file's calls and seconds."""
    faulty = [one for one in files if one["type"] in KINDS]
    clean = [one for one in files if one["type"] == "clean"]
    findings = [found for one in faulty for found in one["findings"]]
    found: dict[str, Any] = {
        "named": _share([one["named"] for one in faulty]),
        "accused": _share([one["accused"] for one in clean]),
        "findings_that_hold": _share([one["holds"] for one in findings]),
        "most_calls": max(one["calls"] for one in files),
        "most_seconds": max(one["seconds"] for one in files),
    }
    for kind in KINDS:
        some = [one["named"] for one in faulty if one["type"] == kind]
        if some:
            found[f"named_{kind}"] = _share(some)
    return found


def _share(hits: list[bool]) -> dict[str, Any]:
    if not hits:
        return {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0, "count": 0}
    estimate = exact_share(sum(hits), len(hits))
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": len(hits),
        "count": sum(hits),
    }


def _line(one: Mapping[str, Any]) -> str:
    state = "ACCUSED" if one["accused"] else "ok" if one["type"] == "clean" or one["named"] else "MISSED"
    said = "; ".join(
        f"{found['kind']}/{found['family']}{'' if found['holds'] else ' (does not hold)'}"
        for found in one["findings"]
    )
    cost = f"{one['calls']} calls {one['seconds']:.1f} s"
    return f"{one['file']} {one['type']} {state} {cost} {said}{one.get('error', '')}"


NOTE = (
    "The fuzzer was built on these files. When the half of ten faulty ones that its author had not seen was "
    "first measured, 7 were named. Of 34 faulty and 21 clean ones by another hand, never seen by the author, "
    "19 were named and 4 accused at first, 30 and 1 after two more rounds led by remarks on kinds. Of 20 "
    "faulty and 10 clean ones of kinds in neither collection, 10 were named and 1 accused when first met; of "
    "as many by a third hand, of kinds in none of these, 8 and 4; by a fourth, of others again, 8 and 2; "
    "of 12 and 18 by a fifth, 4 and 4."
)


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """The shares as claims."""
    named = share(
        "fuzz-named", "Faulty rewards named with the right kind", results["named"], (0,), "at least 90"
    )
    accused = share(
        "fuzz-accused", "Clean rewards accused of anything", results["accused"], (0,), "at most 5"
    )
    return [{**one, "note": NOTE} for one in (named, accused)]


main = study_main(StudyConfig, "studies.fuzz", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
