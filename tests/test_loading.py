"""A user's file is found, imported and named alike as a task, as a reward and as a potential."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
from practicum.types import Prompt

use, spec = sys.argv[1:]
place, _, name = spec.rpartition(":")
file = place if place.endswith(".py") else ""
if use == "task":
    from practicum.tasks.python import load_python_task
    said = load_python_task(spec, {}).prompts("train", 1, 0)[0].text
elif use == "potential":
    from practicum.reward.shaping import load_potential
    said = load_potential(spec)(Prompt("p"), "t")
else:
    from practicum.reward.worker import load
    said = load({"ready": "", "file": file, "module": place, "function": name}).call("p", "t")
print(json.dumps(said))
"""
OWN = """
import dataclasses
import {neighbour}

@dataclasses.dataclass
class Held:
    text: "str"

class Task:
    def prompts(self, split, count, seed):
        return [score("", "")] * count

    def score(self, prompts, texts):
        return [0.0] * len(texts)

def score(prompt, text):
    return Held(f"{{{neighbour}.WORD}} in {{__name__}}").text

class Outer:
    Task = Task
    score = staticmethod(score)
"""
USES = {"task": "Task", "potential": "score", "reward": "score"}


@pytest.mark.parametrize(
    ("given", "inside", "neighbour"),
    [
        *(("own.py", "", "colorsys"), ("sub/own.py", "Outer.", "helper")),
        *(("own", "Outer.", "colorsys"), ("json.py", "", "helper")),
    ],
)
def test_every_use_finds_the_same(tmp_path: Path, given: str, inside: str, neighbour: str) -> None:
    """In a process of its own, whose first folder of imports is another, as with an installed command.

    A neighbour wins over a module of the same name elsewhere, as where Python runs the file itself.
    """
    file = tmp_path / (given if given.endswith(".py") else f"{given}.py")
    file.parent.mkdir(exist_ok=True)
    file.write_text(OWN.format(neighbour=neighbour))
    (file.parent / f"{neighbour}.py").write_text("WORD = 'beside'\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "program.py").write_text(PROGRAM)
    (tmp_path / "elsewhere" / f"{neighbour}.py").write_text("WORD = 'elsewhere'\n")
    found = {}
    for use, name in USES.items():
        command = [sys.executable, "elsewhere/program.py", use, f"{given}:{inside}{name}"]
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        found[use] = json.loads(process.stdout)
    assert len(set(found.values())) == 1, found
    assert found["task"].startswith("beside in ")
    assert (found["task"] == "beside in own") == ("json" not in given)
