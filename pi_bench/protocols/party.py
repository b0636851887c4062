"""The server and the client: set-up once for a model, then for each inference an offline and an online pass over the layers.

    server                                client                               dealer
1.  key from the dealer                   key from the dealer                  keys to both
2.  sets up each layer                    sets up each layer                   deals what is needed once
3.  for each inference, offline, layer by layer: what is dealt comes, and what needs no input is done
4.  online: the layers in turn; the client alone gets the logits
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pi_bench.model.operations import Architecture, Model
from pi_bench.model.walk import Inputs, walk
from pi_bench.protocols.dealing.correlation import Correlation, Tensors
from pi_bench.protocols.dealing.randomness import KEY_BYTES, Stream
from pi_bench.protocols.layer import WORD_BYTES, Layer
from pi_bench.protocols.part import Context, Outputs, Step
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.room import Room
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import Notes
from pi_bench.protocols.shares.fixed_point import decode
from pi_bench.wire.channel import Channel

Mark = Callable[[str], None]


@dataclass
class Prepared:
    """What a party holds for one inference, by layer; each is taken once, for what hides a value hides one value only."""

    notes: Notes | None
    room: Room
    _material: dict[str, Any] = field(default_factory=dict)

    def put(self, layer: str, material: Any) -> None:
        self._material[layer] = material

    def take(self, layer: str) -> Any:
        """Raises RuntimeError for what has been used."""
        if layer not in self._material:
            raise RuntimeError(f"what was dealt for {layer!r} has been used; it would not hide another value")
        return self._material.pop(layer)

    @property
    def held(self) -> dict[str, int]:
        """Bytes that are held in memory and on disk, until the inference begins."""
        total = sum(map(_bytes, self._material.values()))
        return {"memory_bytes": total - self.room.disk_bytes, "disk_bytes": self.room.disk_bytes}


def _bytes(material: Any) -> int:
    """Of all tensors and arrays in it."""
    if isinstance(material, Tensor | np.ndarray):
        return material.nbytes
    if isinstance(material, list | tuple):
        return sum(map(_bytes, material))
    return sum(map(_bytes, vars(material).values())) if is_dataclass(material) else 0


class Party:
    """The server (with a model's weights) or the client (without)."""

    def __init__(
        self,
        architecture: Architecture,
        model: Model | None,
        settings: Settings,
        peer: Channel,
        dealer: Channel | None,
        folder: Path | None = None,
    ):
        """Sets up all layers. peer: the channel to the other party; without a dealer CrypTen's own first party makes the
        randomness within the inference. folder: where what is dealt is kept until it is used; None for memory."""
        self._folder = folder
        self._dealer = dealer
        self._protocol = PROTOCOLS[settings.protocol]
        self._layers = self._protocol.layers(architecture, settings)
        self._context = Context("client" if model is None else "server", peer, settings, dealer is not None)
        if dealer is not None:
            key = torch.empty(KEY_BYTES // WORD_BYTES, dtype=torch.int64)
            dealer.receive([key])
            self._stream = Stream(key)
        self._steps = {layer.name: self._set_up(layer, model) for layer in self._layers}

    def _set_up(self, layer: Layer, model: Model | None) -> Step:
        part = self._protocol.part(layer.operations[0])
        once = self._receive(part.dealt_once(layer), Room())
        weights = None if model is None else model.weights.get(layer.operations[0].name)
        return part.step(layer, self._context, weights, once[0] if once else ())

    def prepare(self, note: bool = False, mark: Mark = lambda _: None) -> Prepared:
        """The offline phase of one inference. note: for an auditor; `mark` is called with each layer when it is done."""
        self._context.notes = Notes() if note else None
        room = Room(self._folder)
        prepared = Prepared(self._context.notes, room)

        def do(layer: Layer, inputs: Inputs) -> Outputs:
            part = self._protocol.part(layer.operations[0])
            dealt = self._receive(part.dealt(layer) if self._dealer is not None else (), room)
            outputs, material = self._steps[layer.name].offline(dealt, inputs)
            prepared.put(layer.name, material)
            return outputs

        for layer, _ in walk(self._layers, {}, do):
            mark(layer.name)
        return prepared

    def infer(self, images: Tensor | None, prepared: Prepared, mark: Mark = lambda _: None) -> Tensor | None:
        """The online phase, on the client's float images (batch, C, H, W); the client gets the logits, float64 (batch, K).

        `mark` is called with the name of each layer, from "input" to "output", as soon as it is done. Raises RuntimeError
        where `prepared` has been used.
        """
        self._context.images, self._context.notes = images, prepared.notes

        def do(layer: Layer, inputs: Inputs) -> Outputs:
            return self._steps[layer.name].online(prepared.take(layer.name), inputs)

        for layer, outputs in walk(self._layers, {}, do):
            mark(layer.name)
            (logits, *_) = outputs
        return None if logits is None else decode(logits.words, logits.bits)

    def _receive(self, correlations: Sequence[Correlation], room: Room) -> list[Tensors]:
        """The party's part of each correlation; what is sent for all of them comes in one frame."""
        role = self._context.role
        sent = [tuple(room.make(each.shapes(role))) for each in correlations]
        if words := [tensor for tensors in sent for tensor in tensors]:
            self._dealer.receive(words)
        return [each.of(role, self._stream, tensors) for each, tensors in zip(correlations, sent, strict=True)]
