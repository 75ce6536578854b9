"""What an open dashboard costs a run that trains beside it: the same practice with and without a page open.

    python -m studies.dashboard_cost --model runs/worked --folder runs/dashboard_cost

Pairs alternate. The cost is the processor time that the dashboard takes while a run trains, the browser
apart, as a share of one core. The run's own time with and without the page is told too; on a busy machine it
says little.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from urllib.request import urlopen

from practicum.files import atomic_write, to_json
from practicum.ranges import Common, Count, Ranged
from studies.common import study_main


@dataclass(frozen=True)
class StudyConfig(Ranged):
    """Practice with a page open and without, in turns.

    python -m studies.dashboard_cost --model runs/worked --folder runs/dashboard_cost
    """

    model: Common[Path]
    """A model folder to practise with."""
    folder: Common[Path] = Path("runs/dashboard_cost")
    """Where the runs and the result go; what is there is removed."""
    pairs: Common[Count] = 3
    """Runs with a page, and as many without."""
    steps: Common[Count] = 20
    """Iterations of each run."""
    port: Count = 8123
    """Port of the dashboard."""


def study(config: StudyConfig) -> dict[str, object]:
    """Seconds of each run, and processor seconds of the dashboard; written to results.json too."""
    shutil.rmtree(config.folder, ignore_errors=True)
    (config.folder / "runs").mkdir(parents=True)
    seconds: dict[str, list[float]] = {"open": [], "closed": []}
    used: list[tuple[float, float]] = []
    for number in range(config.pairs):
        for kind in ("open", "closed") if number % 2 else ("closed", "open"):
            with _dashboard(config, used) if kind == "open" else nullcontext():
                seconds[kind].append(_practise(config, f"{kind}-{number}"))
    share = sum(cpu for cpu, _ in used) / sum(wall for _, wall in used)
    found = {
        "seconds_open": seconds["open"],
        "seconds_closed": seconds["closed"],
        "slower": mean(seconds["open"]) / mean(seconds["closed"]) - 1,
        "dashboard_cpu_seconds": [cpu for cpu, _ in used],
        "dashboard_seconds": [wall for _, wall in used],
        "share_of_a_core": share,
    }
    atomic_write(config.folder / "results.json", to_json(found, indent=2) + "\n")
    return found


def _practise(config: StudyConfig, name: str) -> float:
    """Seconds of a run's steps, by its own rows."""
    run = config.folder / "runs" / name
    words = ["rl", "--model", str(config.model), "--run", str(run), f"--loop.steps={config.steps}"]
    small = ["--prompts_per_step=8", "--group_size=4", "--samples_tokens=true", "--json"]
    subprocess.run(
        [sys.executable, "-m", "practicum", *words, *small],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    rows = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(float(json.loads(row)["seconds"]) for row in rows)


@contextmanager
def _dashboard(config: StudyConfig, used: list[tuple[float, float]]) -> Iterator[None]:
    """A dashboard with two open pages: the table and the newest run, as a browser asks for them."""
    words = [sys.executable, "-m", "practicum", "dashboard", str(config.folder / "runs")]
    server = subprocess.Popen([*words, "--port", str(config.port)], stderr=subprocess.DEVNULL)
    reader = subprocess.Popen([sys.executable, "-m", "studies.dashboard_cost", "--reader", str(config.port)])
    time.sleep(8)
    before, started = _processor_seconds(server.pid), time.monotonic()
    try:
        yield
        used.append((_processor_seconds(server.pid) - before, time.monotonic() - started))
    finally:
        for process in (reader, server):
            process.terminate()
            process.wait()


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def read_on(port: int) -> None:
    """Ask every five seconds for what two open pages ask for while there is news."""
    seen = ""
    while True:
        time.sleep(5)
        try:
            with urlopen(f"http://127.0.0.1:{port}/table?seen={seen}") as answer:
                text = answer.read().decode()
            seen = text.partition('data-seen="')[2].partition('"')[0] or seen
            name = text.partition('name="run" value="')[2].partition('"')[0]
            for metric in ("reward", "solved", "kl", "entropy", "completion_tokens"):
                urlopen(f"http://127.0.0.1:{port}/api/series?run={name}&metric={metric}").read()
        except OSError:
            continue


main = study_main(StudyConfig, "studies.dashboard_cost", study)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reader"]:
        read_on(int(sys.argv[2]))
    sys.exit(main(sys.argv[1:]))
