"""Waiting in a queue with c servers, Poisson arrivals and exponential service times (M/M/c).

Erlang 1917; the distributions as in Gross, Shortle, Thompson & Harris, Fundamentals of Queueing Theory, 4th
edition, section 2.3. Rates are per second, times in seconds; `load` is arrivals per service time (Erlangs).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
QUANTILE = 0.95
"""The quantile of latency that the objective (SLO) is about."""


def erlang_c(servers: int, load: ArrayLike) -> Floats:
    """Probability that a request must wait. load: any shape, at least 0; from `servers` on it is 1.

    By the recursion of Erlang's loss formula on its inverse, which neither overflows nor cancels.
    """
    load = np.asarray(load, dtype=np.float64)
    if servers < 1:
        return np.ones_like(load)
    stable = np.clip(load, 1e-12, servers * (1 - 1e-12))
    inverse = np.ones_like(stable)
    with np.errstate(over="ignore"):
        for server in range(1, servers + 1):
            inverse = 1.0 + inverse * (server / stable)
    blocked = 1.0 / inverse
    waits = blocked / (1.0 - (stable / servers) * (1.0 - blocked))
    return np.where(load <= 0, 0.0, np.where(load >= servers, 1.0, waits))


def latency_tail(servers: int, load: ArrayLike, limit: ArrayLike, service: float) -> Floats:
    """Probability that waiting and service together take longer than `limit` seconds; 1 from saturation on.

    load, limit: shapes that broadcast. `service` is the mean service time. The wait is 0, or exponential at
    the rate by which the servers outrun the arrivals; with the service after it, the sum has two phases.
    """
    load = np.asarray(load, dtype=np.float64)
    time = np.asarray(limit, dtype=np.float64) / service
    waits, served = erlang_c(servers, load), np.exp(-time)
    # In units of the service time, the wait ends at rate `free` and the service at rate 1. Where the two are
    # nearly equal their difference is taken by expm1, and elsewhere as it stands, which cannot overflow.
    free = np.maximum(servers - load, 1e-12)
    apart = np.where(np.abs(free - 1) < 1e-9, 1e-9, free - 1)
    near = served * -np.expm1(np.clip(-apart * time, -1, 1)) / apart
    both = np.where(np.abs(apart * time) < 1, near, (served - np.exp(-free * time)) / apart)
    tail = served + waits * both
    return np.where(load >= servers, 1.0, np.clip(tail, 0.0, 1.0))


def latency_quantile(servers: int, load: ArrayLike, service: float, share: float = QUANTILE) -> Floats:
    """The latency in seconds that `share` of the requests stay within; infinite from saturation on."""
    load = np.asarray(load, dtype=np.float64)
    slowest = np.minimum(np.maximum(servers - load, 1e-12), 1.0)
    low, high = np.zeros_like(load), service * -2 * np.log1p(-share) * 4 / slowest
    for _ in range(60):
        middle = (low + high) / 2
        over = latency_tail(servers, load, middle, service) > 1 - share
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.where(load >= servers, np.inf, high)


def most_load(servers: int, limit: float, service: float, share: float = QUANTILE) -> float:
    """The greatest load (Erlangs) at which `share` of the requests stay within `limit` seconds.

    0 where even an idle system does not keep it.
    """
    if servers < 1 or np.exp(-limit / service) > 1 - share:
        return 0.0
    low, high = 0.0, float(servers)
    for _ in range(60):
        middle = (low + high) / 2
        late = float(latency_tail(servers, middle, limit, service)) > 1 - share
        low, high = (low, middle) if late else (middle, high)
    return low
