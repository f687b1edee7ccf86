"""Listens to all that is said while a world runs, for what nobody may hear (I18): key, secret, memo, and signatures.

What the OMS logs is taken before any level or renderer can drop it, with the texts of the errors that it logs; what
answers a strategy, and what a task dies of, is told to `overhear`. The log's events and evidence are read at rest.
"""

import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import structlog

from adapters.simulator.wire.keys import Credentials
from tests.simulation.invariants import Say
from tests.simulation.storage import Storage

SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
HEADER: Final = "X-BM-SIGN"


class Ear:
    """Knows the account's secrets, and every signature that was made with them. `lines` counts what it heard."""

    def __init__(self, keys: Credentials, say: Say) -> None:
        self.lines = 0
        self._words = {"key": keys.key, "secret": keys.secret, "memo": keys.memo}
        self._signatures: set[str] = set()
        self._answers: set[str] = set()
        self._say = say

    def signed(self, headers: Mapping[str, str]) -> None:
        """Take note of a request's signature."""
        signature = headers.get(HEADER)
        if signature is not None:
            self._signatures.add(signature)

    def sent(self, frame: str) -> None:
        """Take note of what logs a stream in."""
        if self._words["key"] in frame:
            self._signatures.update(SIGNATURE.findall(frame))

    def answered(self, text: str) -> None:
        """Look for a secret in an answer: once, however often it is given."""
        if text not in self._answers:
            self._answers.add(text)
            self.overhear("an answer", text)

    def overhear(self, where: str, text: str) -> None:
        """Look for a secret in what was said."""
        for what in self._secrets(text):
            self._say("I18", f"{where} holds the {what}: {text[:200]}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what is logged while the body runs."""
        before = structlog.get_config()
        handler = _Handler(self)
        structlog.configure(
            processors=[self._line], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False
        )
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            structlog.configure(**before)

    def stored(self, storage: Storage) -> Iterable[tuple[str, str]]:
        """Yield where a secret stands in the log, or in the evidence. Mostly nowhere: all of it is read in one go."""
        states = [stored.state for stored in storage.events]
        bodies = [message.body for message in storage._messages.values()]
        if not any(self._secrets(b" ".join((*states, *bodies)).decode(errors="replace"))):
            return
        for stored in storage.events:
            for what in self._secrets(stored.state.decode()):
                yield "I18", f"position {stored.position} holds the {what}"
        for name, message in storage._messages.items():
            for what in self._secrets(message.body.decode(errors="replace")):
                yield "I18", f"venue message {name} ({message.channel}) holds the {what}"

    def _line(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.lines += 1
        text = repr(event)
        if event.get("exc_info") or method == "exception":
            text += traceback.format_exc()
        self.overhear("a log line", text)
        raise structlog.DropEvent

    def _secrets(self, text: str) -> Iterator[str]:
        for what, word in self._words.items():
            if word in text:
                yield what
        if any(found in self._signatures for found in SIGNATURE.findall(text)):
            yield "signature"


class _Handler(logging.Handler):
    """What the libraries log, asyncio's own complaints among it."""

    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self._ear = ear

    def emit(self, record: logging.LogRecord) -> None:
        self._ear.overhear("a log record", self.format(record))
