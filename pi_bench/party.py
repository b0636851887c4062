"""One party of a secure inference, on this host or another: server, client or dealer.

    python -m pi_bench party --role server --rendezvous tcp://0.0.0.0:5000 --model MODEL.onnx
    python -m pi_bench party --role dealer --rendezvous tcp://server:5000
    python -m pi_bench party --role client --rendezvous tcp://server:5000 --inputs images.npz --card card.json

The server alone reads the model, the client alone the images. The client measures, gets the logits and writes the card. The
benchmark starts parties of this host by the same command.
"""

import sys

from pi_bench.cli import command
from pi_bench.config.party import PartyConfig
from pi_bench.given import check_model, check_there
from pi_bench.parties.parent import Parent, inherited
from pi_bench.progress import say


def party(config: PartyConfig) -> None:
    """Runs the party until its work is done."""
    parent = None if config.parent_fd is None else Parent(config.parent_fd)  # first, for it ends this process with its own
    listener = None if config.listen_fd is None else inherited(config.listen_fd)
    if config.model is not None:
        check_model(config.model)
    check_there((config.inputs, config.labels, config.plain_logits, config.calibration))
    if parent is None:
        say(f"the {config.role}: getting ready, then meeting the others at {config.rendezvous}")

    from pi_bench.parties.roles import play

    play(config, parent, listener)


def main(arguments: list[str] | None = None) -> int:
    return command(party, PartyConfig, arguments)


if __name__ == "__main__":
    sys.exit(main())
