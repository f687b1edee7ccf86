"""How fast the log becomes rows. Run: python -m tests.projections.throughput [orders]

The worst case: of a thousand open orders, no two events in a row are about the same one, so that nearly every event of
a page touches a row of its own. Seven events an order: place (2), ack, two fills that move the position too (4).
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from oms.order.messages import SubmitAccepted
from oms.runtime import SystemClock, Tasks
from oms.store.database import upgrade
from oms.store.embedded import EmbeddedPostgres
from oms.store.log import PostgresLog
from oms.values import VenueOrderId
from projections import runner
from projections.runner import Runner
from tests.order.story import trade
from tests.projections.history import Recorder, emptied, write

OPEN = 1_000
BATCH = 2_000


def interleaved(orders: int) -> Recorder:
    story = Recorder(usdt="1e12")
    for first in range(0, orders, OPEN):
        names = [f"c{number}" for number in range(first, min(first + OPEN, orders))]
        steps: tuple[Callable[[str], None], ...] = (
            story.place,
            lambda name: story.hear(name, SubmitAccepted(venue_order_id=VenueOrderId(f"v{name}"))),
            lambda name: story.hear(name, trade(f"a{name}", "0.5", venue_order_id=VenueOrderId(f"v{name}"))),
            lambda name: story.hear(name, trade(f"b{name}", "1.5", venue_order_id=VenueOrderId(f"v{name}"))),
        )
        for step in steps:
            for name in names:
                step(name)
    return story


async def measure(url: str, orders: int) -> None:
    clock, log, events = SystemClock(), PostgresLog(url), interleaved(orders).events
    for start in range(0, len(events), BATCH):
        await write(log, events[start : start + BATCH])
    for rows in (runner.LIVE_ROWS, 5_000):
        emptied(url)
        runner.CATCH_UP_ROWS = rows  # type: ignore[misc]  # held at one size, to be measured
        begun, worked = clock.monotonic(), time.process_time()
        reached = await Runner(log, url, clock=clock, spawn=Tasks(), live_rows=rows).run_to_end()
        seconds, busy = clock.monotonic() - begun, time.process_time() - worked
        print(f"page {rows:5}: {reached / seconds:9,.0f} events/s, {busy / reached * 1e6:4.1f} us of our CPU an event")
    await log.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "server") as server:
        database = server.url_of("postgres")
        upgrade(database)
        asyncio.run(measure(database, int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
