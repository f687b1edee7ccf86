"""Listens with the official SDK's own stream client and prints each message as a line of JSON.

A process of its own, because the SDK's ping timer starts itself anew for ever and would keep a test's process alive.
Arguments: address, topics with commas between them, and for a private stream key, secret and memo.
"""

import json
import sys
import time

from bitmart.websocket.spot_socket_client import SpotSocketClient

LOGIN_SECONDS = 1


def show(message: object) -> None:
    print(json.dumps(message), flush=True)


def main(address: str, topics: str, *credentials: str) -> None:
    keys = dict(zip(("api_key", "api_secret_key", "api_memo"), credentials, strict=False))
    client = SpotSocketClient(address, on_message=show, ping_interval=3, **keys)
    if credentials:
        client.login(timeout=LOGIN_SECONDS)
    client.subscribe(topics.split(","))
    time.sleep(60)  # noqa: TID251 - until the test ends this process


if __name__ == "__main__":
    main(*sys.argv[1:])
