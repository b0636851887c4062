"""What the three parties do after they have found each other: one inference after the other, as the client asks.

client                            server                          dealer
1. {"do": "infer"} ->             the same order                  the same order
2. offline: takes its part        offline: takes its part         deals            unless one is prepared already
3. barrier                        barrier
4. online: images in              online
5. logits; <- records             record ->                       record ->

With {"do": "prepare"} step 2 alone is done, and what it gives is kept for a later inference; each is used once.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from pi_bench.parties.inference import Inference
from pi_bench.parties.machine import peak_bytes
from pi_bench.parties.stopwatch import Stopwatch
from pi_bench.protocols.dealer import Dealer
from pi_bench.protocols.party import Party, Prepared
from pi_bench.wire.channel import Channel
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import Network

PREPARE, INFER, END = "prepare", "infer", "end"
Channels = Mapping[str, Channel]


class Computing:
    """A party that computes, its channels to the others by role, and what it has prepared."""

    def __init__(self, party: Party, peer: str, channels: Channels):
        self.channels = channels
        self._party = party
        self._peer = peer
        self._ready: deque[tuple[Prepared, dict[str, Any]]] = deque()

    def prepare(self, note: bool) -> None:
        """The offline phase of one inference more."""
        start, stopwatch = time.perf_counter(), Stopwatch(self.channels)
        prepared = self._party.prepare(note, stopwatch.mark)
        held = {"seconds": time.perf_counter() - start, **prepared.held, "peak_bytes": peak_bytes()}
        self._ready.append((prepared, {**stopwatch.record(), **held}))

    def held(self) -> dict[str, int]:
        """How many inferences are prepared, and what they hold."""
        found = [prepared.held for prepared, _ in self._ready]
        return {"inferences": len(found), **{key: sum(each[key] for each in found) for key in ("memory_bytes", "disk_bytes")}}

    def infer(self, images: torch.Tensor | None, note: bool) -> tuple[torch.Tensor | None, dict[str, Any]]:
        """One inference, and its record."""
        if not self._ready:
            self.prepare(note)
        prepared, offline = self._ready.popleft()
        if (prepared.notes is None) == note:
            raise ProtocolError("what an auditor asks for differs from what this inference was prepared for")
        self.channels[self._peer].barrier()
        stopwatch = Stopwatch({self._peer: self.channels[self._peer]})
        logits = self._party.infer(images, prepared, stopwatch.mark)
        notes = {} if prepared.notes is None else {"notes": prepared.notes.to_json()}
        return logits, {"offline": offline, "online": stopwatch.record(), **notes}


class Client:
    """Asks the others for inferences, and does its part of each."""

    def __init__(self, computing: Computing):
        self._computing = computing

    def prepare(self, network: Network, note: bool = False) -> dict[str, dict[str, int]]:
        """Prepares one inference more; returns by role how many are prepared now, and the bytes they hold."""
        self._order(PREPARE, network, note)
        self._computing.prepare(note)
        held = {role: channel.receive_object() for role, channel in self._computing.channels.items()}
        return {"client": self._computing.held(), "server": held["server"]}

    def infer(self, images: np.ndarray, network: Network, note: bool = False) -> Inference:
        """Images (B, C, H, W), float in [0, 1]; `network` is emulated between all parties for this inference.

        note: parties note what an auditor asks for.
        """
        self._order(INFER, network, note)
        logits, record = self._computing.infer(torch.from_numpy(images), note)
        records = {role: channel.receive_object() for role, channel in self._computing.channels.items()}
        return Inference(logits.numpy(), {"client": record, **records})

    def end(self) -> None:
        for channel in self._computing.channels.values():
            channel.send_object({"do": END})

    def _order(self, what: str, network: Network, note: bool) -> None:
        for channel in self._computing.channels.values():
            channel.send_object({"do": what, "network": asdict(network), "note": note})
            channel.emulate(network)


def serve(computing: Computing, keep_notes: Callable[[Any], None]) -> None:
    """The server's part of inferences, until the client ends. What it notes goes to the auditor, not to the client."""
    client = computing.channels["client"]
    while order := _next_order(client, computing.channels):
        if order["do"] == PREPARE:
            computing.prepare(order["note"])
            client.send_object(computing.held())
            continue
        _, record = computing.infer(None, order["note"])
        if "notes" in record:
            keep_notes(record.pop("notes"))
        client.send_object(record)


def deal(dealer: Dealer, channels: Channels) -> None:
    """The dealer's part of inferences, until the client ends."""
    client, ready = channels["client"], deque()
    while order := _next_order(client, channels):
        if order["do"] == PREPARE or not ready:
            start, stopwatch = time.perf_counter(), Stopwatch(channels)
            dealer.deal(stopwatch.mark)
            seconds = time.perf_counter() - start
            ready.append({"offline": {**stopwatch.record(), "seconds": seconds, "peak_bytes": peak_bytes()}})
        client.send_object({"inferences": len(ready)} if order["do"] == PREPARE else ready.popleft())


def _next_order(client: Channel, channels: Channels) -> dict[str, Any] | None:
    """What the client asks for next, on the network that it names; None at the end. Raises ProtocolError for anything else."""
    order = client.receive_object()
    if order == {"do": END}:
        return None
    if not isinstance(order, dict) or order.keys() != {"do", "network", "note"} or order["do"] not in (PREPARE, INFER):
        raise ProtocolError(f"the client asks for {str(order)[:200]}")
    for channel in channels.values():
        channel.emulate(Network(**order["network"]))
    return order
