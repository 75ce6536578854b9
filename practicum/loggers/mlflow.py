"""MLflow: a tracking server (MLFLOW_TRACKING_URI), else a database beside the runs, for `mlflow ui`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import islice

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH as LONGEST_NAME
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH as LONGEST_VALUE
from mlflow.utils.validation import MAX_PARAMS_TAGS_PER_BATCH as MOST_PARAMS

from practicum.loggers.sink import PROJECT, About, Sink

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow's own waits for minutes on a server that is gone."""


class MLflow:
    """A `Sink` of one run of MLflow."""

    def __init__(self, about: About, key: str) -> None:
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        place = os.environ.get("MLFLOW_TRACKING_URI")
        place = place or f"sqlite:///{(about.runs / 'mlflow.db').resolve()}"
        self.client = MlflowClient(place)
        self.where = f"mlflow ui --backend-store-uri {place}" if "://" in place else place
        self.key = key or self._begin(about)

    def _begin(self, about: About) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self.client.get_experiment_by_name(name)
        experiment = self.client.create_experiment(name) if found is None else found.experiment_id
        run: str = self.client.create_run(experiment, run_name=about.name).info.run_id
        params = iter(
            [Param(allowed(key), str(value)[:LONGEST_VALUE]) for key, value in about.settings.items()]
        )
        while some := list(islice(params, MOST_PARAMS)):
            self.client.log_batch(run, params=some)
        return run

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `Sink.log`, under TRL's bare names, as the callback of transformers has them here."""
        now = get_current_time_millis()
        batch = [Metric(allowed(name), value, now, step) for name, value in metrics.items()]
        self.client.log_batch(self.key, metrics=batch)

    def go_back(self, step: int) -> None:
        """As `Sink.go_back`: MLflow forgets nothing, so the steps are there twice."""

    def close(self) -> None:
        """As `Sink.close`."""
        self.client.set_terminated(self.key)


def allowed(name: str) -> str:
    """A name with `_` for what MLflow's names may not hold: other characters, and parts that are no names."""
    plain = re.sub(r"[^\w\-. :/]", "_", name)
    parts = (part if part.strip(".") else "_" for part in plain.split("/"))
    return "/".join(parts)[:LONGEST_NAME].rstrip("/")


def open_sink(about: About, key: str, after: int) -> Sink:
    """Begin a run of MLflow, or go on with that of the key."""
    return MLflow(about, key)
