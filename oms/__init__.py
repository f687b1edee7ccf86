"""The core of the order management system: values, aggregates, the engine, the log and the strategies' door.

The SDK (`oms.connect` and what it gives) is loaded from `oms.client`, or its sync twin, when first used: whoever runs
the core alone loads no HTTP client.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms.client import Client as Client
    from oms.client import ClientError as ClientError
    from oms.client import RefusedError as RefusedError
    from oms.client import UnreachableError as UnreachableError
    from oms.client import connect as connect
    from oms.client_sync import SyncClient as SyncClient
    from oms.client_sync import connect_sync as connect_sync
    from oms.gateway.views import Frame as Frame
    from oms.gateway.views import OrderAnswer as OrderAnswer

_SDK = frozenset(
    {
        "Client",
        "ClientError",
        "Frame",
        "OrderAnswer",
        "RefusedError",
        "UnreachableError",
        "connect",
    }
)
_SYNC = frozenset({"SyncClient", "connect_sync"})


def __getattr__(name: str) -> object:
    if name in _SDK:
        from oms import client  # noqa: PLC0415  # see the module's docstring

        return getattr(client, name)
    if name in _SYNC:
        from oms import client_sync  # noqa: PLC0415  # likewise

        return getattr(client_sync, name)
    raise AttributeError(f"module 'oms' has no attribute {name!r}")
