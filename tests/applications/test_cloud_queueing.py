"""M/M/c against exact fractions, numerical integration and a simulation of single requests."""

from __future__ import annotations

import heapq
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from practicum.applications.cloud.queueing import erlang_c, latency_quantile, latency_tail, most_load

servers = st.integers(1, 150)
shares = st.floats(0.01, 0.99)


def exact_erlang_c(count: int, load: Fraction) -> float:
    """The textbook's formula, in fractions."""
    last = load**count / math.factorial(count) / (1 - load / count)
    return float(last / (sum(load**k / Fraction(math.factorial(k)) for k in range(count)) + last))


@given(st.integers(1, 60), st.fractions(Fraction(1, 50), Fraction(49, 50), max_denominator=60))
def test_waiting_is_erlangs_formula_in_exact_fractions(count: int, share: Fraction) -> None:
    load = share * count
    assert float(erlang_c(count, float(load))) == pytest.approx(exact_erlang_c(count, load), rel=1e-9)


@given(servers, shares, st.floats(1.0001, 1.5))
def test_waiting_grows_with_load_and_falls_with_servers(count: int, share: float, factor: float) -> None:
    load = share * count
    more = min(load * factor, count * 0.999)
    if more > load:
        assert erlang_c(count, more) >= erlang_c(count, load)
        assert latency_tail(count, more, 1.0, 0.2) >= latency_tail(count, load, 1.0, 0.2) - 1e-15
    assert erlang_c(count + 1, load) <= erlang_c(count, load)
    assert latency_tail(count + 1, load, 1.0, 0.2) <= latency_tail(count, load, 1.0, 0.2) + 1e-15


@pytest.mark.parametrize(("count", "load"), [(1, 0.5), (2, 1.9), (5, 4.0), (40, 37.0), (7, 6.0)])
def test_the_tail_of_latency_is_the_integral_over_wait_and_service(count: int, load: float) -> None:
    # (7, 6.0) and (5, 4.0) free servers at the service rate itself, where the closed form has a limit.
    service, limit = 0.3, 0.8
    waits, rate = exact_erlang_c(count, Fraction(load)), (count - load) / service

    def density(wait: float) -> float:
        return waits * rate * math.exp(-rate * wait) * math.exp(-(limit - wait) / service)

    expected = (1 - waits) * math.exp(-limit / service)
    expected += quad(density, 0, limit, epsabs=1e-13)[0] + waits * math.exp(-rate * limit)
    assert float(latency_tail(count, load, limit, service)) == pytest.approx(expected, abs=1e-6)


@given(servers, st.floats(0.01, 0.98), st.floats(0.05, 5.0))
@settings(max_examples=25, deadline=None)
def test_the_quantile_is_where_the_tail_is_five_in_a_hundred(
    count: int, share: float, service: float
) -> None:
    load = share * count
    quantile = float(latency_quantile(count, load, service))
    assert float(latency_tail(count, load, quantile, service)) == pytest.approx(0.05, abs=1e-6)
    most = most_load(count, quantile, service)
    assert float(latency_tail(count, most, quantile, service)) == pytest.approx(0.05, abs=1e-6)


def test_from_saturation_on_everything_is_late() -> None:
    assert latency_tail(3, [3.0, 4.0], 100.0, 0.1).tolist() == [1.0, 1.0]
    assert np.isinf(latency_quantile(3, 3.5, 0.1))
    assert erlang_c(3, [0.0, 3.0, 9.0]).tolist() == [0.0, 1.0, 1.0]
    assert most_load(3, 0.1, 0.2) == 0.0


def test_latency_agrees_with_a_simulation_of_single_requests() -> None:
    count, load, service, limit, requests = 4, 3.2, 0.2, 1.0, 60_000
    generator = np.random.default_rng(3)
    arrivals = np.cumsum(generator.exponential(service / load, requests)).tolist()
    lengths = generator.exponential(service, requests).tolist()
    free = [0.0] * count
    late = waited = 0
    for arrival, length in zip(arrivals, lengths, strict=True):
        begin = max(arrival, heapq.heappop(free))
        heapq.heappush(free, begin + length)
        waited += begin > arrival
        late += begin + length - arrival > limit
    assert late / requests == pytest.approx(float(latency_tail(count, load, limit, service)), abs=0.01)
    assert waited / requests == pytest.approx(float(erlang_c(count, load)), abs=0.02)
