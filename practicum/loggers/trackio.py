"""Trackio: a database of its own on this machine (TRACKIO_DIR), which `trackio show` shows, or a server."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

import trackio

from practicum.loggers.names import in_sections
from practicum.loggers.sink import PROJECT, About, Sink


class Trackio:
    """A `Sink` of one run of trackio, which knows a run by its name."""

    def __init__(self, about: About, key: str) -> None:
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        self.key = key or f"{about.name}-{secrets.token_hex(3)}"
        self.where = f"project {project}, run {self.key} (trackio show --project {project})"
        # None and lists are no values of a chart's legend.
        settings = {name: str(value) for name, value in about.settings.items()}
        resume = "allow" if key else "never"
        self.run = trackio.init(project, name=self.key, config=settings, resume=resume, embed=False)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `Sink.log`."""
        self.run.log(in_sections(metrics), step=step)

    def go_back(self, step: int) -> None:
        """As `Sink.go_back`: trackio forgets nothing, so the steps are there twice."""

    def close(self) -> None:
        """As `Sink.close`."""
        self.run.finish()


def open_sink(about: About, key: str, after: int) -> Sink:
    """Begin a run of trackio, or go on with that of the key."""
    return Trackio(about, key)
