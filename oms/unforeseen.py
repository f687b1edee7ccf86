"""What becomes of a message that our own mistake keeps from being judged; by then memory is as if it had never come.

A command is answered: nothing of it was recorded, and its caller may decide anew. What the venue said can be answered
to nobody, and a book that lacks it is no ground to decide on: so it ends the process, in order, and the venue tells it
again whoever begins, a program that is mended by then. Keeping its bytes and going on, as with what cannot be read,
would leave out a whole answer for one row in it, at each look anew.
"""

from typing import NoReturn

import structlog

from oms.decide import Said
from oms.errors import UnforeseenError
from oms.ports import Spawn
from oms.values import AccountId

log = structlog.get_logger()


def unforeseen(said: Said, error: Exception, account: AccountId, spawn: Spawn) -> UnforeseenError:
    """Return the answer to a message that `error` kept from being judged, and see to what follows from it."""
    message, name = said.message, type(error).__name__
    if isinstance(message, tuple):
        what = ", ".join(f"{type(report).__name__} on {stream}" for stream, report in message[:5])
    else:
        what = type(message).__name__
    log.error("a message cannot be judged", account=account, message=what, cause=said.cause, exc_info=error)
    told = UnforeseenError(f"something broke here over {what} ({name}), and was logged")
    told.__cause__ = error
    if isinstance(message, tuple):
        spawn(_end(told), name=f"engine {account}")  # whether or not somebody waits for the answer
    return told


async def _end(told: UnforeseenError) -> NoReturn:
    raise told
