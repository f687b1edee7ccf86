"""The core of the order management system: values, aggregates, the engine, the log and the strategies' door.

`oms.connect` and `oms.connect_sync` are the SDK (`oms.client`), loaded when first used: whoever runs the core alone
loads no HTTP client.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms.client import connect as connect
    from oms.client import connect_sync as connect_sync

_SDK = frozenset({"connect", "connect_sync"})


def __getattr__(name: str) -> object:
    if name in _SDK:
        from oms import client  # noqa: PLC0415  # see the module's docstring

        return getattr(client, name)
    raise AttributeError(f"module 'oms' has no attribute {name!r}")
