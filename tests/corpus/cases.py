"""The recorded payloads: evidence that is not ours to publish, so it stands beside the checkout, or is not there.

`tests/frames` holds payloads of our own, enough for every codec.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

CORPUS = Path(__file__).parents[3] / "shared" / "bitmart" / "corpus"


class Cases:
    """The cases of one market, by the names of their files."""

    def __init__(self, market: str) -> None:
        folder = CORPUS / market
        self.paths = {path.stem: path for path in sorted(folder.rglob("*.json"))}
        self.skipped = pytest.mark.skipif(
            not folder.is_dir(), reason=f"the corpus of recorded payloads is not at {folder}"
        )

    def __iter__(self) -> Any:
        return iter(self.paths)

    def case(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.paths[name].read_bytes())
        return found

    def body(self, name: str, part: str) -> bytes:
        """Return one part of a case exactly as it is spelled there: JSON numbers keep their digits."""
        return bytes(msgspec.json.decode(self.paths[name].read_bytes(), type=dict[str, msgspec.Raw])[part])

    def frames(self, name: str) -> list[bytes]:
        return [bytes(frame) for frame in msgspec.json.decode(self.body(name, "frames"), type=list[msgspec.Raw])]
