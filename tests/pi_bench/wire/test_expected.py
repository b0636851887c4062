"""Frames that are expected before they are waited for: between two parties, each in a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from pi_bench.wire.address import listen
from pi_bench.wire.channel import Channel
from pi_bench.wire.frames import Frame
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import LOOPBACK, Network
from pi_bench.wire.rendezvous import connect

Do = Callable[[Channel], Any]
LARGE = 32 * 2**20 // 8  # words: far more than the kernel holds between two parties


def both(server: Do, client: Do, network: Network = LOOPBACK) -> list[Any]:
    """Runs a function of its channel for the server and one for the client at the same time, and gives what they return."""
    listener, found = listen(("127.0.0.1", 0)), [Future(), Future()]
    address = listener.getsockname()

    def party(role: str, peer: str, do: Do, result: Future[Any]) -> None:
        own = listener if role == "server" else None
        try:
            with connect(role, address, {}, listener=own, network=network, needs_dealer=False) as links:
                channel = links.channels[peer]
                channel.barrier()
                returned = do(channel)
                channel.barrier()  # neither leaves while the other one still sends
            result.set_result(returned)
        except BaseException as error:
            result.set_exception(error)

    for end in zip(("server", "client"), ("client", "server"), (server, client), found, strict=True):
        threading.Thread(target=party, args=end, daemon=True).start()  # one that waits for ever does not outlive the tests
    return [result.result(timeout=120) for result in found]


def sent(channel: Channel, *values: int, words: int = 1) -> None:
    """A frame for each value."""
    for value in values:
        channel.send([np.full(words, value)])


def take_all(channel: Channel, frames: Sequence[Frame]) -> None:
    for frame in frames:
        channel.take(frame)


def room(words: int = 1) -> np.ndarray:
    return np.zeros(words, np.int64)


def test_two_parties_that_both_send_much_first_do_not_wait_for_each_other_for_ever() -> None:
    """Neither takes anything before all that it has to send is with the kernel, which does not hold that much."""

    def flood(channel: Channel) -> np.ndarray:
        other = room(LARGE)
        expected = channel.expect([other])
        channel.send([np.arange(LARGE)])
        channel.take(expected)
        return other

    for other in both(flood, flood):
        np.testing.assert_array_equal(other, np.arange(LARGE))


def test_much_in_several_frames_both_ways() -> None:
    """What is expected comes in while a party sends, whichever frame of its own it is at."""

    def flood(channel: Channel) -> list[int]:
        others = [room(LARGE // 4) for _ in range(4)]
        expected = [channel.expect([other]) for other in others]
        sent(channel, 1, 2, 3, 4, words=LARGE // 4)
        take_all(channel, expected)
        return [int(value) for other in others for value in np.unique(other)]

    assert both(flood, flood) == [[1, 2, 3, 4]] * 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=str)
def test_frames_fill_what_is_expected_in_the_order_in_which_they_are_sent(order: tuple[int, ...]) -> None:
    """In whichever order they are taken; the tensors of a frame have any shapes."""

    def take(channel: Channel) -> list[Any]:
        others = [[room(1)], [room(3), np.zeros((2, 2), np.int64)], [room(2)]]
        expected = [channel.expect(tensors) for tensors in others]
        take_all(channel, [expected[index] for index in order])
        return [[tensor.tolist() for tensor in tensors] for tensors in others]

    def send(channel: Channel) -> None:
        for start, words in ((0, 1), (1, 7), (8, 2)):
            channel.send([np.arange(start, start + words)])

    assert both(take, send)[0] == [[[0]], [[1, 2, 3], [[4, 5], [6, 7]]], [[8, 9]]]


def test_a_frame_that_is_expected_after_it_has_come() -> None:
    """And one that is received at once follows those that were expected."""

    def take(channel: Channel) -> list[int]:
        first, second, third = room(), room(), room()
        expected = channel.expect([first])
        channel.barrier()
        later = channel.expect([second])
        channel.receive([third])
        take_all(channel, [expected, later])
        return [int(tensor[0]) for tensor in (first, second, third)]

    def send(channel: Channel) -> None:
        sent(channel, 1, 2, 3)
        channel.barrier()

    assert both(take, send)[0] == [1, 2, 3]


@pytest.mark.parametrize("theirs", [(5, 3), (3, 2), (3, 4)])
def test_a_frame_of_another_length_is_refused(theirs: tuple[int, int]) -> None:
    """Three words are expected twice: as soon as the wrong frame is there, whichever is waited for."""
    (wrong,) = {*theirs} - {3}

    def take(channel: Channel) -> None:
        expected = [channel.expect([room(3)]) for _ in range(2)]
        with pytest.raises(ProtocolError, match=rf"the client's frame has {8 * wrong} bytes, 24 are expected"):
            take_all(channel, expected)

    both(take, lambda channel: [sent(channel, 0, words=words) for words in theirs])


def test_a_frame_of_another_length_is_refused_while_this_party_sends() -> None:
    """So an answer that is out of step does not have a party wait for one that no longer takes anything."""

    def flood(channel: Channel) -> None:
        channel.expect([room(3)])
        with pytest.raises(ProtocolError, match="the client's frame has 40 bytes, 24 are expected"):
            sent(channel, 1, words=LARGE)

    both(flood, lambda channel: sent(channel, 9, words=5))


def asked(channel: Channel) -> int:
    """Three frames, and three in answer; the rounds that the party who asks counts."""
    expected = [channel.expect([room()]) for _ in range(3)]
    sent(channel, 1, 2, 3)
    take_all(channel, expected)
    return channel.rounds


def answered(channel: Channel) -> int:
    """Each answer goes as soon as its question is there."""
    expected = [channel.expect([room()]) for _ in range(3)]
    for frame in expected:
        channel.take(frame)
        sent(channel, 0)
    return channel.rounds


def test_a_question_in_three_frames_and_an_answer_in_three_are_two_rounds() -> None:
    assert both(asked, answered) == [2, 2]


def test_questions_that_wait_for_the_answer_before_are_rounds_of_their_own() -> None:
    """The contrast: three times there and back."""

    def ask(channel: Channel) -> int:
        for _ in range(3):
            expected = channel.expect([room()])
            sent(channel, 1)
            channel.take(expected)
        return channel.rounds

    assert both(ask, answered) == [6, 6]


def test_what_has_come_and_was_not_taken_is_no_round_before_what_is_sent() -> None:
    """A party that has not looked at an answer cannot have waited for it. It comes in while the second question is sent."""
    words = (1, LARGE, 1)

    def ask(channel: Channel) -> int:
        expected = [channel.expect([room()]) for _ in words]
        for count in words:
            sent(channel, 1, words=count)
            channel.receive_object()  # the answer is on its way
        take_all(channel, expected)
        return channel.rounds

    def answer(channel: Channel) -> int:
        for count in words:
            channel.receive([room(count)])
            sent(channel, 0)
            channel.send_object("answered")
        return channel.rounds

    assert both(ask, answer) == [2, 2]


def test_bytes_and_frames_are_counted_once() -> None:
    def count(do: Do) -> Do:
        def counted(channel: Channel) -> tuple[int, int, int]:
            do(channel)
            return channel.sent_bytes, channel.received_bytes, channel.frames

        return counted

    assert both(count(asked), count(answered)) == [(3 * 24, 3 * 24, 6)] * 2


def test_on_an_emulated_network_answers_in_pieces_take_one_round_trip() -> None:
    """Not three: 1 s each."""

    def timed(channel: Channel) -> float:
        asked(channel)
        return channel.waited_s

    waited_s, _ = both(timed, answered, Network("custom", 1000.0, None, True))
    assert 0.5 < waited_s < 2.5
