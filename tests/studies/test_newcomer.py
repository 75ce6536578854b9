"""The newcomer's path: the script times the page's commands, and the claim is what it wrote."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from studies import newcomer
from studies.judged import judged

ROOT = Path(__file__).parents[2]


def blocks(text: str) -> str:
    """The commands of a page."""
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def test_the_script_runs_the_commands_of_the_page_and_no_others(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "docs").mkdir(parents=True)
    (repository / "scripts").mkdir()
    page = (
        "# A page\n\n```sh\nmkdir -p first/run\ncat > first/rows.csv <<'END'\na,b\nEND\n```\n\n"
        "```text\nfalse\n```\n\n"
        "```sh\nsleep 0.3\necho '{\"reward\": 1}' > first/run/metrics.jsonl; echo x > first/run/report.html\n"
        'echo "$HOME" > first/home\n```\n'
    )
    (repository / "docs" / "start.md").write_text(page)
    script = repository / "scripts" / "newcomer.sh"
    script.write_text(newcomer.SCRIPT.read_text())
    script.chmod(0o755)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    done = subprocess.run([script, tmp_path / "place"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "place" / "commands.sh").read_text() == blocks(page)
    text = (tmp_path / "place" / "steps.tsv").read_text()
    steps = [line.split("\t", 1) for line in text.splitlines()]
    commands = [command for _, command in steps if "commands.sh" not in command]
    assert [command.split()[0] for command in commands[:-1]] == [
        "mkdir",
        "cat",
        "sleep",
        "echo",
        "echo",
        "echo",
    ]
    (slept,) = (float(seconds) for seconds, command in steps if command == "sleep 0.3")
    assert slept >= 0.3
    in_all = float(steps[-1][0])
    assert in_all == pytest.approx(sum(float(seconds) for seconds, _ in steps[:-1]), abs=0.1 * len(steps))
    assert (tmp_path / "place/clone/first/home").read_text().strip() == str(tmp_path / "place" / "home")
    # A command that fails ends the path.
    (repository / "docs" / "start.md").write_text("```sh\nfalse\ntouch first\n```\n")
    subprocess.run(["git", *who, "commit", "-qam", "two"], cwd=repository, check=True)
    failed = subprocess.run([script, tmp_path / "other"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "a command of docs/start.md failed" in failed.stderr
    assert not (tmp_path / "other/clone/first").exists()


def test_the_seconds_are_those_from_pip_install_to_the_report() -> None:
    text = "3.0\tpython3 -m venv x\n20.5\tx/pip install y\n4.0\tx/pip install z\n9.0\tpracticum rl\n"
    found = newcomer.timed(text + "1.0\tpracticum report r\n7.0\tpracticum sample\n44.5\tin all\n")
    assert found["seconds"] == 34.5
    assert [step["seconds"] for step in found["steps"]] == [3.0, 20.5, 4.0, 9.0, 1.0, 7.0]


def test_the_claim_is_the_seconds_of_all_repeats() -> None:
    found = {str(n): {"seconds": 100.0 * n, "steps": [], "reward": [0.2, 0.4]} for n in (1, 2)}
    (claim,) = newcomer.claims({"newcomer": found})
    assert (claim["value"], claim["interval"], claim["unit"]) == (150.0, [100.0, 200.0], "s")
    assert judged({**claim, "commit": "c", "dirty": False})["met"] is True


def test_the_page_names_what_it_needs_and_starts_from_nothing() -> None:
    commands = blocks((ROOT / "docs" / "start.md").read_text())
    assert commands.startswith("python3 -m venv .venv\n")
    assert "practicum rl --model smollm2 --data first/" in commands
    assert "practicum report first/run" in commands
