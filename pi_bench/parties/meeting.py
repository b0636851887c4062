"""How server, client and dealer meet, agree, and set up what they need once for a model."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_bench.model.operations import Architecture, Model
from pi_bench.parties.machine import compared_versions, hardware, versions
from pi_bench.parties.session import Client, Computing, deal, serve
from pi_bench.protocols.dealer import Dealer
from pi_bench.protocols.party import Party
from pi_bench.protocols.settings import Settings
from pi_bench.wire.address import parse
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


def meet(role: str, settings: Settings, meeting: Meeting) -> Links:
    """Connects to the other parties, which have to agree with this one on all settings and versions."""
    hello = {**settings.flags, "versions": compared_versions(), "digest": meeting.digest}
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
        needs_dealer=settings.needs_dealer,
        **listeners,
    )


def run_server(
    links: Links,
    settings: Settings,
    model: Model,
    facts: dict[str, Any],
    keep_notes: Callable[[Any], None],
    folder: Path | None = None,
) -> None:
    """Serves inferences until the client ends. facts: of the model, for the card. keep_notes: takes notes for an auditor.
    folder: where what is dealt is kept; None for memory."""
    for role, channel in links.channels.items():
        told = {"architecture": model.architecture.to_json(), "comparison_bits": dict(settings.site_bits)}
        channel.send_object({**told, "model": facts if role == CLIENT else None})
    client, start = links.channels[CLIENT], time.perf_counter()
    party = Party(model.architecture, model, settings, client, links.channels.get(DEALER), folder)
    client.send_object(_about_this_party(start, links))
    serve(Computing(party, CLIENT, links.channels), keep_notes)


def run_dealer(links: Links, settings: Settings) -> None:
    """Deals until the client ends."""
    architecture, settings, _ = _told(links, settings)
    start = time.perf_counter()
    dealer = Dealer(architecture, settings, links.channels[SERVER], links.channels[CLIENT])
    links.channels[CLIENT].send_object(_about_this_party(start, links))
    deal(dealer, links.channels)


@dataclass(frozen=True)
class Joined:
    """The client's side after the set-up: who infers, on what network, what the server has chosen, and what the others have
    said of themselves."""

    client: Client
    architecture: Architecture
    settings: Settings
    model: dict[str, Any]
    parties: dict[str, dict[str, Any]]


def join_as_client(links: Links, settings: Settings, digest: str | None, folder: Path | None = None) -> Joined:
    """The client's set-up. Raises Refused for another architecture than the digest's."""
    architecture, settings, model = _told(links, settings)
    if digest is not None and architecture.digest != digest:
        raise Refused(f"the server's architecture is {architecture.digest}, this party wants {digest}")
    start = time.perf_counter()
    party = Party(architecture, None, settings, links.channels[SERVER], links.channels.get(DEALER), folder)
    parties = {CLIENT: _about_this_party(start, links)}
    parties |= {role: channel.receive_object() for role, channel in links.channels.items()}
    return Joined(Client(Computing(party, SERVER, links.channels)), architecture, settings, model, parties)


def _told(links: Links, settings: Settings) -> tuple[Architecture, Settings, dict[str, Any]]:
    """The architecture, the settings with what the server has chosen and, for the client, facts of the model.

    Raises ProtocolError where the server sends something else.
    """
    told = links.channels[SERVER].receive_object()
    try:
        architecture, model = Architecture.from_json(told["architecture"]), told["model"]
        settings = settings.with_site_bits(told["comparison_bits"], (relu.name for relu in architecture.relus))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"what the server sends is no architecture: {error!r}") from error
    if architecture.digest != links.hellos[SERVER]["digest"]:
        raise ProtocolError("the server sends another architecture than the one it announced")
    return architecture, settings, model


def _about_this_party(start: float, links: Links) -> dict[str, Any]:
    return {
        "setup_s": time.perf_counter() - start,
        "setup_bytes": sum(channel.sent_bytes for channel in links.channels.values()),
        "hardware": hardware(),
        "versions": versions(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
