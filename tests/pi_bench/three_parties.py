"""Runs a network between three real processes that talk over real sockets, without the command line around it."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np
import torch

from pi_bench.cost import OFFLINE_WAYS, Cost
from pi_bench.model.operations import Model
from pi_bench.parties.meeting import Meeting, join_as_client, meet, run_dealer, run_server
from pi_bench.protocols.settings import Settings
from pi_bench.wire.address import listen, write
from pi_bench.wire.channel import Channel
from pi_bench.wire.network import LOOPBACK, Network

from .forked import CONTEXT


@dataclass
class Outcome:
    """logits: of each inference; records: of each, by role; wire: all that each party sent, by (role, peer), if asked for;
    kernel: by role, what the kernel counted of the connection to the other party beside what the channel did."""

    logits: list[np.ndarray] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    wire: dict[tuple[str, str], bytes] = field(default_factory=dict)
    kernel: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def check_costs(self, expected: Mapping[str, Cost]) -> None:
        """What was sent, offline and online and in every direction, is what the formulas say, layer by layer."""
        for records in self.records:
            for role, peer in (("server", "client"), ("client", "server")):
                online = records[role]["online"]
                assert online["layers"] == list(expected)
                assert online["rounds"] == [cost.rounds for cost in expected.values()]
                assert online["sent_bytes"][peer] == [getattr(cost, f"{role}_bytes") for cost in expected.values()]
            for way in OFFLINE_WAYS:
                sender, _, receiver = way.partition("_to_")
                sent = records[sender]["offline"]["sent_bytes"][receiver]
                assert sent == [cost.offline[way] for cost in expected.values()], way


def infer(
    model: Model,
    images: np.ndarray,
    settings: Settings = Settings(),  # noqa: B008, it is frozen
    inferences: int = 1,
    network: Network = LOOPBACK,
    note: bool = False,
    tap: bool = False,
) -> Outcome:
    """The images (B, C, H, W), several times over."""
    listener = listen(("127.0.0.1", 0))
    meeting = Meeting(write(listener.getsockname()), LOOPBACK, None, None, 60.0)
    roles = ("server", "client", "dealer") if settings.needs_dealer else ("server", "client")
    counting = CONTEXT.Barrier(2, timeout=60.0)  # neither sends before the other has begun to count
    pipes, processes = {}, []
    for role in roles:
        pipes[role], theirs = CONTEXT.Pipe()
        own = {
            "server": (counting, model, listener),
            "client": (counting, images, inferences, network, note),
            "dealer": (),
        }[role]
        processes.append(CONTEXT.Process(target=_run, args=(role, settings, meeting, theirs, tap, own)))
        processes[-1].start()
        theirs.close()
    listener.close()
    outcome, failures = Outcome(), []
    for role, pipe in pipes.items():
        kind, content = pipe.recv()
        if kind == "failed":
            failures.append(content)
            continue
        outcome.kernel[role] = content["kernel"]
        outcome.wire.update(content["wire"])
        if role == "client":
            outcome.logits = [inference.logits for inference in content["inferences"]]
            outcome.records = [inference.records for inference in content["inferences"]]
        if role == "server" and note:
            notes = content["notes"]
    for process in processes:
        process.join()
    assert not failures, "\n".join(failures)
    if note:
        for records, noted in zip(outcome.records, notes, strict=True):
            records["server"]["notes"] = noted
    return outcome


def _run(role: str, settings: Settings, meeting: Meeting, pipe: Connection, tap: bool, own: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    wire: dict[tuple[str, str], bytearray] = {}
    if tap:
        _tap(role, wire)
    try:
        content = {"server": _server, "client": _client, "dealer": _dealer}[role](settings, meeting, *own)
        pipe.send(("done", {**content, "wire": {key: bytes(value) for key, value in wire.items()}}))
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))


def _server(settings: Settings, meeting: Meeting, counting: Barrier, model: Model, listener: Any) -> dict[str, Any]:
    notes: list[Any] = []
    with meet(
        "server", settings, Meeting(meeting.rendezvous, meeting.network, model.architecture.digest, listener, 60.0)
    ) as links:
        before = _kernel(links.channels["client"])
        counting.wait()
        run_server(links, settings, model, {}, notes.append)
        return {"kernel": _grown(before, links.channels["client"]), "notes": notes}


def _dealer(settings: Settings, meeting: Meeting) -> dict[str, Any]:
    with meet("dealer", settings, meeting) as links:
        run_dealer(links, settings)
    return {"kernel": None}


def _client(
    settings: Settings,
    meeting: Meeting,
    counting: Barrier,
    images: np.ndarray,
    inferences: int,
    network: Network,
    note: bool,
) -> dict[str, Any]:
    with meet("client", settings, meeting) as links:
        before = _kernel(links.channels["server"])
        counting.wait()
        joined = join_as_client(links, settings, None)
        found = [joined.client.infer(images, network, note) for _ in range(inferences)]
        joined.client.end()
        return {"inferences": found, "kernel": _grown(before, links.channels["server"])}


def _kernel(channel: Channel) -> tuple[tuple[int, int], tuple[int, int]]:
    return channel.socket_bytes(), (channel.sent_bytes, channel.received_bytes)


def _grown(before: tuple[tuple[int, int], tuple[int, int]], channel: Channel) -> tuple[Any, Any]:
    """What the kernel and what the channel counted since, as (sent, received)."""
    return tuple(
        tuple(now - then for now, then in zip(*pair, strict=True)) for pair in zip(_kernel(channel), before, strict=True)
    )


def _tap(role: str, wire: dict[tuple[str, str], bytearray]) -> None:
    """Keeps a copy of every word that this process sends over a channel."""

    def keeping(method: Callable[..., None]) -> Callable[..., None]:
        def kept(channel: Channel, outgoing: Any, *others: Any) -> None:
            for tensor in outgoing:
                wire.setdefault((role, channel.peer), bytearray()).extend(np.asarray(tensor).tobytes())
            method(channel, outgoing, *others)

        return kept

    Channel.send, Channel.exchange = keeping(Channel.send), keeping(Channel.exchange)
