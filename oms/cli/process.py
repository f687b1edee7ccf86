"""What a command that stays needs: signals, and a log that keeps out of its output."""

import asyncio
import logging
import logging.handlers
import signal
import sys
from pathlib import Path
from typing import Final

import structlog

from oms.runtime import Tasks

LOG_BYTES: Final = 8 << 20  # of one file; the oldest of LOG_FILES goes
LOG_FILES: Final = 5


def on_stop(act: asyncio.Event) -> None:
    """Set `act` on SIGTERM and Ctrl-C, from now on."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act.set)


async def until_stopped(tasks: Tasks) -> None:
    """Return on SIGTERM or Ctrl-C.

    Raises:
        TaskFailedError: a task failed first.
    """
    over = asyncio.Event()
    on_stop(over)
    tasks.failed.add_done_callback(lambda _: over.set())
    await over.wait()
    failure = tasks.failure()
    if failure is not None:
        raise failure


def log_to(folder: Path | None) -> None:
    """Write the log as JSON lines to a bounded file under `folder`, or to stderr where that is None."""
    if folder is None:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder / "oms.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
        )
    _configure(handler, logging.INFO)


def log_nothing() -> None:
    """Keep the log out of a command's output."""
    _configure(logging.NullHandler(), logging.CRITICAL)


def _configure(handler: logging.Handler, level: int) -> None:
    stamps: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=stamps,
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.configure(
        processors=[*stamps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
