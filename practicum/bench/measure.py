"""Timing two sides in alternation, their ratio, and each side's peak memory in a process of its own."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

Work = Callable[[], float]
"""Does the work once and returns how many units (tokens, answers) were done."""


@dataclass(frozen=True)
class Timing:
    """One run of one side: seconds and units of work done."""

    seconds: float
    units: float

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds


@dataclass(frozen=True)
class Pairs:
    """Runs of both sides in the order they were made; `rival` is empty where there is none."""

    ours: list[Timing]
    rival: list[Timing]


@dataclass(frozen=True)
class Side:
    """How to build one side's work in a fresh process: `build(*arguments)` gives the work.

    `modules` are imported before memory is counted, so that libraries do not weigh on the result.
    """

    build: Callable[..., Work]
    arguments: tuple[Any, ...]
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line of a bench. `ratio` is how many times better ours is, whatever the unit.

    Unit and meaning of None: `unit` names that of `ours` and `rival`; what was not measured is None.
    `at_least`: some run of the rival was stopped before its end, `rival` and `ratio` are lower bounds.
    """

    case: str
    ours: float
    rival: float | None
    rival_name: str | None
    unit: str
    ratio: float | None
    ratio_min: float | None
    ratio_max: float | None
    limit_share: float | None
    memory_ours_mb: float | None
    memory_rival_mb: float | None
    at_least: bool = False

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def timed(work: Work) -> Timing:
    """Run once, garbage collected before."""
    gc.collect()
    started = time.perf_counter()
    units = work()
    return Timing(time.perf_counter() - started, units)


def alternate(ours: Work, rival: Work | None, pairs: int, *, rival_is_warm: bool = False) -> Pairs:
    """Warm each side up once, then run `pairs` pairs; who goes first changes from pair to pair."""
    measured = Pairs([], [])
    sides = [(ours, measured.ours)] + ([(rival, measured.rival)] if rival is not None else [])
    for work, _ in sides[:1] if rival_is_warm else sides:
        work()
    for index in range(pairs):
        for work, timings in sides if index % 2 == 0 else sides[::-1]:
            timings.append(timed(work))
    return measured


def rate_row(
    case: str,
    unit: str,
    pairs: Pairs,
    rival_name: str | None,
    limit_rate: float | None = None,
    memory: tuple[float | None, float | None] = (None, None),
) -> Row:
    """A row of rates (units a second): medians, and median, least and greatest ratio of the pairs."""
    ours = median(timing.rate for timing in pairs.ours)
    return Row(
        case,
        ours,
        median(timing.rate for timing in pairs.rival) if pairs.rival else None,
        rival_name if pairs.rival else None,
        unit,
        *spread([one.rate / other.rate for one, other in zip(pairs.ours, pairs.rival, strict=False)]),
        ours / limit_rate if limit_rate else None,
        *memory,
    )


def cost_row(
    case: str,
    unit: str,
    ours: Sequence[float],
    rival: Sequence[float],
    rival_name: str | None,
    limit: float | None = None,
    memory: tuple[float | None, float | None] = (None, None),
) -> Row:
    """A row of costs (less is better), one value a pair: medians, and ratios rival / ours."""
    middle = median(ours)
    return Row(
        case,
        middle,
        median(rival) if rival else None,
        rival_name if rival else None,
        unit,
        *spread([other / one for one, other in zip(ours, rival, strict=False)]),
        limit / middle if limit else None,
        *memory,
    )


def count_row(case: str, unit: str, ours: float, rival: float | None, rival_name: str | None) -> Row:
    """A row of counts or shares that are compared by eye: no ratio, no limit."""
    name = rival_name if rival is not None else None
    return Row(case, ours, rival, name, unit, None, None, None, None, None, None)


def spread(ratios: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Median, least and greatest; None for each where there is no pair."""
    return (median(ratios), min(ratios), max(ratios)) if ratios else (None, None, None)


def memory_of(ours: Side, rival: Side | None, threads: int) -> tuple[float | None, float | None]:
    """Peak memory of both sides, each doing its work once in a process of its own, in MB (10^6 bytes).

    Nothing is timed here, so that both processes run at the same time.
    """
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(peak_memory, side, threads) for side in (ours, rival) if side is not None]
        found = [one.result() for one in waiting]
    return found[0], found[1] if rival is not None else None


def peak_memory(side: Side, threads: int) -> float | None:
    """Peak resident memory of a fresh process doing the work once, less its peak after imports, in MB.

    Linux only (VmHWM of /proc/self/status), None elsewhere. Raises RuntimeError when the process fails.
    """
    if not Path("/proc/self/status").exists():
        return None
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work_once, args=(sender, side, threads))
    process.start()
    sender.close()
    try:
        megabytes: float = receiver.recv()
    except EOFError as error:
        raise RuntimeError(f"the process measuring the memory of {side.build.__name__} failed") from error
    finally:
        process.join()
    return megabytes


def _work_once(sender: Connection, side: Side, threads: int) -> None:
    # Here, so that the command's help starts without PyTorch.
    import torch

    torch.set_num_threads(threads)
    # PyTorch loads this part of itself on first use, some 80 MB that belong to neither side's work.
    for module in ("torch._dynamo", *side.modules):
        importlib.import_module(module)
    before = _high_water()
    side.build(*side.arguments)()
    sender.send((_high_water() - before) / 1e6)
    sender.close()


def _high_water() -> int:
    """Bytes. Not ru_maxrss: a process inherits that from the one that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
