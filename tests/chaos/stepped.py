"""The OMS itself, its wall clock out by as much as a file says: `python -m tests.chaos.stepped FILE up ...`.

Only what stands behind the Clock port is another. The file holds nanoseconds, eight bytes, and may change at any time.
"""

import mmap
import sys
from pathlib import Path
from struct import Struct
from typing import Final

import oms.runtime
import oms.system
from oms.__main__ import main
from oms.runtime import SystemClock

OFFSET: Final = Struct("<q")


def set_offset(file: Path, seconds: float) -> None:
    """Step every clock that reads `file`."""
    with file.open("r+b") as opened:
        opened.write(OFFSET.pack(int(seconds * 1e9)))


def stepping(file: Path) -> type[SystemClock]:
    """Return a clock that is out by what `file` says."""
    with file.open("rb") as opened:
        offset = mmap.mmap(opened.fileno(), OFFSET.size, prot=mmap.PROT_READ)

    class Stepping(SystemClock):
        def now_ns(self) -> int:
            return super().now_ns() + int(OFFSET.unpack_from(offset)[0])

    return Stepping


if __name__ == "__main__":
    oms.system.SystemClock = oms.runtime.SystemClock = stepping(Path(sys.argv[1]))  # type: ignore[attr-defined, misc]  # both name it
    del sys.argv[1]
    main()
