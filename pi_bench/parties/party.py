"""One party of a secure inference, on this host or another: server, client or dealer.

    python -m pi_bench party --role server --rendezvous tcp://0.0.0.0:5000 --model MODEL.onnx --network real
    python -m pi_bench party --role dealer --rendezvous tcp://server:5000 --network real
    python -m pi_bench party --role client --rendezvous tcp://server:5000 --network real --inputs images.npz --card card.json

The server alone reads the model, the client alone the images. The client measures, gets the logits and writes the card.
"""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pi_bench.model.operations import Architecture, Model
from pi_bench.parties.machine import compared_versions, hardware, versions
from pi_bench.parties.session import Client, deal, serve
from pi_bench.parties.terms import Terms
from pi_bench.protocols import PROTOCOLS
from pi_bench.protocols.roles import Dealer, Party, Settings
from pi_bench.wire.address import parse
from pi_bench.wire.channel import Channel
from pi_bench.wire.hello import Refused
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import Network
from pi_bench.wire.rendezvous import Links, connect

SERVER, CLIENT, DEALER = "server", "client", "dealer"


@dataclass(frozen=True)
class Meeting:
    """How this party finds the others."""

    rendezvous: str
    network: Network
    digest: str | None = None
    listener: socket.socket | None = None
    timeout_s: float = 30.0


def meet(role: str, terms: Terms, meeting: Meeting) -> Links:
    """Connects to the other parties, which have to agree with this one on all terms and versions."""
    hello = {**asdict(terms), "versions": compared_versions(), "digest": meeting.digest}
    listeners = {"listener": meeting.listener if role == SERVER else None}
    if role == DEALER:
        listeners["dealer_listener"] = meeting.listener
    return connect(
        role,
        parse(meeting.rendezvous),
        hello,
        network=meeting.network,
        dealer_network=meeting.network,
        timeout_s=meeting.timeout_s,
        needs_dealer=terms.needs_dealer,
        **listeners,
    )


def run_server(links: Links, terms: Terms, model: Model, facts: dict[str, Any], keep_notes: Callable[[list], None]) -> None:
    """Serves inferences until the client ends. facts: of the model, for the card. keep_notes: takes notes of wraps."""
    for role, channel in links.channels.items():
        channel.send_object({"architecture": model.architecture.to_json(), "model": facts if role == CLIENT else None})
    client, dealer = links.channels[CLIENT], links.channels.get(DEALER)
    start = time.perf_counter()
    party = _party(model.architecture, model, terms, client, dealer)
    client.send_object(_about_this_party(start, client.sent_bytes))
    serve(party, client, dealer, keep_notes)


def run_dealer(links: Links, terms: Terms) -> None:
    """Deals until the client ends."""
    server, client = links.channels[SERVER], links.channels[CLIENT]
    architecture, _ = _told(links)
    start = time.perf_counter()
    settings = Settings(PROTOCOLS[terms.protocol], terms.precision_bits, terms.batch)
    dealer = Dealer(architecture, settings, server, client)
    client.send_object(_about_this_party(start, server.sent_bytes + client.sent_bytes))
    deal(dealer, server, client)


@dataclass(frozen=True)
class Joined:
    """The client's side after the set-up: who infers, on what network, and what the others have said of themselves."""

    client: Client
    architecture: Architecture
    model: dict[str, Any]
    parties: dict[str, dict[str, Any]]


def join_as_client(links: Links, terms: Terms, digest: str | None) -> Joined:
    """The client's set-up. Raises Refused for another architecture than the digest's."""
    server, dealer = links.channels[SERVER], links.channels.get(DEALER)
    architecture, model = _told(links)
    if digest is not None and architecture.digest != digest:
        raise Refused(f"the server's architecture is {architecture.digest}, this party wants {digest}")
    start = time.perf_counter()
    party = _party(architecture, None, terms, server, dealer)
    parties = {CLIENT: _about_this_party(start, server.sent_bytes), SERVER: server.receive_object()}
    if dealer is not None:
        parties[DEALER] = dealer.receive_object()
    return Joined(Client(party, server, dealer), architecture, model, parties)


def _told(links: Links) -> tuple[Architecture, dict[str, Any]]:
    """The architecture and, for the client, facts of the model. Raises ProtocolError where the server sends something else."""
    told = links.channels[SERVER].receive_object()
    try:
        architecture, model = Architecture.from_json(told["architecture"]), told["model"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"what the server sends is no architecture: {error!r}") from error
    if architecture.digest != links.hellos[SERVER]["digest"]:
        raise ProtocolError("the server sends another architecture than the one it announced")
    return architecture, model


def _party(architecture: Architecture, model: Model | None, terms: Terms, peer: Channel, dealer: Channel | None) -> Any:
    settings = Settings(PROTOCOLS[terms.protocol], terms.precision_bits, terms.batch)
    return Party(architecture, None if model is None else model.weights, settings, peer, dealer)


def _about_this_party(start: float, sent_bytes: int) -> dict[str, Any]:
    return {
        "setup_s": time.perf_counter() - start,
        "setup_bytes": sent_bytes,
        "hardware": hardware(),
        "versions": versions(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
