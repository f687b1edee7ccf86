"""The twin in memory misbehaves on demand, and as the real log would."""

import asyncio
from collections.abc import Iterable

import pytest

from oms.errors import LogUnavailableError
from oms.ports import AlreadyThere, Batch, Committed, NewEvent, NotCommitted, Unknown
from oms.store.memory import Fault, MemoryLog, Trouble
from oms.store.seals import verify
from oms.values import AccountId
from tests.store.writers import seized

ACCOUNT = AccountId("main")


class Script:
    """Faults in turn; nothing once they are used up."""

    def __init__(self, *faults: Fault, reads: Iterable[bool] = ()) -> None:
        self._faults, self._reads = iter(faults), iter(reads)

    def append(self, batch: Batch) -> Fault:
        return next(self._faults, Fault())

    def read(self) -> bool:
        return next(self._reads, False)


def batch(*versions: int) -> Batch:
    return Batch(ACCOUNT, 1, [NewEvent("s", version, "t/1", b"{}") for version in versions])


@pytest.mark.parametrize(
    ("trouble", "outcome", "landed"),
    [
        (Trouble.NONE, Committed, 1),
        (Trouble.REFUSED, NotCommitted, 0),
        (Trouble.ANSWER_LOST, AlreadyThere, 1),
        (Trouble.REQUEST_LOST, NotCommitted, 0),
        (Trouble.SILENT_DONE, Unknown, 1),
        (Trouble.SILENT_LOST, Unknown, 0),
    ],
)
async def test_each_trouble_answers_and_lands_as_its_name_says(trouble: Trouble, outcome: type, landed: int) -> None:
    log = MemoryLog(Script(Fault(trouble)))
    await seized(log, ACCOUNT)
    assert isinstance(await log.append(batch(1)), outcome)
    assert await log.head() == landed
    again = await log.append(batch(1))
    assert again == (AlreadyThere(1, 1) if landed else Committed(1, 1))
    assert verify(log.sealed()) is None


@pytest.mark.parametrize(("fault", "landed"), [(Fault(seconds_before=60), 0), (Fault(seconds_after=60), 1)])
async def test_a_crash_during_an_append_leaves_it_done_or_not_done(fault: Fault, landed: int) -> None:
    log = MemoryLog(Script(fault))
    await seized(log, ACCOUNT)
    appending = asyncio.get_running_loop().create_task(log.append(batch(1, 2)))
    await asyncio.sleep(0.01)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert await log.head() == 2 * landed


async def test_a_read_fails_when_told_to() -> None:
    log = MemoryLog(Script(reads=[True, False]))
    with pytest.raises(LogUnavailableError):
        await log.head()
    assert await log.head() == 0
