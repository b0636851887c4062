"""What a process does as server, client or dealer; each loads what its own role needs, for three processes start at once."""

import socket

import torch

from pi_bench.config.party import PartyConfig
from pi_bench.parties.meeting import run_dealer
from pi_bench.parties.others import meet_others
from pi_bench.parties.parent import Parent


def play(config: PartyConfig, parent: Parent | None, listener: socket.socket | None) -> None:
    """Does the role's work. parent: who started this process, if a program did; listener: a socket that it has opened."""
    torch.set_num_threads(config.threads)
    match config.role:
        case "server":
            from pi_bench.parties.server import serve_model

            serve_model(config, parent, listener)
        case "client":
            from pi_bench.parties.client import ask

            ask(config, parent, listener)
        case "dealer":
            with meet_others(config, listener, config.digest) as links:
                run_dealer(links, config.settings)
