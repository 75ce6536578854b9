"""Many runs and long ones: the first page comes at once, memory stays flat, no file is read as a whole."""

from __future__ import annotations

import gc
import os
import random
import shutil
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from practicum.report.dashboard.discover import Library
from practicum.report.dashboard.server import create_app
from practicum.report.dashboard.site import Site
from tests.report.dashboard.made import metrics_row, sample_row, serving, write_rows, write_run


def write_long(root: Path, runs: int, rows: int) -> Path:
    """Runs whose rows are as many as told; the rows of all are those of the first."""
    first = write_run(root / "run-000", steps=2)
    draw = random.Random(0)
    steps = range(1, rows + 1)
    write_rows(first / "metrics.jsonl", (metrics_row(step, draw) for step in steps))
    write_rows(first / "samples.jsonl", (sample_row(step, 1, draw) for step in steps[::10]))
    for number in range(1, runs):
        # Links take no room on the disk, and each is read as a file of its own.
        shutil.copytree(first, root / f"run-{number:03d}", copy_function=os.link)
    return root


def resident_mb() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def asked(client: TestClient, runs: int) -> Iterator[float]:
    """Use the dashboard as a reader would, each run's page and its curves; seconds of each answer."""
    names = [f"run-{number:03d}" for number in range(runs)]
    for path, query in (("/", {}), ("/findings", {}), ("/compare", {"run": names[:32]})):
        yield _answer(client, path, query)
    for name in names:
        for path in ("/run", "/samples"):
            yield _answer(client, path, {"run": name})
        yield _answer(client, "/api/series", {"run": name, "metric": ["reward", "kl"]})
    yield _answer(client, "/samples", {"run": names[0], "text": "nowhere to be found", "step_from": "10"})


def _answer(client: TestClient, path: str, query: dict[str, Any]) -> float:
    started = time.process_time()
    assert client.get(path, params=query).status_code == 200
    return time.process_time() - started


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not say what is read")
def test_pages_read_little_of_long_files(tmp_path: Path) -> None:
    """By bytes and not by the clock: what a page reads does not grow with the files."""
    taken: list[list[int]] = []
    for rows in (2_000, 8_000):
        root = write_long(tmp_path / str(rows), 3, rows)
        read: list[int] = []
        with TestClient(create_app(Site(Library(root))), "http://127.0.0.1") as client:
            for path, query in (("/", {}), ("/run", {"run": "run-000"}), ("/samples", {"run": "run-000"})):
                before = bytes_read()
                assert client.get(path, params=query).status_code == 200
                read.append(bytes_read() - before)
        taken.append(read)
    for short, long in zip(*taken, strict=True):
        assert long <= 1.5 * short + 300_000, "bytes that a page reads, of files four times as long"


def bytes_read() -> int:
    """What this process has had the system read so far."""
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


def test_curves_of_many_runs_take_memory_once(tmp_path: Path) -> None:
    root = write_long(tmp_path, 2, 600)
    site = Site(Library(root))
    with TestClient(create_app(site), "http://127.0.0.1") as client:
        list(asked(client, 2))
        gc.collect()
        tracemalloc.start()
        for _ in range(2):
            list(asked(client, 2))
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert kept < 2_000_000, "asking again keeps nothing more"


@pytest.mark.slow
def test_a_hundred_runs_of_a_hundred_thousand_rows(tmp_path: Path, browser: Any) -> None:
    root = write_long(tmp_path / "runs", 100, 100_000)
    size = sum(path.stat().st_size for path in root.rglob("*.jsonl")) / 1e9
    with serving(root) as served:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto("about:blank")
        started = time.perf_counter()
        page.goto(served.url)
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        table = time.perf_counter() - started
        page.goto(f"{served.url}/run?run=run-050")
        page.locator(".plot canvas").first.wait_for()
        drawn = page.evaluate("performance.now()") / 1000
        before = resident_mb()
        with TestClient(create_app(served.site), "http://127.0.0.1") as client:
            slowest = max(asked(client, 60))
        after = resident_mb()
        page.close()
    print(
        f"\n{size:.1f} GB: first paint {painted:.2f} s, table {table:.2f} s, first curve {drawn:.2f} s, "
        f"slowest answer {slowest:.2f} s of processor time, memory {before:.0f} MB, then {after:.0f} MB"
    )
    assert painted < 1, "needs an idle machine"
    assert after - before < 150
