"""What server and client send each other in one trip is noise whatever the image, and no mask hides two values.

Of each of two images, several inferences run between three real processes. All that is sent is kept and cut into its frames by
what the protocol says it sends. Single bits, of which 64 share a word, are taken out of their words. Not looked at are the last
frame of an inference, the server's shares of the logits, for the client alone, who may know them; and the zeros that fill up
the last word of bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from pi_bench.model import plain
from pi_bench.model.operations import ReLU
from pi_bench.protocols.dealing.comparison import Comparison
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.one_trip.sites import sites, unpacked
from pi_bench.protocols.registry import PROTOCOLS

from ...three_parties import infer
from .noise import alike, fair, ones
from .secret_network import IMAGES, LAYERS, MODEL, SETTINGS

INFERENCES = 8
WAYS = ("server", "client"), ("client", "server")


@dataclass
class Sent:
    """What one party sent the other for a layer in one inference: whole words, int64 (N,), and single bits, 0 or 1."""

    layer: str
    words: np.ndarray
    bits: np.ndarray


def cut(wire: bytes, sender: str) -> list[list[Sent]]:
    """What was sent in each inference, in order; the weights, which are sent once for a model, come before and are left out."""
    left = np.frombuffer(wire, np.int64)

    def in_phase(phase: str) -> Iterator[Sent]:
        nonlocal left
        for layer in LAYERS:
            messages = PROTOCOLS["one-trip"].messages(layer)
            sent = [message.bytes - 16 for message in messages if (message.phase, message.sender) == (phase, sender)]
            found, left = left[: sum(sent) // 8], left[sum(sent) // 8 :]
            kept = sum(relu.kept for relu in layer.operations if isinstance(relu, ReLU))
            whole = kept if phase == "online" and kept else len(found)
            yield Sent(layer.name, found[:whole], unpacked(torch.tensor(found[whole:]), kept if len(found) > whole else 0))

    list(in_phase("setup"))
    inferences = [[sent for phase in ("offline", "online") for sent in in_phase(phase)] for _ in range(INFERENCES)]
    assert not len(left)
    return [[sent for sent in inference if len(sent.words) and sent.layer != "output"] for inference in inferences]


Wire = dict[tuple[str, str], bytes]


@pytest.fixture(scope="module")
def wires() -> dict[str, Wire]:
    """All that was sent, by image."""
    return {name: infer(MODEL, image, SETTINGS, INFERENCES, tap=True).wire for name, image in IMAGES.items()}


def all_words(inferences: list[list[Sent]]) -> np.ndarray:
    return np.concatenate([sent.words for inference in inferences for sent in inference])


def all_bits(inferences: list[list[Sent]]) -> np.ndarray:
    return np.concatenate([sent.bits for inference in inferences for sent in inference])


def by_place(inferences: list[list[Sent]]) -> list[np.ndarray]:
    """The words for each layer and phase: (INFERENCES, N)."""
    return [np.stack([sent.words for sent in sents]) for sents in zip(*inferences, strict=True)]


def test_the_images_have_other_answers_and_the_frames_are_those_of_the_protocol(wires: dict[str, Wire]) -> None:
    """So that the other tests compare what differs, and look at all of it."""
    logits = [plain.logits(MODEL, image) for image in IMAGES.values()]
    assert np.abs(logits[0] - logits[1]).max() > 0.2
    server, client = (cut(wires["zeros"][way], way[0])[0] for way in WAYS)
    relus = [("first", 144, 144), ("half + whole", 216, 216), ("last", 144, 144)]
    assert [(sent.layer, len(sent.words), len(sent.bits)) for sent in server] == relus
    offline = [("first", 144, 0), ("half + whole", 216, 0), ("third", 144, 0), ("last", 144, 0)]
    assert [(sent.layer, len(sent.words), len(sent.bits)) for sent in client] == [*offline, ("input", 144, 0), *relus]


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("way", WAYS, ids="{0[0]} to {0[1]}".format)
def test_what_is_sent_is_uniform(way: tuple[str, str], image: str, wires: dict[str, Wire]) -> None:
    """Every bit of a word is set in half of the words, also of those for one layer, and half of the single bits are set."""
    inferences = cut(wires[image][way], way[0])
    words, bits = all_words(inferences), all_bits(inferences)
    assert fair(ones(words), len(words)) and fair(bits.sum(dtype=np.int64), len(bits))
    assert all(fair(ones(each), each.size, sigmas=7) for each in by_place(inferences))


@pytest.mark.parametrize("way", WAYS, ids="{0[0]} to {0[1]}".format)
def test_what_is_sent_does_not_tell_the_images_apart(way: tuple[str, str], wires: dict[str, Wire]) -> None:
    found = [cut(wires[image][way], way[0]) for image in IMAGES]
    words, bits = [all_words(inferences) for inferences in found], [all_bits(inferences) for inferences in found]
    assert alike([ones(each) for each in words], len(words[0]))
    assert alike([each.sum(dtype=np.int64) for each in bits], len(bits[0]))


@pytest.mark.parametrize("way", WAYS, ids="{0[0]} to {0[1]}".format)
def test_no_two_words_are_equal(way: tuple[str, str], wires: dict[str, Wire]) -> None:
    """Neither within an inference nor in two of the same image or of different ones: every mask is drawn anew."""
    words = np.concatenate([all_words(cut(wire[way], way[0])) for wire in wires.values()])
    assert len(np.unique(words)) == len(words)


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("way", WAYS, ids="{0[0]} to {0[1]}".format)
def test_no_mask_hides_two_values(way: tuple[str, str], image: str, wires: dict[str, Wire]) -> None:
    """Sums and differences of what is sent for any two layers, and in two inferences, are as uniform as each of them."""
    places = by_place(cut(wires[image][way], way[0]))
    found = [place[1:] - place[:-1] for place in places]
    for one, other in combinations(places, 2):
        count = min(one.shape[1], other.shape[1])
        found += [one[:, :count] + other[:, :count], one[:, :count] - other[:, :count]]
    assert all(fair(ones(each), each.size, sigmas=7) for each in found)  # of thousands of counts


def own_masks(wire: Wire, role: str) -> list[dict[str, np.ndarray]]:
    """A party's half of r for each layer of ReLUs, of each inference: from the key that the dealer has sent it."""
    stream = Stream(torch.tensor(np.frombuffer(wire["dealer", role][:16], np.int64)))

    def expand(correlation: Any) -> Any:
        return correlation.of(role, stream, tuple(torch.zeros(shape, dtype=torch.int64) for shape in correlation.shapes(role)))

    parts = [PROTOCOLS["one-trip"].part(layer.operations[0]) for layer in LAYERS]
    for part, layer in zip(parts, LAYERS, strict=True):
        for correlation in part.dealt_once(layer):
            expand(correlation)
    inferences = []
    for _ in range(INFERENCES):
        masks: dict[str, list[np.ndarray]] = {}
        for part, layer in zip(parts, LAYERS, strict=True):
            for correlation in part.dealt(layer):
                expanded = expand(correlation)
                if isinstance(correlation, Comparison):
                    masks.setdefault(layer.name, []).append(expanded[0].numpy())
        inferences.append({name: np.concatenate(of_sites) for name, of_sites in masks.items()})
    return inferences


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_opened_is_hidden_from_either_party(image: str, wires: dict[str, Wire]) -> None:
    """y less a party's own half of r is uniform still; less both it is the value."""
    opened = cut(wires[image]["server", "client"], "server")
    masks = {role: own_masks(wires[image], role) for role in ("server", "client")}
    for role in masks:
        seen = [sent.words - own[sent.layer] for inference, own in zip(opened, masks[role], strict=True) for sent in inference]
        assert fair(ones(np.concatenate(seen)), sum(map(len, seen)))
    values = plain.evaluate(MODEL, IMAGES[image])["stem"].ravel()
    for inference, *both in zip(opened, *masks.values(), strict=True):
        first = inference[0].words - both[0]["first"] - both[1]["first"]
        np.testing.assert_allclose(first / 2.0**32, values, atol=1e-3)


@pytest.mark.parametrize("image", IMAGES)
def test_the_masked_sign_is_a_fair_bit(image: str, wires: dict[str, Wire]) -> None:
    """Both parties know it in the end. Half of all are set, and no element has the same one again and again."""
    relus = {layer.name: sites(layer) for layer in LAYERS if isinstance(layer.operations[0], ReLU)}
    signs: list[list[np.ndarray]] = []
    for asked, answered in zip(*(cut(wires[image][way], way[0]) for way in WAYS), strict=True):
        answers = {sent.layer: sent.bits for sent in answered if len(sent.bits)}
        signs.append([])
        for sent in asked:
            y, bits = sent.words.view(np.uint64), sent.bits ^ answers[sent.layer]
            starts = np.cumsum([0, *(site.count for site in relus[sent.layer])])
            for site, start in zip(relus[sent.layer], starts, strict=False):
                part = slice(start, start + site.count)
                signs[-1].append(site.gate.masked_sign(y[part], bits[part]))
    by_inference = np.stack([np.concatenate(each) for each in signs])
    assert fair(by_inference.sum(), by_inference.size)
    assert (by_inference == by_inference[0]).all(0).mean() < 0.05  # 1 in 128 by chance


def test_the_dealer_gets_nothing_and_deals_the_same_whatever_the_image(wires: dict[str, Wire]) -> None:
    """Nobody sends it a word; what it sends has the same length, and sets each bit as often."""
    for wire in wires.values():
        assert {sender for sender, receiver in wire if receiver == "dealer"} == set()
    for receiver in ("server", "client"):
        zeros, bright = (np.frombuffer(wires[image]["dealer", receiver], np.int64) for image in IMAGES)
        assert len(zeros) == len(bright) and alike([ones(zeros), ones(bright)], len(zeros))


def test_what_the_client_sees_of_the_weights_is_uniform_and_new_at_each_set_up(wires: dict[str, Wire]) -> None:
    """And that is sent once, whatever the number of inferences."""
    count = sum(weights.weight.size for weights in MODEL.weights.values())
    once, again = (np.frombuffer(wire["server", "client"], np.int64)[:count] for wire in wires.values())
    for words in (once, again, once - again):
        assert fair(ones(words), count)
