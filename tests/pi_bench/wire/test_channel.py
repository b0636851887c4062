"""Channels between this process (the server) and a real one (the client), which does what it is told."""

import socket
import time

import numpy as np
import pytest
import torch

from pi_bench.wire.channel import Traffic, _enlarge_buffers
from pi_bench.wire.hello import Refused
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import choose

from .peer import HEADER_BYTES


def test_an_exchange_fills_tensors_of_any_shape_in_place(start_peer):
    peer = start_peer()
    own = [torch.arange(3), torch.zeros(0, dtype=torch.int64), torch.ones(2, 2, dtype=torch.int64)]
    other = [torch.zeros(2, 3, dtype=torch.int64), torch.zeros((), dtype=torch.int64)]
    peer.tell("exchange", 7)
    peer.channel.exchange(own, other)
    assert other[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert other[1].item() == 6


def test_more_tensors_than_one_system_call_takes(start_peer):
    peer = start_peer()
    words = 3000
    own, other = list(np.arange(words).reshape(-1, 1)), list(np.zeros((words, 1), np.int64))
    peer.tell("exchange", words)
    peer.channel.exchange(own, other)
    assert [int(word[0]) for word in other] == list(range(words))


def test_rounds_and_bytes_are_counted_as_written(start_peer):
    peer = start_peer()
    channel = peer.channel
    for do, words, times in (("send", 5, 2), ("receive", 3, 1), ("exchange", 4, 3), ("receive", 2, 2)):
        peer.tell(do, words, times)
        for _ in range(times):
            own, other = np.zeros(words, np.int64), np.zeros(words, np.int64)
            if do == "exchange":
                channel.exchange([own], [other])
            elif do == "send":
                channel.receive([other])  # what the client sends
            else:
                channel.send([own])
    sent = [3, 4, 4, 4, 2, 2]
    received = [5, 5, 4, 4, 4]
    traffic = channel.snapshot()
    assert traffic.rounds == 1 + 1 + 3 + 1  # frames that follow each other the same way share a round
    assert traffic.sent_bytes == sum(HEADER_BYTES + 8 * words for words in sent)
    assert traffic.received_bytes == sum(HEADER_BYTES + 8 * words for words in received)
    assert channel.frames == 2 + 1 + 2 * 3 + 2
    assert traffic - traffic == Traffic()
    peer.tell("report")
    rounds, clients_sent, clients_received, *_ = channel.receive_object()
    assert (rounds, clients_sent, clients_received) == (traffic.rounds, traffic.received_bytes, traffic.sent_bytes)


def test_the_kernel_counts_the_same_bytes(start_peer):
    peer = start_peer()
    peer.tell("report")
    *before, sent, received = peer.channel.receive_object()
    ours = peer.channel.socket_bytes()
    peer.exchange_ms(1000, times=20)
    peer.exchange_ms(300_000)
    peer.tell("report")
    *after, sent_then, received_then = peer.channel.receive_object()
    ours_then = peer.channel.socket_bytes()
    counted = 21 * HEADER_BYTES + 8 * (20 * 1000 + 300_000)
    assert after[1] - before[1] == after[2] - before[2] == counted
    assert (sent_then - sent, received_then - received) == (counted, counted)
    assert (ours_then[0] - ours[0], ours_then[1] - ours[1]) == (counted, counted)
    assert peer.channel.snapshot().sent_bytes == counted  # nothing but frames counts


def test_large_frames_both_ways_do_not_block_each_other(start_peer):
    start_peer().exchange_ms(64 * 2**20 // 8)


def test_large_frames_one_after_the_other_do_not_block(start_peer):
    peer = start_peer()
    words = 2**20
    for _ in range(2):
        other = np.zeros(words, np.int64)
        peer.tell("send", words)
        peer.channel.receive([other])
        assert other[-1] == words - 1
        peer.tell("receive", words)
        peer.channel.send([other])


def test_a_kernel_that_does_not_say_how_large_buffers_may_be(tmp_path):
    """As in a container with a network namespace of its own."""
    with socket.socket() as connection:
        before = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        _enlarge_buffers(connection, tmp_path)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before


@pytest.mark.parametrize(("theirs", "ours"), [(10, 12), (100_000, 3)])
def test_frames_of_another_length_are_out_of_step(start_peer, theirs, ours):
    peer = start_peer()
    peer.tell("exchange", theirs)
    with pytest.raises(ProtocolError, match=rf"the client's frame has {8 * theirs:,} bytes, {8 * ours:,} are expected"):
        peer.channel.exchange([np.zeros(theirs, np.int64)], [np.zeros(ours, np.int64)])


def test_both_have_to_emulate(start_peer):
    peer = start_peer()
    peer.channel.emulate(choose("lan"))
    peer.tell("send", 1)
    with pytest.raises(ProtocolError, match="only one of this party and the client emulates"):
        peer.channel.receive([np.zeros(1, np.int64)])


def test_no_emulation_between_two_hosts(start_peer):
    channel = start_peer().channel
    channel._one_host = False
    with pytest.raises(Refused, match=r"wan is emulated, which needs processes of one host.*--network real"):
        channel.emulate(choose("wan"))
    channel.emulate(choose("real"))


def test_objects_are_neither_counted_nor_delayed(start_peer):
    peer = start_peer(choose(rtt_ms=60_000))
    content = {"text": "ü" * 100_000, "list": [1, 2.5, None, True, {"a": []}]}
    begin = time.perf_counter()
    peer.tell("echo")
    peer.channel.send_object(content)
    assert peer.channel.receive_object() == content
    assert time.perf_counter() - begin < 30
    assert peer.channel.snapshot() == Traffic()


def test_an_object_that_is_too_long_is_not_sent(start_peer):
    peer = start_peer()
    with pytest.raises(ValueError, match="67,108,877 bytes is too long to be sent; 67,108,864 is the limit"):
        peer.channel.send_object("a" * 64 * 2**20)


def test_nothing_but_json_is_sent(start_peer):
    with pytest.raises(TypeError):
        start_peer().channel.send_object({1, 2})


def test_an_object_that_does_not_come(start_peer):
    with pytest.raises(TimeoutError, match=r"the client has sent nothing for 0\.05 s"):
        start_peer().channel.receive_object(timeout_s=0.05)


def test_an_object_in_place_of_a_barrier_is_out_of_step(start_peer):
    peer = start_peer()
    peer.tell("report")
    with pytest.raises(ProtocolError, match="the client is at its object, this party at its barrier"):
        peer.channel.barrier()
