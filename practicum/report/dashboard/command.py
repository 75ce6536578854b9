"""`practicum dashboard`: a live page over the runs in a folder."""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from practicum.errors import InputError
from practicum.ranges import Common, Range, Ranged
from practicum.report.dashboard.discover import Library, RunState
from practicum.report.dashboard.pages import state_json
from practicum.report.dashboard.player import Player
from practicum.report.dashboard.rankings import check_databases
from practicum.report.dashboard.site import Site
from practicum.report.words import duration, short

if TYPE_CHECKING:
    import uvicorn

LOOPBACK = ("127.0.0.1", "localhost")
PATIENCE = 10
"""What is added to the process's niceness: training that runs beside it goes first."""


@dataclass(frozen=True)
class DashboardConfig(Ranged):
    """Serve a live page over the runs in a folder: tables, curves, samples, findings.

    practicum dashboard --open
    practicum dashboard --runs experiments --port 8200
    practicum dashboard --runs experiments --list
    """

    runs: Common[Path] = Path("runs")
    """The folder that holds the runs; `practicum dashboard RUNS` gives it too."""
    host: Common[str] = "127.0.0.1"
    """IPv4 address or name to listen on. Whoever reaches another one can read all runs; then nothing can be
    tagged or deleted."""
    port: Common[Annotated[int, Range(at_least=0, at_most=65_535)]] = 8100
    """Port to listen on; 0 takes a free one."""
    open: Common[bool] = False
    """Open the page in a browser."""
    list: Common[bool] = False
    """Print the runs and end; nothing is served."""
    names: tuple[str, ...] = ()
    """Host names besides those of this machine that the page may be reached by."""
    tasks: tuple[str, ...] = ()
    """Tasks that the page Play offers besides the house's: FILE.py:Class, or reasoning_gym:NAME."""
    database: tuple[Path, ...] = ()
    """Preference databases besides those in the folder, for the page of rankings."""

    def without_effect(self) -> Mapping[str, str]:
        """What a list leaves without effect."""
        served = ("host", "port", "open", "names", "tasks", "database")
        return dict.fromkeys(served, "with --list nothing is served: drop it") if self.list else {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if ":" in self.host:
            raise InputError(f"host: expected an IPv4 address or a name, got {self.host!r}")
        if self.host == "0.0.0.0" and not self.names:
            raise InputError("host 0.0.0.0 needs --names, the host names by which others reach the page")


def dashboard(config: DashboardConfig) -> dict[str, Any]:
    """Serve until interrupted, or list the runs; the JSON of `practicum dashboard`."""
    if not config.runs.is_dir():
        raise InputError(f"{config.runs}: no such folder; give the one that holds the runs")
    check_databases(config.database)
    library = Library(config.runs.resolve())
    if config.list:
        states = library.look().states
        print("\n".join(lines(states)) if states else f"no run in {config.runs}")
        return {"runs": [state_json(state) for state in states]}
    return _serve(
        config, Site(library, config.database, config.host in LOOPBACK, player=Player(config.tasks))
    )


def lines(states: Sequence[RunState]) -> Sequence[str]:
    """A line for each run."""
    rows = [("run", "status", "step", "last", "time", "")]
    for one in states:
        step = "" if one.step is None else f"{one.step}" + (f"/{one.steps}" if one.steps else "")
        last = f"{one.metric} {short(one.value)}" if one.metric else ""
        note = "; ".join([*one.problems, *([f"{one.alarms} alarms"] if one.alarms else [])])
        rows.append((one.name, one.status, step, last, duration(one.seconds) if one.seconds else "", note))
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip()
        for row in rows
    ]


def _serve(config: DashboardConfig, site: Site) -> dict[str, Any]:
    import socket

    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((config.host, config.port))
        except (OSError, UnicodeError) as error:
            raise InputError(
                f"cannot listen on {config.host}:{config.port}: choose another --port"
            ) from error
        port = listening.getsockname()[1]
        url = f"http://{'127.0.0.1' if config.host == '0.0.0.0' else config.host}:{port}/"
        print(f"practicum: the dashboard of {config.runs} is at {url} (Ctrl-C ends it)", file=sys.stderr)
        if config.host not in LOOPBACK:
            print("practicum: whoever reaches this address can read all runs", file=sys.stderr)
        if hasattr(os, "nice"):
            os.nice(PATIENCE)
        if config.open:
            webbrowser.open(url)
        server = uvicorn.Server(server_config(site, config))
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    return {"url": url, "runs": len(site.library.look().states)}


def server_config(site: Site, config: DashboardConfig) -> uvicorn.Config:
    """How the dashboard is served."""
    import uvicorn

    from practicum.report.dashboard.server import create_app

    names = () if config.host == "0.0.0.0" else (config.host,)
    return uvicorn.Config(
        create_app(site, (*names, *config.names)),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
