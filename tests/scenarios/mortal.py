"""Projects a log in processes that die: `python -m tests.scenarios.mortal URL`, then one number a line on stdin.

For each number a child follows the log at URL to its end and is killed, by SIGKILL, right before that exchange with the
database: BEGIN, the checkpoint, each table's rows, COMMIT. 0 lets it live. The exit status comes back as a line.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import psycopg
import structlog

from oms.runtime import SystemClock, Tasks
from oms.store.log import PostgresLog
from projections.runner import Runner

LIVE_ROWS = 10  # a page, so that a short log has several
CRITICAL = 50


class Mortal(psycopg.AsyncConnection[Any]):
    """Counts its exchanges with the server, over all connections of the process."""

    left = 0

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        Mortal.left -= 1
        if Mortal.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().wait(*args, **kwargs)


async def project(url: str) -> None:
    log = PostgresLog(url)
    await Runner(log, url, clock=SystemClock(), spawn=Tasks(), live_rows=LIVE_ROWS).run_to_end()
    await log.close()


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    psycopg.AsyncConnection = Mortal  # type: ignore[misc]  # what the projections connect with
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            Mortal.left = int(line)
            asyncio.run(project(sys.argv[1]))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
