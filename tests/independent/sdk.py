"""What the tests of the official SDK share: its answers, its refusals, its stream client in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def data(answer: Any) -> Any:
    """Return the payload of an SDK answer, which is the body and the rate-limit headers."""
    body, limits = answer
    assert body["code"] == 1000
    assert set(limits) == {"Remaining", "Limit", "Reset", "Mode"}
    return body["data"]


def code(refusal: Any) -> int:
    """Return the venue's code, out of the text that the SDK keeps of a refusal."""
    found: int = json.loads(refusal.response)["code"]
    return found


class Listener:
    """The SDK's stream client, in its process (`sdk_stream.py` says its arguments)."""

    def __init__(self, *arguments: str) -> None:
        script = Path(__file__).with_name("sdk_stream.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first message from now on that is wanted; pytest's own timeout is the bound."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if wanted(message):
                return message
        raise AssertionError("the stream ended")

    def close(self) -> None:
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
