"""What server and client have of each value in one trip is noise, and what was dealt for a value hides no other one.

The parties are threads of this process, so that the tests can look into them.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from pi_bench.model import plain
from pi_bench.model.operations import AveragePool, Concat, Conv, ReLU, Reshape
from pi_bench.protocols.dealer import Dealer
from pi_bench.protocols.dealing.products import MaskedProduct
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.layer import Layer
from pi_bench.protocols.party import Party, Prepared
from pi_bench.protocols.room import Room
from pi_bench.wire.address import listen
from pi_bench.wire.channel import Channel
from pi_bench.wire.rendezvous import connect

from .noise import fair, ones
from .secret_network import ARCHITECTURE, IMAGES, LAYERS, MAP, MODEL, SETTINGS

INFERENCES = 8


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each returns, all at the same time, each in a thread of its own, which does not outlive the tests."""

    def do(call: Callable[[], Any], result: Future[Any]) -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    results = [Future() for _ in calls]
    for pair in zip(calls, results, strict=True):
        threading.Thread(target=do, args=pair, daemon=True).start()
    return [result.result(timeout=120) for result in results]


@dataclass
class Parties:
    """Server, client and dealer in this process. channels: from the server to the client, and back."""

    server: Party
    client: Party
    dealer: Dealer
    channels: tuple[Channel, Channel]

    def prepare(self) -> tuple[Prepared, Prepared]:
        server, client, _ = together(self.server.prepare, self.client.prepare, self.dealer.deal)
        return server, client

    def infer(self, image: np.ndarray, server: Prepared, client: Prepared) -> np.ndarray:
        images = torch.from_numpy(image)
        _, logits = together(lambda: self.server.infer(None, server), lambda: self.client.infer(images, client))
        return logits.numpy()


@pytest.fixture
def start() -> Iterator[Callable[[], Parties]]:
    """Sets up three parties."""
    started = []

    def start() -> Parties:
        listener = listen(("127.0.0.1", 0))
        address = listener.getsockname()
        server, client, dealer = links = together(
            lambda: connect("server", address, {}, listener=listener),
            lambda: connect("client", address, {}),
            lambda: connect("dealer", address, {}),
        )
        started.extend(links)
        made = together(
            lambda: Party(ARCHITECTURE, MODEL, SETTINGS, server.channels["client"], server.channels["dealer"]),
            lambda: Party(ARCHITECTURE, None, SETTINGS, client.channels["server"], client.channels["dealer"]),
            lambda: Dealer(ARCHITECTURE, SETTINGS, dealer.channels["server"], dealer.channels["client"]),
        )
        return Parties(*made, (server.channels["client"], client.channels["server"]))

    yield start
    together(*(links.close for links in started))


def test_what_was_dealt_is_used_once(start: Callable[[], Parties]) -> None:
    """A second inference with it is refused at both parties before anything is sent; with the next one it goes on."""
    parties, bright = start(), IMAGES["bright"]
    used, fresh = parties.prepare(), parties.prepare()
    right = plain.logits(MODEL, bright)
    np.testing.assert_allclose(parties.infer(bright, *used), right, atol=2e-3)
    before = [channel.snapshot().sent_bytes for channel in parties.channels]
    for party, images, prepared in ((parties.server, None, used[0]), (parties.client, torch.from_numpy(bright), used[1])):
        with pytest.raises(RuntimeError, match="dealt for 'input' has been used; it would not hide another value"):
            party.infer(images, prepared)
    assert [channel.snapshot().sent_bytes for channel in parties.channels] == before
    np.testing.assert_allclose(parties.infer(bright, *fresh), right, atol=2e-3)


def held_by_server(parties: Parties, image: np.ndarray) -> list[np.ndarray]:
    """What the server has of each value in several inferences (INFERENCES, N), as whole words: its share, what it multiplies.

    Without what it has truncated by itself, or divided: there the first bits of a word are equal.
    """
    seen: list[list[np.ndarray]] = []

    def note_outputs(online: Callable[..., Any], layer: Layer) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            outputs = online(*arguments)
            for operation, share in zip(layer.operations, outputs, strict=True):
                words = share.words.numpy()
                seen[-1].append(words[:, operation.mask] if isinstance(operation, ReLU) else words)
            return outputs

        return noting

    def note_factor(times: Callable[..., Any]) -> Callable[..., Any]:
        def noting(x: torch.Tensor) -> torch.Tensor:
            seen[-1].append(x.numpy().copy())
            return times(x)

        return noting

    with pytest.MonkeyPatch.context() as patch:
        for layer in LAYERS[:-1]:
            step = parties.server._steps[layer.name]
            if not isinstance(layer.operations[0], Concat | AveragePool | Reshape):
                patch.setattr(step, "online", note_outputs(step.online, layer))
            if isinstance(layer.operations[0], Conv):
                patch.setattr(step._weight, "times", note_factor(step._weight.times))
        for _ in range(INFERENCES):
            seen.append([])
            parties.infer(image, *parties.prepare())
    return [np.stack(words).reshape(INFERENCES, -1) for words in zip(*seen, strict=True)]


def test_what_the_server_holds_of_every_value_is_uniform(start: Callable[[], Parties]) -> None:
    """Also less what it held in the inference before, and after another set-up: every mask is a new one, and is not known."""
    for image in IMAGES.values():
        held, others = (held_by_server(parties, image) for parties in (start(), start()))
        assert sum(each.shape[1] for each in held) == 144 + 3 * (144 + 144) + (144 + 72 + 144 + 144) + 3
        for each, other in zip(held, others, strict=True):
            for words in (each, each[1:] - each[:-1], each - other):
                assert fair(ones(words), words.size, sigmas=7)  # of thousands of counts


def test_the_servers_share_of_a_product_hides_the_mask_that_is_multiplied() -> None:
    """The server knows b, so a * b would tell it a: with the same a and b every word changes with the client's key."""
    conv, keys = ARCHITECTURE.operations[0], [torch.tensor([1, key]) for key in range(5)]
    product = MaskedProduct(conv, (1, *MAP), a_is_known=True)
    a, b = (Stream(key).ring(shape) for key, shape in zip(keys, ((1, *MAP), conv.weight_shape), strict=False))
    ((one,), (other,)) = (product.deal(Stream(keys[2]), Stream(key), b, a).server for key in keys[3:])
    assert (one != other).all()


def test_what_was_dealt_for_a_layer_is_taken_once() -> None:
    """Also where it is nothing, and never where there was none."""
    prepared = Prepared(None, Room())
    prepared.put("conv", "mask")
    prepared.put("relu", None)
    assert (prepared.take("relu"), prepared.take("conv")) == (None, "mask")
    for layer in ("conv", "relu", "other"):
        with pytest.raises(RuntimeError, match=f"dealt for '{layer}' has been used"):
            prepared.take(layer)
