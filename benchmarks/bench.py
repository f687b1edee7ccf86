"""The benchmarks, in one run on one Postgres, with what they are to be compared with.

    python benchmarks/bench.py [--quick] [--json]

Without OMS_DATABASE_URL an embedded Postgres is started in a temporary folder; with it, databases are made there and
dropped again. Absolute figures are the machine's; read the ratios.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks import baselines, codec, engine, replay
from oms.store.database import upgrade
from oms.store.embedded import EmbeddedPostgres

KEPT_MIN, P99_MS_MAX, FLOOD_MIN, REPLAY_MIN = 20_000, 15.0, 50_000, 250_000  # the bars that this project sets itself


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """A database of that name for as long as it is needed."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def a_server() -> Iterator[str]:
    """The connection string of a Postgres that may be written to."""
    given = os.environ.get("OMS_DATABASE_URL")
    if given:
        yield given
        return
    with (
        tempfile.TemporaryDirectory(prefix="oms-bench-", ignore_cleanup_errors=True) as home,
        EmbeddedPostgres(Path(home)) as postgres,
    ):
        yield postgres.url_of("postgres")


def run(*, quick: bool) -> dict[str, Any]:
    """Run everything; return the figures by name."""
    seconds = 2.0 if quick else 6.0
    say("the codecs, beside ccxt on the same bytes ...")
    codecs = codec.measure()
    with a_server() as server:
        with database(server, "oms_bench_plain") as url:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CREATE TABLE bench_rows (id bigserial PRIMARY KEY, note text)")
            say("pgbench, one row a commit: 1 and 32 clients ...")
            alone = baselines.pgbench(url, clients=1, seconds=int(seconds))
            crowd = baselines.pgbench(url, clients=32, seconds=int(seconds))
            say("the stock library, one save an event ...")
            stock = baselines.stock(url, seconds=seconds)
        with database(server, "oms_bench_log") as url:
            upgrade(url)
            say("the engine: 1,000, 10,000 and 20,000 commands/s offered, then as many as it takes ...")
            flood = 60_000 if quick else 300_000
            measured = engine.measure(url, rates=[1_000, 10_000, 20_000], seconds=seconds, flood=flood)
            say("cold replay ...")
            replayed = max((replay.cold(url) for _ in range(3)), key=lambda run: run.rate)
            peak = replay.peak_megabytes(url) if quick else None
    *offered, full = measured
    return {
        "codecs": codecs,
        "pgbench_1_client_commits_s": alone,
        "pgbench_32_clients_commits_s": crowd,
        "stock_orders_s": stock,
        "offered": [
            {"commands_s": m.offered, "kept_s": m.rate, **{f"p{p}_ms": m.percentile(p / 100) for p in (50, 99, 99.9)}}
            for m in offered
        ],
        "saturation_commands_s": full.rate,
        "saturation_events_s": full.events / full.seconds,
        "saturation_orders_s": full.rate / 4,
        "replay_events": replayed.events,
        "replay_events_s": replayed.rate,
        "replay_orders_kept": replayed.orders_kept,
        "replay_peak_mb": peak,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures and what they mean beside each other."""
    codec.show(figures["codecs"])
    stock, crowd = figures["stock_orders_s"], figures["pgbench_32_clients_commits_s"]
    full, orders = figures["saturation_commands_s"], figures["saturation_orders_s"]
    assert isinstance(stock, float)
    assert isinstance(full, float)
    assert isinstance(orders, float)
    print(f"stock library            {stock:12,.0f} four-event orders/s, one save an event")
    for clients in (1, 32):
        tps = figures[f"pgbench_{clients}_client{'s' if clients > 1 else ''}_commits_s"]
        print(f"pgbench, {clients:2} clients      {tps:12,.0f} single-row commits/s" if tps else "pgbench: not found")
    for offer in figures["offered"]:
        print(
            f"engine, {offer['commands_s']:6,} offered  {offer['kept_s']:12,.0f} commands/s kept,"
            f" p50 {offer['p50_ms']:.2f}  p99 {offer['p99_ms']:.2f}  p99.9 {offer['p99.9_ms']:.2f} ms"
        )
    print(f"engine, saturated        {full:12,.0f} commands/s, {figures['saturation_events_s']:,.0f} events/s")
    print(f"  to the stock library   {orders / stock:12,.0f} x as many orders")
    if isinstance(crowd, float):
        print(f"  to pgbench, 32 clients {full / crowd:12,.1f} x as many durable commands")
    print(
        f"cold replay              {figures['replay_events_s']:12,.0f} events/s"
        f" ({figures['replay_events']:,} events, {figures['replay_orders_kept']:,} orders in memory at the end)"
    )


def verdict(figures: dict[str, Any]) -> list[str]:
    """Return the bars that were missed."""
    top = figures["offered"][-1]
    missed: list[str] = codec.missed(figures["codecs"])
    if top["kept_s"] < 0.98 * KEPT_MIN or top["p99_ms"] >= P99_MS_MAX:
        missed.append(f"{KEPT_MIN:,} commands/s kept with p99 under {P99_MS_MAX} ms")
    if figures["saturation_commands_s"] < FLOOD_MIN:
        missed.append(f"{FLOOD_MIN:,} commands/s at saturation")
    if figures["replay_events_s"] < REPLAY_MIN:
        missed.append(f"{REPLAY_MIN:,} events/s replayed")
    return missed


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run, print, and return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the time, and the memory of a replay")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    figures = run(quick=options.quick)
    missed = verdict(figures)
    if options.json:
        codecs = {name: one._asdict() for name, one in figures["codecs"].items()}
        print(json.dumps(figures | {"codecs": codecs, "missed": missed}))
    else:
        show(figures)
        for bar in missed:
            print(f"MISSED: {bar}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
