"""Places orders from many processes at the same instant: `python -m tests.scenarios.crowd URL PROCESSES TOKEN...`.

Each line on stdin is a JSON list of orders. They go round among the processes, which are connected already and send
theirs as soon as the line is there; the tokens go round too. One line comes back: for each process a JSON list of what
became of its orders, a status or the code of a refusal.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any

import oms.client
from oms.client_sync import SyncClient
from oms.errors import OmsError


def place(client: SyncClient, order: dict[str, Any]) -> str:
    try:
        return client.place(**order).status.value
    except OmsError as error:
        return error.code


def send(url: str, token: str, share: slice, orders: int, answers: int) -> None:
    """Be one process: place the orders of its share of each line."""
    with SyncClient(oms.client.Client(url, token=token)) as client, os.fdopen(orders) as lines:
        with suppress(OmsError):
            client.order("nobody")  # refused, and connected
        os.write(answers, b"ready\n")
        for line in lines:
            done = [place(client, order) for order in json.loads(line)[share]]
            os.write(answers, json.dumps(done).encode() + b"\n")


def main() -> None:
    url, processes, tokens = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    pipes, answers = list[int](), list[Any]()
    for number in range(processes):
        (here, there), (back, forth) = os.pipe(), os.pipe()
        if os.fork() == 0:
            for pipe in pipes:
                os.close(pipe)
            os.close(there)
            send(url, tokens[number % len(tokens)], slice(number, None, processes), here, forth)
            os._exit(0)
        os.close(here)
        os.close(forth)
        pipes.append(there)
        answers.append(os.fdopen(back))
    for answer in answers:
        answer.readline()
    print("ready", flush=True)
    for line in sys.stdin:
        for pipe in pipes:
            os.write(pipe, line.encode())
        print(json.dumps([json.loads(answer.readline()) for answer in answers]), flush=True)
    for pipe in pipes:
        os.close(pipe)
    for _ in range(processes):
        os.wait()


if __name__ == "__main__":
    main()
