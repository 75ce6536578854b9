"""TensorBoard: event files in RUN/tensorboard, which `tensorboard --logdir runs` shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from practicum.loggers.names import in_sections
from practicum.loggers.sink import About, Sink

FOLDER = "tensorboard"


class TensorBoard:
    """A `Sink` of event files. A later file says from which step on it takes the place of earlier ones."""

    key = FOLDER

    def __init__(self, about: About, after: int) -> None:
        self.folder: Path = about.folder / FOLDER
        self.where = f"tensorboard --logdir {about.runs}"
        self.writer = SummaryWriter(str(self.folder), purge_step=after + 1)
        if not after:
            lines = "".join(f"| {key} | {value} |\n" for key, value in about.settings.items())
            self.writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{lines}")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `Sink.log`."""
        for name, value in in_sections(metrics).items():
            self.writer.add_scalar(name, value, step)

    def go_back(self, step: int) -> None:
        """As `Sink.go_back`: TensorBoard drops what earlier files have after that step."""
        self.writer.close()
        self.writer = SummaryWriter(str(self.folder), purge_step=step + 1)

    def close(self) -> None:
        """As `Sink.close`."""
        self.writer.close()


def open_sink(about: About, key: str, after: int) -> Sink:
    """Write on in the run's folder, after step `after`."""
    return TensorBoard(about, after if key else 0)
