"""What so many calls a second need: tables of the capacity model."""

from collections.abc import Callable, Iterator

from bench.reporting.markdown import table
from bench.scaling.capacity import Costs, Needs, needs

RATES = (10_000, 1_000_000, 10_000_000)


def capacity(of: Costs) -> str:
    """The table of what each part needs, at each of the rates."""
    routed = {rate: needs(rate, of, routed=True) for rate in RATES}
    rows: tuple[tuple[str, Callable[[Needs], str]], ...] = (
        ("web processes", lambda n: f"{n.web_processes:,}"),
        ("… cores for them", lambda n: f"{n.web_cores:,}"),
        ("Redis nodes, a core each, beside replicas", lambda n: f"{n.redis_nodes:,}"),
        ("… if each web process got calls of few buckets", lambda n: f"{routed[n.rate].redis_nodes:,}"),
        ("… buckets", lambda n: f"{n.buckets:,}"),
        ("… calls a script", lambda n: f"{n.calls_a_script:.1f}"),
        ("… memory of all nodes together", lambda n: f"{n.redis_bytes / 1e9:,.1f} GB"),
        ("Kafka brokers of four cores", lambda n: f"{n.brokers:,}"),
        ("seconds to publish a minute", lambda n: f"{n.flush_seconds:,.1f}{_late(n)}"),
        ("between callers and web", lambda n: _bits(n.http_bits)),
        ("between web and Redis", lambda n: _bits(n.redis_bits)),
        ("to Kafka, replicas too", lambda n: _bits(n.kafka_bits)),
    )
    needed = [needs(rate, of) for rate in RATES]
    head = ("", *(f"{rate:,} calls/s" for rate in RATES))
    return table(head, ((name, *(show(of) for of in needed)) for name, show in rows))


def _late(of: Needs) -> str:
    return " (**too long**)" if of.flush_seconds > 60 else ""  # noqa: PLR2004  a minute has so many


def _bits(bits: float) -> str:
    return f"{bits / 1e9:,.2f} Gbit/s"


def cost_rows(of: Costs) -> Iterator[tuple[str, str]]:
    """(cost, measured): what the model is made from."""
    for name, seconds in (
        ("a call, of a web process", of.web_call),
        ("… of its busiest thread alone", of.web_thread_call),
        ("a script, of a node", of.node_script),
        ("… and a call in it", of.node_call),
        ("an id of a minute, of the worker that publishes it", of.worker_id),
        ("… on the clock, from the first read to the last delete", of.flush_id),
        ("… of a Kafka broker", of.broker_id),
        ("from one batch of a web process to its next", of.batch_seconds),
    ):
        yield name, f"{1e6 * seconds:,.2f} µs"
    for name, count in (
        ("an id of a minute in Redis", of.redis_id_bytes),
        ("… in Kafka", of.kafka_id_bytes),
        ("a call between web and Redis", of.redis_call_bytes),
        ("… between its caller and web", of.http_call_bytes),
    ):
        yield name, f"{count:.0f} bytes"
