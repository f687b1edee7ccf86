"""The database's disk is full: nothing is acknowledged, nothing is lost, and work resumes by itself."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from pwd import getpwnam

import psycopg
import pytest

from oms.book import account_stream
from oms.decide import BalancesReport, Decider
from oms.engine import Engine
from oms.errors import LogUnavailableError
from oms.reports import BalanceReport
from oms.risk import Limits
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.store.embedded import SYSTEM_USER
from oms.store.log import PostgresLog
from oms.values import AccountId, ClientOrderId, Currency
from tests.order.story import BTC_USDT, SPOT, asking

pytestmark = pytest.mark.postgres

MAIN = AccountId("main")
BALLAST = 2 * 1024 * 1024


@pytest.fixture
def small_disk(database: str) -> Iterator[Path]:
    """A file system of a few megabytes that holds the log's table, with ballast to throw out."""
    if os.environ.get("OMS_TEST_POSTGRES", "embedded") != "embedded" or os.geteuid() != 0:
        pytest.skip("a disk of its own needs root and a server on this machine")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        disk = Path(folder) / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], check=False)
        if mounted.returncode:
            pytest.skip("this machine does not let root mount a small disk")
        try:
            os.chown(disk, getpwnam(SYSTEM_USER).pw_uid, -1)
            (disk / "ballast").write_bytes(bytes(BALLAST))
            with psycopg.connect(database, autocommit=True) as connection:
                name = f"small_{os.getpid()}"
                connection.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")
                connection.execute(f"ALTER TABLE stored_events SET TABLESPACE {name}")
                yield disk
                connection.execute("ALTER TABLE stored_events SET TABLESPACE pg_default")
                connection.execute(f"DROP TABLESPACE {name}")
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def bulk(n: int) -> str:
    """Two kilobytes that do not compress away."""
    return "".join(sha256(f"{n} {part}".encode()).hexdigest() for part in range(32))


async def test_a_full_disk_refuses_clearly_loses_nothing_and_work_resumes_by_itself(
    small_disk: Path, database: str
) -> None:
    log, clock, tasks = PostgresLog(database), SystemClock(), Tasks()
    decider = Decider(MAIN, instruments={BTC_USDT.symbol: BTC_USDT}, capabilities=lambda _: SPOT, limits=Limits())
    engine = Engine(MAIN, decider=decider, log=log, clock=clock, ids=TimeOrderedIds(clock), spawn=tasks)
    await engine.start("nowhere")
    balance = BalanceReport(currency=Currency("USDT"), total=Decimal(10**9))
    await engine.report([(account_stream(MAIN), BalancesReport(balances=(balance,), reason="opening"))])
    engine.trading = True

    async def place(numbers: Sequence[int]) -> dict[int, object]:
        """Place orders at once; return what became of each."""
        said = [
            engine.execute(asking(client_order_id=ClientOrderId(f"c{n}"), tags={"x": bulk(n)}), actor="maker")
            for n in numbers
        ]
        return dict(zip(numbers, await asyncio.gather(*said, return_exceptions=True), strict=True))

    became: dict[int, object] = {}
    for start in range(0, 5_000, 50):
        became |= await place(range(start, start + 50))
        refused = {n: error for n, error in became.items() if isinstance(error, LogUnavailableError)}
        if refused:
            break
    assert refused, "the disk never filled"
    for error in refused.values():
        assert "No space left on device" in error.cause
        assert error.outcome == "none"
    durable = len(became) - len(refused)
    assert await log.head() == 2 + 2 * durable  # what was acknowledged, and nothing else

    (small_disk / "ballast").unlink()
    async with asyncio.timeout(10):
        became = await place(tuple(refused))  # the same ids, as the error said; at first it may still be recovering
        while any(isinstance(what, LogUnavailableError) for what in became.values()):
            await asyncio.sleep(0.1)
            became = await place(tuple(refused))
    assert len(engine.book.open) == durable + len(refused)
    assert engine.position == await log.head() == 2 + 2 * (durable + len(refused))
    await tasks.close()
    await log.close()
