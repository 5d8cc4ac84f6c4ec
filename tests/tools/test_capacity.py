"""The capacity model's arithmetic, with costs that can be followed by hand."""

import json
from dataclasses import replace

import pytest

from bench.machine import ROOT
from bench.scaling.capacity import NODE_BYTES, Costs, calls_a_script, fit, needs
from bench.scaling.forecast import capacity

COSTS = Costs(
    web_call=24e-6,
    web_thread_call=12e-6,
    node_script=6e-6,
    node_call=3e-6,
    batch_seconds=0.002,
    worker_id=3e-6,
    flush_id=5e-6,
    broker_id=1e-6,
    redis_id_bytes=90,
    kafka_id_bytes=50,
    redis_call_bytes=40,
    http_call_bytes=250,
)


def test_ten_thousand_calls_a_second_fit_one_of_each() -> None:
    of = needs(10_000, COSTS)
    assert (of.web_processes, of.web_cores, of.redis_nodes, of.buckets, of.brokers) == (1, 1, 1, 1, 3)
    assert of.redis_bytes == pytest.approx(60_000 * 90 * 10 / 0.9)
    assert of.flush_seconds == pytest.approx(0.3)
    assert of.http_bits == 10_000 * 250 * 8


def test_a_million_need_as_many_as_the_arithmetic_says() -> None:
    of = needs(1_000_000, COSTS)
    assert (of.web_processes, of.web_cores) == (20, 40)
    assert of.redis_nodes * 0.6 >= 1_000_000 * (6e-6 / of.calls_a_script + 3e-6)
    assert (of.redis_nodes - 1) * 0.6 < 1_000_000 * (6e-6 / of.calls_a_script + 3e-6)
    assert of.buckets == 4 * of.redis_nodes


def test_more_calls_never_need_less() -> None:
    rates = [10**3, 10**4, 10**5, 10**6, 10**7]
    for name in ("web_processes", "web_cores", "redis_nodes", "brokers", "redis_bytes", "flush_seconds"):
        needed = [getattr(needs(rate, COSTS), name) for rate in rates]
        assert needed == sorted(needed), name


def test_web_processes_that_meet_few_buckets_need_fewer_nodes() -> None:
    spread, routed = needs(10**7, COSTS), needs(10**7, COSTS, routed=True)
    assert routed.redis_nodes < spread.redis_nodes
    assert routed.calls_a_script > spread.calls_a_script


def test_memory_alone_can_ask_for_nodes() -> None:
    of = needs(10_000, replace(COSTS, redis_id_bytes=NODE_BYTES / 60_000))
    assert of.redis_nodes > 1


def test_calls_a_script() -> None:
    assert calls_a_script(10_000, 1, 1, 0.002) == 20
    assert calls_a_script(10_000, 1, 10**6, 0.002) == pytest.approx(1, abs=0.001), "each its own bucket"
    assert calls_a_script(1, 1, 1, 0.002) == 1, "no batch is empty"


def test_the_fit_finds_what_a_script_and_a_call_cost() -> None:
    points = [(scripts, 1000.0, 6e-6 * scripts + 3e-6 * 1000) for scripts in (10.0, 50.0, 300.0)]
    assert list(fit(points)) == pytest.approx([6e-6, 3e-6])


def test_the_fit_is_never_below_zero() -> None:
    assert list(fit([(10.0, 1000.0, 0.004), (100.0, 1000.0, 0.003)])) == pytest.approx([0, 3.5e-6])
    assert fit([(10.0, 1000.0, 0.0001), (100.0, 1000.0, 0.01)])[1] >= 0


def test_the_published_table_is_what_the_model_says_of_the_published_costs() -> None:
    docs = ROOT / "docs/bench"
    costs = Costs(**json.loads((docs / "scaling.json").read_text())["costs"])
    assert capacity(costs) in (docs / "scaling.md").read_text()
