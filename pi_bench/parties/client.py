"""The client's process: it alone reads the images, and gets the logits."""

import socket
from collections.abc import Sequence

import numpy as np

from pi_bench import inputs
from pi_bench.cli import command_line
from pi_bench.config.party import PartyConfig
from pi_bench.measure import Held
from pi_bench.parties.inference import Inference
from pi_bench.parties.meeting import Joined, join_as_client
from pi_bench.parties.others import meet_others
from pi_bench.parties.parent import Parent
from pi_bench.wire.network import Network


def ask(config: PartyConfig, parent: Parent | None, listener: socket.socket | None) -> None:
    """Reads the images, and measures, or does what the benchmark orders."""
    with meet_others(config, listener, config.digest) as links:
        joined = join_as_client(links, config.settings, config.digest, config.ahead_folder)
        try:
            images = inputs.load(config.inputs, config.labels, joined.architecture.input_shape).first(config.images)
            images.check_classes(joined.architecture.output.size, config.labels or config.inputs)
        except (ValueError, OSError):
            links.abort("it cannot use its images")  # and not why: that would tell of them
            raise
        subject = ImagesOfClient(joined, images.images, config.batch)
        if parent is None:
            _measure(subject, images, config, joined)
        else:
            _obey(subject, parent, joined)
        joined.client.end()


def _measure(subject: "ImagesOfClient", images: inputs.Images, config: PartyConfig, joined: Joined) -> None:
    from pi_bench.standalone import Measurement, measure_as_client  # tables and cards, which a benchmark's client does without

    measured = Measurement(
        config.chosen_network,
        config.warmups,
        config.repeats,
        config.ahead,
        config.plain_logits,
        config.card,
        command_line(),
    )
    measure_as_client(subject, images, measured, joined)


class ImagesOfClient:
    """The client as a subject of the benchmark."""

    def __init__(self, joined: Joined, images: np.ndarray, batch: int):
        self._client = joined.client
        self._images = images
        self.batch = batch

    def prepare(self, network: Network, note: bool = False) -> Held:
        return self._client.prepare(network, note)

    def infer(self, indices: Sequence[int], network: Network, note: bool = False) -> Inference:
        return self._client.infer(self._images[list(indices)], network, note)


def _obey(subject: ImagesOfClient, parent: Parent, joined: Joined) -> None:
    """Does what the benchmark orders until it orders the end."""
    bits = dict(joined.settings.site_bits)
    parent.send({"model": joined.model, "parties": joined.parties, "comparison_bits": bits})
    while (order := parent.receive()) is not None:
        network, note = Network(**order["network"]), order["note"]
        if order["indices"] is None:
            parent.send(subject.prepare(network, note))
        else:
            found = subject.infer(order["indices"], network, note)
            parent.send({"logits": found.logits.tolist(), "records": found.records})
