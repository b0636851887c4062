"""The other parties of an inference, found as a party's settings say."""

import socket

from pi_bench.config.party import PartyConfig
from pi_bench.parties.meeting import Meeting, meet
from pi_bench.wire.rendezvous import Links


def meet_others(config: PartyConfig, listener: socket.socket | None, digest: str | None) -> Links:
    """The links to them. listener: a socket that is open already. digest: the architecture that this party wants."""
    meeting = Meeting(config.rendezvous, config.chosen_network, digest, listener, config.timeout_s)
    return meet(config.role, config.settings, meeting)
