"""Weights & Biases: online where it is logged in, else in RUN/wandb, from where `wandb sync` sends it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from netrc import NetrcParseError, netrc
from typing import Literal, cast
from urllib.parse import urlparse

import wandb

from practicum.loggers.names import in_sections
from practicum.loggers.sink import PROJECT, About, Sink

STEP = "train/global_step"
"""The axis of every chart, as the callback of transformers has it: W&B's own steps never go back."""


class WeightsAndBiases:
    """A `Sink` of one run of W&B."""

    def __init__(self, about: About, key: str) -> None:
        self.key = key or secrets.token_hex(4)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=self.key,
            name=about.name,
            dir=about.folder,
            config=dict(about.settings),
            resume="allow",
            mode=_mode(),
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", init_timeout=30),
        )
        self.run.define_metric(STEP)
        self.run.define_metric("*", step_metric=STEP, step_sync=True)
        offline = f"offline in {about.folder / 'wandb'} (wandb sync {self.run.settings.sync_dir})"
        self.where = offline if self.run.offline else str(self.run.url)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `Sink.log`."""
        self.run.log({**in_sections(metrics), STEP: step})

    def go_back(self, step: int) -> None:
        """As `Sink.go_back`: W&B forgets nothing, so the steps are there twice."""

    def close(self) -> None:
        """As `Sink.close`."""
        self.run.finish()


def _mode() -> Literal["online", "offline"]:
    """What WANDB_MODE says; else online with an account, for nobody may be there when W&B asks for one."""
    named = os.environ.get("WANDB_MODE")
    if named is None:
        return "online" if _has_account() else "offline"
    # W&B refuses a word that is none of its modes.
    return cast(Literal["online", "offline"], named)


def _has_account() -> bool:
    """Whether there is a key in the environment, or in the file to which `wandb login` writes it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return bool(host) and netrc(os.environ.get("NETRC")).authenticators(str(host)) is not None
    except (OSError, NetrcParseError):
        return False


def open_sink(about: About, key: str, after: int) -> Sink:
    """Begin a run of W&B, or go on with that of the key."""
    return WeightsAndBiases(about, key)
