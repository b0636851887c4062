"""Whole networks between real processes: right logits, exact costs, and what reaches whom."""

from math import prod

import numpy as np
import pytest
import torch
from torch.nn import functional

from pi_bench.cost import Cost, predicted_ms
from pi_bench.model.operations import (
    Addition,
    Architecture,
    AveragePool,
    Bias,
    Concat,
    Conv,
    Linear,
    Model,
    Operation,
    Pad,
    ReLU,
    Reshape,
    Slice,
    Weights,
)
from pi_bench.protocols.registry import PROTOCOLS, costs
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import wraps
from pi_bench.wire.network import Network

from ..three_parties import infer

RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 3, 6, 6), np.float32)


def conv(name: str, source: str, in_channels: int, shape: tuple[int, int, int], kernel: int = 3, **fields: object) -> Conv:
    weight_shape = (shape[0], in_channels // fields.get("groups", 1), kernel, kernel)
    return Conv(name, (source,), shape, weight_shape=weight_shape, **fields)


def relu(name: str, source: str, shape: tuple[int, ...], share: float) -> ReLU:
    mask = RNG.random(shape) < share
    return ReLU(name, (source,), shape, packed=np.packbits(mask.ravel()).tobytes())


SAME = (1, 1, 1, 1)
OPERATIONS: tuple[Operation, ...] = (
    conv("stem", "image", 3, (4, 6, 6), padding=SAME),
    ReLU("all", ("stem",), (4, 6, 6)),
    conv("main", "all", 4, (4, 6, 6), padding=SAME),
    conv("more", "main", 4, (4, 6, 6), kernel=1),
    Addition("sum", ("more", "all"), (4, 6, 6)),
    relu("some", "sum", (4, 6, 6), 0.3),
    Bias("shift", ("some",), (4, 6, 6)),
    conv("depthwise", "shift", 4, (4, 6, 6), kernel=1, groups=4),
    relu("none", "depthwise", (4, 6, 6), 0.0),
    Concat("join", ("none", "some"), (8, 6, 6), axis=0),
    Slice("fewer", ("join",), (5, 5, 6), start=(2, 1, 0)),
    Pad("padded", ("fewer",), (8, 6, 6), padding=(1, 0, 0, 2, 1, 0)),
    conv("uneven", "padded", 8, (4, 3, 3), stride=(2, 2), padding=(0, 0, 1, 1)),
    Pad("pad", ("uneven",), (4, 5, 4), padding=(0, 1, 0, 0, 1, 1)),
    AveragePool("inner", ("pad",), (4, 3, 2), kernel=(3, 3), stride=(2, 2), padding=SAME, count_padding=False),
    AveragePool("pool", ("inner",), (4, 1, 1), kernel=(3, 2), stride=(3, 2)),
    Reshape("flat", ("pool",), (4,)),
    Linear("fc", ("flat",), (5,), weight_shape=(5, 4)),
)
ARCHITECTURE = Architecture("image", (3, 6, 6), OPERATIONS)


def weights(operation: Operation) -> Weights:
    if isinstance(operation, Bias):
        return Weights(None, RNG.normal(size=(4, 1, 1)))
    scale = prod(operation.weight_shape[1:]) ** -0.5
    bias_shapes = {"stem": (4, 6, 6), "fc": (5,), "more": None}
    shape = bias_shapes.get(operation.name, (operation.shape[0], 1, 1))
    return Weights(RNG.normal(size=operation.weight_shape) * scale, None if shape is None else RNG.normal(size=shape))


MODEL = Model(
    ARCHITECTURE,
    {operation.name: weights(operation) for operation in OPERATIONS if isinstance(operation, Conv | Linear | Bias)},
)


def apply(operation: Operation, inputs: list[torch.Tensor]) -> torch.Tensor:
    """An operation in the clear, in float64, written anew."""
    x = inputs[0]
    own = MODEL.weights.get(operation.name)
    weight, bias = (
        (None if array is None else torch.from_numpy(array) for array in (own.weight, own.bias)) if own else (None, None)
    )
    match operation:
        case Conv():
            top, left, bottom, right = operation.padding
            padded = functional.pad(x, (left, right, top, bottom))
            result = functional.conv2d(padded, weight, None, operation.stride, groups=operation.groups)
            return result if bias is None else result + bias
        case Linear():
            return x @ weight.t() + bias
        case Bias():
            return x + bias
        case ReLU():
            return torch.where(torch.from_numpy(operation.mask), x.clamp(min=0), x)
        case Addition():
            return x + inputs[1]
        case Concat():
            return torch.cat(inputs, operation.axis + 1)
        case Slice():
            return x[:, 2:7, 1:]
        case Pad():
            before, after = operation.padding[:3], operation.padding[3:]
            result = torch.zeros(len(x), *operation.shape).to(x)
            result[:, *(slice(b, n - a) for b, n, a in zip(before, operation.shape, after, strict=True))] = x
            return result
        case AveragePool():
            padding = operation.padding[0]
            return functional.avg_pool2d(
                x, operation.kernel, operation.stride, padding, count_include_pad=operation.count_padding
            )
        case _:
            return x.reshape(len(x), *operation.shape)


def plain_logits(images: np.ndarray) -> np.ndarray:
    values = {"image": torch.from_numpy(images).double()}
    for operation in OPERATIONS:
        values[operation.name] = apply(operation, [values[name] for name in operation.inputs])
        assert values[operation.name].shape[1:] == operation.shape
    return values["fc"].numpy()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_logits_rounds_and_bytes(protocol: str) -> None:
    """Three inferences in a row: right each time, and what was sent is what the formulas say, layer by layer."""
    settings = Settings(protocol, batch=2)
    outcome = infer(MODEL, IMAGES, settings, inferences=3)
    expected = PROTOCOLS[protocol].costs(ARCHITECTURE, settings)
    assert all(np.abs(logits - plain_logits(IMAGES)).max() < 2e-3 for logits in outcome.logits)
    outcome.check_costs(expected)
    for role in ("server", "client"):
        (sent, received), (counted_sent, counted_received) = outcome.kernel[role]
        assert sent == counted_sent
        assert received - counted_received in (0, 1)  # a connection's end counts one
    total = sum(expected.values(), Cost())
    between = sum(outcome.kernel[role][1][0] for role in ("server", "client"))
    keys = 2 * (16 + 16)  # from the dealer
    assert between == total.setup_bytes - keys + 3 * (
        total.server_bytes + total.client_bytes + total.client_to_server_bytes + total.server_to_client_bytes
    )


def test_costs_by_hand() -> None:
    """A frame is 16 bytes and a word 8, for a batch of 2; CrypTen's ReLU opens 29 words an element in 9 rounds."""
    kept = ARCHITECTURE.relus[1].kept
    ours, plain = (costs(ARCHITECTURE, Settings(name, batch=2)) for name in ("crypten", "crypten-plain"))
    assert (ours["stem"].rounds, ours["stem"].client_bytes, ours["stem"].server_bytes) == (1, 16 + 8 * 2 * 108, 0)
    assert ours["stem"].setup_bytes == 16 + 8 * 108 and ours["stem"].dealer_to_server_bytes == 16 + 8 * 2 * 144
    assert (ours["all"].rounds, ours["all"].client_bytes) == (9, 9 * 16 + 232 * 2 * 144)
    assert ours["all"].dealer_to_server_bytes == 16 + 120 * 2 * 144
    assert (ours["main"].rounds, ours["more"].rounds, ours["depthwise"].rounds, ours["uneven"].rounds) == (1, 0, 1, 0)
    assert (ours["some"].rounds, ours["some"].server_bytes) == (9, 9 * 16 + 232 * 2 * kept)
    assert ours["none"] == ours["sum"] == ours["pool"] == type(ours["none"])()
    assert (plain["stem"].rounds, plain["stem"].server_bytes, plain["stem"].client_bytes) == (
        1,
        *[16 + 8 * (2 * 108 + 108)] * 2,
    )
    assert plain["some"].server_bytes == plain["all"].server_bytes == 9 * 16 + 232 * 2 * 144
    assert plain["uneven"].server_bytes == 16 + 8 * (2 * 8 * 7 * 7 + 8 * 4 * 9)
    assert (ours["output"].server_bytes, ours["output"].client_bytes) == (16 + 8 * 2 * 5, 0)


def test_crypten_as_it_comes() -> None:
    """With CrypTen's own first party there is no dealer, and the answers are the same."""
    outcome = infer(MODEL, IMAGES, Settings("crypten-plain", "insecure-first-party", batch=2))
    assert "dealer" not in outcome.records[0]
    assert np.abs(outcome.logits[0] - plain_logits(IMAGES)).max() < 2e-3


def test_an_emulated_network_costs_what_the_formula_says() -> None:
    """Rounds times half the round-trip time, and bytes; the same inference without the network gives the compute."""
    network = Network("custom", 40.0, 20.0, True)  # so that what a busy machine adds is little beside it
    settings = Settings("crypten", batch=2)
    predicted = predicted_ms(costs(ARCHITECTURE, settings).values(), network, 0.0)
    alone = infer(MODEL, IMAGES, settings, inferences=3)
    slowed = infer(MODEL, IMAGES, settings, inferences=3, network=network)
    compute_ms, online_ms = (
        min(sum(records["client"]["online"]["layers_ms"]) for records in outcome.records) for outcome in (alone, slowed)
    )
    assert predicted.total_ms < online_ms < 1.25 * (compute_ms + predicted.total_ms)


def test_wraps_are_counted_and_explain_the_wrong_answers() -> None:
    """With 27 fractional bits products need 54 and truncations wrap often: an image is right just when none of its own did."""
    images = RNG.random((16, 3, 6, 6), np.float32)
    outcome = infer(MODEL, images, Settings("crypten", batch=16, precision_bits=27), note=True)
    wrapped = set(wraps(*(outcome.records[0][role]["notes"]["near"] for role in ("server", "client"))))
    off = np.abs(outcome.logits[0] - plain_logits(images)).max(1) > 1e-3
    assert len(wrapped) > 0 and off.any() and not off.all()
    assert set(np.flatnonzero(off)) <= wrapped


SECRET = Settings("crypten", batch=2)


def test_nothing_on_the_wire_tells_anything() -> None:
    """What server and client send each other is uniform: every bit is set in half of the words, and no two runs share a word.

    Among the words are single bits (CrypTen opens a masked sign as a whole word), which are set in half of the cases too. The
    last the server sends are its shares of the logits, for the client alone, who may know them.
    """
    first, second = (infer(MODEL, IMAGES, SECRET, tap=True).wire for _ in range(2))
    for way in (("server", "client"), ("client", "server")):
        words, others = (np.frombuffer(wire[way], np.int64) for wire in (first, second))
        single = (words == 0) | (words == 1)
        assert single.sum() == sum(operation.kept for operation in ARCHITECTURE.relus) * 2
        assert abs(words[single].mean() - 0.5) < 5 * 0.5 / single.sum() ** 0.5
        ones = (words[~single][:, None] >> np.arange(64) & 1).mean(0)
        assert np.abs(ones - 0.5).max() < 5 * 0.5 / (~single).sum() ** 0.5
        assert set(np.intersect1d(words, others)) <= {0, 1}
    assert ("server", "dealer") not in first and ("client", "dealer") not in first
    assert len(first["dealer", "client"]) == 16
