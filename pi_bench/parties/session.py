"""What the three parties do after they have found each other: one inference after the other, as the client asks.

client                            server                          dealer
1. {"do": "infer"} ->             the same order                  the same order
2. offline: takes its part        offline: takes its part         deals
3. barrier                        barrier
4. online: images in              online
5. logits; <- records             record ->                       record ->
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from pi_bench.parties.inference import Inference
from pi_bench.parties.stopwatch import Stopwatch
from pi_bench.protocols.dealer import Dealer
from pi_bench.protocols.party import Party, Prepared
from pi_bench.wire.channel import Channel
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import Network

INFER, END = "infer", "end"
Channels = dict[str, Channel]


class Computing:
    """A party that computes, and its channels to the others by role."""

    def __init__(self, party: Party, peer: str, channels: Channels):
        self.channels = channels
        self._party = party
        self._peer = peer

    def infer(self, images: torch.Tensor | None, note: bool) -> tuple[torch.Tensor | None, dict[str, Any]]:
        """One inference, and its record."""
        prepared, offline = self._prepare(note)
        self.channels[self._peer].barrier()
        stopwatch = Stopwatch({self._peer: self.channels[self._peer]})
        logits = self._party.infer(images, prepared, stopwatch.mark)
        notes = {} if prepared.notes is None else {"notes": prepared.notes.to_json()}
        return logits, {"offline": offline, "online": stopwatch.record(), **notes}

    def _prepare(self, note: bool) -> tuple[Prepared, dict[str, Any]]:
        start, stopwatch = time.perf_counter(), Stopwatch(self.channels)
        prepared = self._party.prepare(note, stopwatch.mark)
        seconds = time.perf_counter() - start
        return prepared, {**stopwatch.record(), "seconds": seconds, "held_bytes": prepared.held_bytes}


class Client:
    """Asks the others for inferences, and does its part of each."""

    def __init__(self, computing: Computing):
        self._computing = computing

    def infer(self, images: np.ndarray, network: Network, note: bool = False) -> Inference:
        """Images (B, C, H, W), float in [0, 1]; `network` is emulated between all parties for this inference.

        note: parties note what an auditor asks for.
        """
        others = self._computing.channels
        for channel in others.values():
            channel.send_object({"do": INFER, "network": asdict(network), "note": note})
            channel.emulate(network)
        logits, record = self._computing.infer(torch.from_numpy(images), note)
        records = {role: channel.receive_object() for role, channel in others.items()}
        return Inference(logits.numpy(), {"client": record, **records})

    def end(self) -> None:
        for channel in self._computing.channels.values():
            channel.send_object({"do": END})


def serve(computing: Computing, keep_notes: Callable[[Any], None]) -> None:
    """The server's part of inferences, until the client ends. What it notes goes to the auditor, not to the client."""
    client = computing.channels["client"]
    while order := _next_order(client):
        _emulate(order, computing.channels)
        _, record = computing.infer(None, order["note"])
        if order["note"]:
            keep_notes(record.pop("notes"))
        client.send_object(record)


def deal(dealer: Dealer, channels: Channels) -> None:
    """The dealer's part of inferences, until the client ends."""
    client = channels["client"]
    while order := _next_order(client):
        _emulate(order, channels)
        start, stopwatch = time.perf_counter(), Stopwatch(channels)
        dealer.deal(stopwatch.mark)
        client.send_object({"offline": {**stopwatch.record(), "seconds": time.perf_counter() - start}})


def _next_order(client: Channel) -> dict[str, Any] | None:
    """What the client asks for next, None at the end. Raises ProtocolError for anything else."""
    order = client.receive_object()
    if order == {"do": END}:
        return None
    if not isinstance(order, dict) or order.keys() != {"do", "network", "note"} or order["do"] != INFER:
        raise ProtocolError(f"the client asks for {str(order)[:200]}")
    return order


def _emulate(order: dict[str, Any], channels: Channels) -> None:
    for channel in channels.values():
        channel.emulate(Network(**order["network"]))
