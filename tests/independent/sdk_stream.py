"""Listens with the official SDK's own stream client and prints each message as a line of JSON.

A process of its own, because the SDK's ping timer starts itself anew for ever and would keep a test's process alive.
Arguments: market (spot or futures), address, topics with commas between them; for a private stream key, secret, memo.
"""

import json
import sys
import time

from bitmart.websocket.futures_socket_client import FuturesSocketClient
from bitmart.websocket.spot_socket_client import SpotSocketClient

LOGIN_SECONDS = 1
CLIENTS = {"spot": SpotSocketClient, "futures": FuturesSocketClient}


def show(message: object) -> None:
    print(json.dumps(message), flush=True)


def main(market: str, address: str, topics: str, *credentials: str) -> None:
    keys = dict(zip(("api_key", "api_secret_key", "api_memo"), credentials, strict=False))
    client = CLIENTS[market](address, on_message=show, ping_interval=3, **keys)
    if credentials:
        client.login(timeout=LOGIN_SECONDS)
    client.subscribe(topics.split(","))
    time.sleep(60)  # noqa: TID251 - until the test ends this process


if __name__ == "__main__":
    main(*sys.argv[1:])
