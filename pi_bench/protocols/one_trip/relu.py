r"""ReLUs in one round trip, on the kept elements K of one site or of several that do not depend on each other.

    offline   1. dealt: r_0, r_1, a comparison key and shares (dealing/comparison.py)
              2. client -> server: rho = m_K + r_1
              3. the client's new mask: fresh m' on K (dealt, where K is the whole site); elsewhere m, truncated as it has to be
    online    4. server -> client: y = (v - m)_K + rho + r_0 = v_K + r
              5. both evaluate their key at y; the server's masked bit follows y, waiting for nothing
              6. the client knows the masked sign, computes its share z_1, and answers (z_1 - m', its bit)
              7. the server knows the masked sign too: its new value on K is z_0 + (z_1 - m')

Elements go in pieces: while one is evaluated, the next one is on its way to the client, and the answer to the one before on
its way back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.operations import Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.comparison import Comparison, tensor, words
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Tensors
from pi_bench.protocols.dealing.fresh_mask import FreshMask
from pi_bench.protocols.dealing.randomness import Stream, fresh_key
from pi_bench.protocols.layer import Held, Layer, frame_bytes
from pi_bench.protocols.one_trip.gate import Gate
from pi_bench.protocols.one_trip.sites import Piece, packed, packed_words, parts, pieces, sites, size, unpacked
from pi_bench.protocols.part import Context, Outputs, Part, Step, Truncation
from pi_bench.protocols.shares.share import Share

PARTY = {"server": 0, "client": 1}  # in the comparison


class OneTripReLU(Part):
    """Partial ReLUs that share one message each way."""

    shares_messages = True
    reads_bits = True

    def messages(self, layer: Layer) -> list[Message]:
        counts = _counts(layer)
        sizes = [size(piece) for piece in pieces(counts)]
        asked = [frame_bytes(words) for count in sizes for words in (count, packed_words(count))]
        answered = [frame_bytes(count + packed_words(count)) for count in sizes]
        return [
            Message("offline", "client", "server", frame_bytes(sum(counts))),
            *(Message("online", "server", "client", count) for count in asked),
            *(Message("online", "client", "server", count) for count in answered),
        ]

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return [correlation for of_site in _dealt(layer) for correlation in of_site]

    def deal(
        self, layer: Layer, server: Stream, client: Stream, once: Tensor | None, inputs: Inputs
    ) -> tuple[list[Deal], Outputs]:
        by_site = [[correlation.deal(server, client) for correlation in of_site] for of_site in _dealt(layer)]
        masks = [deals[-1].known for deals in by_site]
        bits = layer.settings.precision_bits
        deals = [deal for of_site in by_site for deal in of_site]
        return deals, [None if mask is None else Share(mask, bits) for mask in masks]

    def held(self, layer: Layer) -> list[Held]:
        bits = layer.settings.precision_bits
        return [Held(relu.shape, bits, mask_is_dealt=relu.kept == relu.size) for relu in layer.operations]

    def truncations(self, layer: Layer) -> list[Truncation]:
        """Those of dropped elements; of kept ones it is part of the protocol, and does not fail."""
        bits = layer.settings.precision_bits
        return [
            Truncation(relu.inputs[0], relu.size - relu.kept, held.bits, reader=relu.name)
            for relu, (held,) in zip(layer.operations, layer.inputs, strict=True)
            if held.bits > bits and relu.kept < relu.size
        ]

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return (_ServerStep if context.role == "server" else _ClientStep)(layer, context)


def _counts(layer: Layer) -> list[int]:
    return [layer.settings.batch * relu.kept for relu in layer.operations]


def _dealt(layer: Layer) -> list[tuple[Correlation, ...]]:
    """For each site a comparison, and a mask for what comes out, where all of the site is kept."""
    settings, found = layer.settings, []
    for relu, (held,), count in zip(layer.operations, layer.inputs, _counts(layer), strict=True):
        comparison = Comparison(count, held.bits - settings.precision_bits, settings.bits_of(relu.name))
        mask = (FreshMask((settings.batch, *relu.shape)),) if relu.kept == relu.size else ()
        found.append((comparison, *mask))
    return found


@dataclass
class Material:
    """What a party holds for one site until the inference: its part of the comparison, and what it adds to a value there.

    own: the server's rho + r_0, the client's m'.
    """

    r: np.ndarray
    q: np.ndarray
    seeds: np.ndarray
    key: np.ndarray
    shares: np.ndarray
    own: Tensor

    def answer(self, gate: Gate, party: int, part: slice, opened: Tensor) -> np.ndarray:
        """The party's masked bits of some of the elements, uint8; opened: (N,), all of the site."""
        return gate.answer(party, words(opened)[part], self.seeds[part], self.key[:, part], self.q[part])

    def share(self, gate: Gate, party: int, part: slice, opened: Tensor, answers: np.ndarray) -> Tensor:
        """The party's share of those elements' ReLUs. answers: both parties' masked bits, XORed."""
        y = words(opened)[part]
        return tensor(gate.share(party, y, gate.masked_sign(y, answers), self.r[part], self.shares[:, part]))


class _ReLUStep(Step):
    def __init__(self, layer: Layer, context: Context):
        self._sites = sites(layer)
        self._pieces = pieces([site.count for site in self._sites])
        self._context = context
        self._bits = context.settings.precision_bits
        self._party = PARTY[context.role]

    def _room(self) -> list[Tensor]:
        """For the kept elements of each site."""
        return [torch.empty(site.count, dtype=torch.int64) for site in self._sites]

    def _kept(self, inputs: Inputs) -> list[Tensor]:
        """The kept elements of each site's input; an auditor gets to know them."""
        kept = [site.of(x) for site, (x,) in zip(self._sites, inputs, strict=True)]
        if self._context.notes is not None:
            for site, values in zip(self._sites, kept, strict=True):
                self._context.notes.compared(site.name, values)
        return kept

    def _joined(self, inputs: Inputs, kept: Sequence[Tensor]) -> list[Share]:
        notes = self._context.notes
        return [site.joined(x, values, self._bits, notes) for site, (x,), values in zip(self._sites, inputs, kept, strict=True)]

    def _answers(self, material: Sequence[Material], opened: Sequence[Tensor], piece: Piece) -> np.ndarray:
        """The party's masked bits of a piece."""
        return np.concatenate(
            [material[site].answer(self._sites[site].gate, self._party, part, opened[site]) for site, part in piece]
        )


class _ServerStep(_ReLUStep):
    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, list[Material]]:
        rho, rest = self._room(), iter(dealt)
        self._context.peer.receive(rho)  # 2.
        material = []
        for site, received in zip(self._sites, rho, strict=True):
            r, *parts = next(rest)
            material.append(Material(*map(words, (r, *parts)), received.add_(r)))
            if site.whole:
                next(rest)  # the client's mask
        return [None] * len(self._sites), material

    def online(self, material: list[Material], inputs: Inputs) -> Outputs:
        peer = self._context.peer
        opened = [each.own.add_(values) for each, values in zip(material, self._kept(inputs), strict=True)]  # 4.
        replies = [(self._reply(piece), piece) for piece in self._pieces]
        peer.send(_parts_of(opened, self._pieces[0]))
        own = []
        for piece, following in zip(self._pieces, [*self._pieces[1:], None], strict=True):
            if following:
                peer.send(_parts_of(opened, following))
            own.append(self._answers(material, opened, piece))  # 5.
            peer.send([packed(own[-1])])
        kept = self._room()
        for ((expected, values, bits), piece), mine in zip(replies, own, strict=True):
            peer.take(expected)
            answers = mine ^ unpacked(bits, len(mine))
            for site, part, within in parts(piece):  # 7.
                gate = self._sites[site].gate
                share = material[site].share(gate, self._party, part, opened[site], answers[within])
                torch.add(share, values[within], out=kept[site][part])
        return self._joined(inputs, kept)

    def _reply(self, piece: Piece) -> tuple[object, Tensor, Tensor]:
        """Room for the client's answer, which may come while this party still sends."""
        values, bits = (torch.empty(count, dtype=torch.int64) for count in (size(piece), packed_words(size(piece))))
        return self._context.peer.expect([values, bits]), values, bits


class _ClientStep(_ReLUStep):
    def __init__(self, layer: Layer, context: Context):
        super().__init__(layer, context)
        self._stream = Stream(fresh_key())

    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, list[Material]]:
        rest, material = iter(dealt), []
        for site in self._sites:
            comparison = map(words, next(rest))
            mask = next(rest)[0].flatten() if site.whole else self._stream.ring((site.count,))  # 3.
            material.append(Material(*comparison, mask))
        rho = [values + tensor(each.r) for each, values in zip(material, self._kept(inputs), strict=True)]
        self._context.peer.send(rho)  # 2.
        return self._joined(inputs, [each.own for each in material]), material

    def online(self, material: list[Material], inputs: Inputs) -> Outputs:
        peer, opened = self._context.peer, self._room()
        questions = self._questions(opened)
        for (values, expected_bits, bits), piece in zip(questions, self._pieces, strict=True):
            peer.take(values)
            own = self._answers(material, opened, piece)  # 5.
            peer.take(expected_bits)
            answers = own ^ unpacked(bits, len(own))
            reply = torch.empty(len(own), dtype=torch.int64)
            for site, part, within in parts(piece):  # 6.
                gate = self._sites[site].gate
                share = material[site].share(gate, self._party, part, opened[site], answers[within])
                torch.sub(share, material[site].own[part], out=reply[within])
            peer.send([reply, packed(own)])
        return [None] * len(self._sites)

    def _questions(self, opened: Sequence[Tensor]) -> list[tuple[object, object, Tensor]]:
        """Room for all that the server sends, in its order: the values of a piece come before the bits of the one before."""
        peer = self._context.peer
        values = [peer.expect(_parts_of(opened, self._pieces[0]))]
        found = []
        for piece, following in zip(self._pieces, [*self._pieces[1:], None], strict=True):
            if following:
                values.append(peer.expect(_parts_of(opened, following)))
            bits = torch.empty(packed_words(size(piece)), dtype=torch.int64)
            found.append((peer.expect([bits]), bits))
        return [(expected, *of_bits) for expected, of_bits in zip(values, found, strict=True)]


def _parts_of(tensors: Sequence[Tensor], piece: Piece) -> list[Tensor]:
    """The elements of a piece, site by site, without copies."""
    return [tensors[site][part] for site, part in piece]
