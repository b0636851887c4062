"""What the three parties do after they have found each other: one inference after the other, as the client asks.

client                            server                          dealer
1. {"do": "infer"} ->             the same order                  the same order
2. offline: takes its share       offline: takes its share        deals
3. barrier                        barrier
4. online: images in              online
5. logits; <- record              record ->                       record ->
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from pi_bench.parties.inference import Inference
from pi_bench.parties.stopwatch import Stopwatch
from pi_bench.protocols.roles import Dealer, Party, noting_wraps
from pi_bench.wire.channel import Channel
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import Network

INFER, END = "infer", "end"


class Client:
    """Asks the others for inferences, and does its part of each."""

    def __init__(self, party: Party, server: Channel, dealer: Channel | None):
        self._party = party
        self._server = server
        self._others = {"server": server} | ({} if dealer is None else {"dealer": dealer})

    def infer(self, images: np.ndarray, network: Network, note_wraps: bool = False) -> Inference:
        """Images (B, C, H, W), float in [0, 1]; `network` is emulated between all parties for this inference."""
        for channel in self._others.values():
            channel.send_object({"do": INFER, "network": asdict(network), "note_wraps": note_wraps})
            channel.emulate(network)
        logits, record = _infer(self._party, self._server, torch.from_numpy(images), note_wraps)
        records = {role: channel.receive_object() for role, channel in self._others.items()}
        return Inference(logits.numpy(), {"client": record, **records})

    def end(self) -> None:
        for channel in self._others.values():
            channel.send_object({"do": END})


def serve(party: Party, client: Channel, dealer: Channel | None, keep_notes: Callable[[list], None]) -> None:
    """The server's part of inferences, until the client ends. What it notes of wraps goes to the auditor, not to the client."""
    while order := _next_order(client):
        _emulate(order, client, dealer)
        _, record = _infer(party, client, None, order["note_wraps"])
        if order["note_wraps"]:
            keep_notes(record.pop("notes"))
        client.send_object(record)


def deal(dealer: Dealer, server: Channel, client: Channel) -> None:
    """The dealer's part of inferences, until the client ends."""
    while order := _next_order(client):
        _emulate(order, server, client)
        before, start = (server.sent_bytes, client.sent_bytes), time.perf_counter()
        dealer.deal()
        client.send_object(
            {
                "seconds": time.perf_counter() - start,
                "server_bytes": server.sent_bytes - before[0],
                "client_bytes": client.sent_bytes - before[1],
            }
        )


def _next_order(client: Channel) -> dict[str, Any] | None:
    """What the client asks for next, None at the end. Raises ProtocolError for anything else."""
    order = client.receive_object()
    if order == {"do": END}:
        return None
    if not isinstance(order, dict) or order.keys() != {"do", "network", "note_wraps"} or order["do"] != INFER:
        raise ProtocolError(f"the client asks for {str(order)[:200]}")
    return order


def _emulate(order: dict[str, Any], *channels: Channel | None) -> None:
    for channel in channels:
        if channel is not None:
            channel.emulate(Network(**order["network"]))


def _infer(
    party: Party, peer: Channel, images: torch.Tensor | None, note_wraps: bool
) -> tuple[torch.Tensor | None, dict[str, Any]]:
    start = time.perf_counter()
    party.prepare()
    offline_s = time.perf_counter() - start
    peer.barrier()
    with noting_wraps() if note_wraps else nullcontext() as notes:
        stopwatch = Stopwatch(peer)
        logits = party.infer(images, stopwatch.mark)
    record = {"offline_s": offline_s, **stopwatch.record()}
    return logits, record if notes is None else {**record, "notes": notes.array().tolist()}
