"""A large buy in equal slices over time, which any machine goes on with where this one left it.

    OMS_URL=http://127.0.0.1:8700 OMS_TOKEN=... python examples/twap.py SAGA SYMBOL SIDE QUANTITY PRICE SLICES SECONDS

Start it again with the same SAGA, here or elsewhere, after it died or while it runs: it finds the plan in the log.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from decimal import Decimal

import oms
from oms.runtime import SystemClock
from oms.sagas.host import ClientDesk, follow
from oms.sagas.twap import Plan
from oms.values import Side


async def main(arguments: Sequence[str]) -> int:
    saga, symbol, side, quantity, price, slices, seconds = arguments
    clock = SystemClock()
    async with oms.connect(os.environ["OMS_URL"], token=os.environ["OMS_TOKEN"]) as client:
        desk = ClientDesk(client)
        plan = await desk.find(saga)
        if plan is None:
            market = {each.symbol: each for each in await client.instruments()}.get(symbol)
            if market is None:
                print(f"twap: no market {symbol} is traded here; nothing was placed", file=sys.stderr)
                return 2
            plan = Plan(
                saga=saga,
                symbol=symbol,
                side=Side(side),
                quantity=Decimal(quantity),
                price=Decimal(price),
                step=market.quantity_step,
                most=market.quantity_max,
                slices=int(slices),
                every_seconds=int(seconds),
                begins_ns=clock.now_ns(),
            )
        if (wrong := plan.wrong()) is not None:
            print(f"twap: {wrong}", file=sys.stderr)
            return 2
        done = await follow(plan, desk, clock)
        print(f"twap {saga}: {done.filled} of {plan.quantity} {symbol}, {done.why or 'every slice had its turn'}")
        return 0 if done.why is None else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
