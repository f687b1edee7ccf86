"""A writer of an account, as tests need one."""

from oms.ports import EventLog
from oms.values import AccountId


async def seized(log: EventLog, account: AccountId, taker: str = "somebody") -> int:
    """Take `account` over from whoever has it; return the new epoch."""
    return await log.take_over(account, after=await log.epoch(account), taker=taker)
