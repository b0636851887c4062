"""The other end of a channel: a process that is the client, and does what the server, the test, tells it."""

import time
from pathlib import Path

import numpy as np

from pi_bench.wire.channel import Channel

HEADER_BYTES = 16
ROOT = Path(__file__).parents[3]

CLIENT = """
import sys
import numpy as np
from pi_bench.wire.address import parse
from pi_bench.wire.network import Network
from pi_bench.wire.rendezvous import connect

network = eval(sys.argv[2])
with connect("client", parse(sys.argv[1]), {}, network=network, needs_dealer=False) as links:
    server = links.channels["server"]
    while order := server.receive_object():
        do, words, times = order
        own = np.arange(words)
        other = np.zeros(words, np.int64)
        server.barrier()
        for _ in range(times):
            if do == "exchange":
                server.exchange([own], [other])
            elif do == "send":
                server.send([own])
            elif do == "receive":
                server.receive([other])
        if do == "report":
            traffic = server.snapshot()
            server.send_object([traffic.rounds, traffic.sent_bytes, traffic.received_bytes, *server.socket_bytes()])
        elif do == "echo":
            server.send_object(server.receive_object())
"""


class Peer:
    """The other process: `tell` has it do something, after a barrier, while this one does the same."""

    def __init__(self, channel: Channel):
        self.channel = channel

    def tell(self, do: str, words: int = 0, times: int = 1) -> None:
        self.channel.send_object([do, words, times])
        self.channel.barrier()

    def exchange_ms(self, words: int, times: int = 1) -> float:
        own, other = np.full(words, 7), np.zeros(words, np.int64)
        self.tell("exchange", words, times)
        start = time.perf_counter()
        for _ in range(times):
            self.channel.exchange([own], [other])
        elapsed_ms = (time.perf_counter() - start) * 1000
        assert (other == np.arange(words)).all()
        return elapsed_ms
