"""The two computing parties and the dealer: set-up once per model, dealing once per inference, then the inference.

server                                client                               dealer
1. key from the dealer                key from the dealer                  keys to both
2. masks of the weights, opened ->    weights minus masks                  the same masks
3. for each inference, offline: shares from the key, corrections <-        corrections of all correlations
4. online: the operations in turn, on shares; the client alone gets the logits
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pi_bench.model.operations import Architecture, Conv, Linear, Weights
from pi_bench.protocols import crypten_engine as engine
from pi_bench.protocols.correlations import Correlation
from pi_bench.protocols.fixed_point import decode, encode
from pi_bench.protocols.local_steps import local_step
from pi_bench.protocols.parts import Context, Step
from pi_bench.protocols.protocol import Protocol
from pi_bench.protocols.randomness import Stream, fresh_key
from pi_bench.protocols.wraps import WrapNotes
from pi_bench.wire.channel import Channel


@dataclass(frozen=True)
class Settings:
    """What all parties have to agree on beside the architecture."""

    protocol: Protocol
    precision_bits: int
    batch: int


class Dealer:
    """Deals correlated randomness to both parties; knows the architecture, and neither weights nor images."""

    def __init__(self, architecture: Architecture, settings: Settings, server: Channel, client: Channel):
        self._server = server
        self._correlations = settings.protocol.correlations(architecture, settings.batch)
        keys = fresh_key(), fresh_key()
        for channel, key in zip((server, client), keys, strict=True):
            channel.send([key])
        self._streams = tuple(Stream(key) for key in keys)
        masked = settings.protocol.masked_once(architecture)
        self._masks = {operation.name: self._streams[0].ring(operation.weight_shape) for operation in masked}

    def deal(self) -> None:
        """Deals what one inference needs."""
        for correlations in self._correlations.values():
            if correlations:
                self._server.send([correlation.deal(*self._streams, self._masks) for correlation in correlations])


class Party:
    """The server (with weights) or the client (without)."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, Weights] | None,
        settings: Settings,
        peer: Channel,
        dealer: Channel | None,
    ):
        """Starts CrypTen and opens the weights. `peer` is the channel to the other party; without a dealer CrypTen's own first
        party makes the randomness within the inference."""
        self._architecture = architecture
        self._settings = settings
        self._rank = engine.CLIENT if weights is None else engine.SERVER
        self._dealer = dealer
        provider = None if dealer is None else engine.DealtRandomness()
        self._context = Context(peer, provider, settings.precision_bits)
        self._correlations = settings.protocol.correlations(architecture, settings.batch)
        if dealer is not None:
            key = torch.empty(2, dtype=torch.int64)
            dealer.receive([key])
            self._stream = Stream(key)
        engine.start(peer, self._rank, settings.precision_bits, provider)
        self._steps = self._make_steps(weights)
        self._last_uses = _last_uses(architecture)

    def _make_steps(self, weights: Mapping[str, Weights] | None) -> dict[str, Step]:
        protocol = self._settings.protocol
        masked = {
            operation.name: self._open_weight(operation, weights) for operation in protocol.masked_once(self._architecture)
        }
        steps = {}
        for operation, place in protocol.places(self._architecture, self._settings.batch):
            own = None if weights is None else weights.get(operation.name)
            part = protocol.part(operation)
            if part is None:
                steps[operation.name] = local_step(operation, place.input_shape, self._context, own)
            else:
                steps[operation.name] = part.step(operation, place, self._context, own, masked.get(operation.name))
        return steps

    def _open_weight(self, operation: Conv | Linear, weights: Mapping[str, Weights] | None) -> Tensor:
        """The mask of the weights at the server, the weights minus the mask at the client."""
        if weights is None:
            opened = torch.empty(operation.weight_shape, dtype=torch.int64)
            self._context.channel.receive([opened])
            return opened
        mask = self._stream.ring(operation.weight_shape)
        encoded = encode(weights[operation.name].weight, self._settings.precision_bits)
        self._context.channel.send([encoded - mask])
        return mask

    def prepare(self) -> None:
        """The offline phase of one inference: takes what is dealt and computes all that needs no input."""
        if self._dealer is None:
            return
        for name, correlations in self._correlations.items():
            corrections = [None] * len(correlations)
            if self._rank == engine.SERVER and correlations:
                corrections = [torch.empty(correlation.correction_shape, dtype=torch.int64) for correlation in correlations]
                self._dealer.receive(corrections)
            self._steps[name].prepare(self._expand(correlations, corrections))

    def _expand(
        self, correlations: tuple[Correlation, ...], corrections: list[Tensor | None]
    ) -> list[tuple[Correlation, tuple[Tensor, ...]]]:
        pairs = zip(correlations, corrections, strict=True)
        return [(correlation, correlation.expand(self._stream, correction)) for correlation, correction in pairs]

    def infer(self, images: Tensor | None, mark: Callable[[str], None] = lambda _: None) -> Tensor | None:
        """One inference on the client's float images (batch, C, H, W); the client gets the logits, float64 (batch, K).

        `mark` is called with "input", the name of each operation, and "output" as soon as each is done.
        """
        shape = (self._settings.batch, *self._architecture.input_shape)
        values = {self._architecture.input: engine.Shares(images, size=shape, src=engine.CLIENT)}
        mark("input")
        for operation, last_use in zip(self._architecture.operations, self._last_uses, strict=True):
            values[operation.name] = self._steps[operation.name].run(*(values[name] for name in operation.inputs))
            for name in last_use:
                del values[name]
            mark(operation.name)
        logits = values[self._architecture.output.name].reveal(dst=engine.CLIENT)
        mark("output")
        return None if logits is None else decode(logits, self._settings.precision_bits)


def _last_uses(architecture: Architecture) -> list[list[str]]:
    """For each operation the values that nobody needs after it."""
    last = {name: index for index, operation in enumerate(architecture.operations) for name in operation.inputs}
    found: list[list[str]] = [[] for _ in architecture.operations]
    for name, index in last.items():
        found[index].append(name)
    return found


@contextmanager
def noting_wraps() -> Iterator[WrapNotes]:
    """Within the context, the truncations of this process are noted."""
    notes = WrapNotes()
    truncate = engine.Shares.div_

    def noted(shares: engine.Shares, divisor: int | Tensor) -> engine.Shares:
        notes.note(shares.share)
        return truncate(shares, divisor)

    engine.Shares.div_ = noted
    try:
        yield notes
    finally:
        engine.Shares.div_ = truncate
