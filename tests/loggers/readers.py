"""What each logger has stored of a run, read back through its own library: tag -> step -> value."""

from __future__ import annotations

import json
import os
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Curves = dict[str, dict[int, float]]


def tensorboard(folder: Path, key: str) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]
    }


def trackio(folder: Path, key: str) -> Curves:
    from trackio.sqlite_storage import SQLiteStorage

    curves: Curves = defaultdict(dict)
    for row in SQLiteStorage.get_logs("practicum", key):
        for name, value in row.items():
            if name not in ("step", "timestamp"):
                curves[name][row["step"]] = value
    return dict(curves)


def wandb(folder: Path, key: str) -> Curves:
    curves: Curves = defaultdict(dict)
    for path in sorted((folder / "wandb").glob(f"offline-run-*-{key}*/run-{key}.wandb")):
        for record in finished_records(path):
            if record.WhichOneof("record_type") != "history":
                continue
            row = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            step = int(row.pop("train/global_step"))
            for name, value in row.items():
                if not name.startswith("_"):
                    curves[name][step] = value
    return dict(curves)


def finished_records(path: Path) -> list[Any]:
    """The records of a run of W&B to its end: its service may still write when `finish` returns."""
    from wandb.proto.wandb_internal_pb2 import Record

    last = time.monotonic() + 30
    while True:
        records = []
        for data in leveldb_records(path.read_bytes()[7:], 7):
            record: Any = Record()
            record.ParseFromString(data)
            records.append(record)
        if time.monotonic() > last or any(one.WhichOneof("record_type") == "exit" for one in records):
            return records
        time.sleep(0.05)


def leveldb_records(data: bytes, before: int) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, whose blocks have 32 KiB; `before`: bytes of a header."""
    place, whole = 0, b""
    while place + 7 <= len(data):
        left = 32768 - (place + before) % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        if place + 7 + length > len(data):  # still being written
            return
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        # Full, first, middle, last.
        if kind in (1, 4):
            yield whole
            whole = b""


def mlflow(folder: Path, key: str) -> Curves:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    names = client.get_run(key).data.metrics
    return {
        f"train/{name}": {point.step: point.value for point in client.get_metric_history(key, name)}
        for name in names
    }


READERS = {"tensorboard": tensorboard, "trackio": trackio, "wandb": wandb, "mlflow": mlflow}
