"""CrypTen's comparison when the other party is lost: in whichever round, that is what is said."""

from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch

from pi_bench.protocols.crypten.relu import OPENED_WORDS, relu_correlations
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.wire.watch import PartyLost

from ...three_parties import CONTEXT


class FailingChannel:
    """Exchanges with a peer that sends zeros, and loses it in one round."""

    def __init__(self, lost_in: int):
        self._left = lost_in + 1  # the seeds are exchanged before

    def exchange(self, outgoing: Any, incoming: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise PartyLost("client", "closed its connection")
        for tensor in incoming:
            tensor.zero_()


def compare(lost_in: int, pipe: Connection) -> None:
    from pi_bench.protocols.crypten.engine import Engine

    stream = Stream(torch.tensor([1, 2]))
    engine = Engine("server", FailingChannel(lost_in), True)
    engine.fill([(correlation, correlation.of_client(stream, ())) for correlation in relu_correlations((5,))])
    try:
        engine.relu(stream.ring((5,)))
    except Exception as error:
        pipe.send(repr(error))
    else:
        pipe.send("nothing")


@pytest.mark.parametrize("lost_in", range(len(OPENED_WORDS) + 1))
def test_a_party_is_lost_in_a_round(lost_in: int) -> None:
    """CrypTen must not take it for a lack of memory, as it does every RuntimeError. Past the last round nothing is lost."""
    pipe, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=compare, args=(lost_in, theirs))
    process.start()
    said = pipe.recv()
    process.join()
    assert said == ("nothing" if lost_in == len(OPENED_WORDS) else "PartyLost('the client closed its connection')")
