"""The measuring loop: turns, networks, what is counted, and which images."""

from collections.abc import Sequence

import numpy as np

from pi_bench.measure import Held, Plan, measure
from pi_bench.parties.inference import Inference
from pi_bench.wire.network import LOOPBACK, PROFILES, Network

LAN = PROFILES["lan"]
Call = tuple[str, tuple[int, ...], str, bool]


class Pretender:
    """A subject that keeps a diary, shared with the others."""

    def __init__(self, name: str, batch: int, diary: list[Call]):
        self.name, self.batch, self._diary = name, batch, diary

    def prepare(self, network: Network, note: bool = False) -> Held:
        self._diary.append((self.name, (), network.name, note))
        return {"client": {"inferences": len(self._diary), "memory_bytes": 0, "disk_bytes": 0}}

    def infer(self, indices: Sequence[int], network: Network, note: bool = False) -> Inference:
        self._diary.append((self.name, tuple(indices), network.name, note))
        return Inference(np.array(indices), {})


def test_subjects_take_turns_and_warm_ups_do_not_count() -> None:
    diary: list[Call] = []
    subjects = [Pretender("a", 1, diary), Pretender("b", 2, diary)]
    said: list[str] = []
    plan = Plan(3, [LAN, LOOPBACK], 1, 2)
    found = measure(subjects, plan, said.append)
    even = [("a", "lan"), ("b", "lan"), ("a", "loopback"), ("b", "loopback")]
    odd = [("b", "lan"), ("a", "lan"), ("b", "loopback"), ("a", "loopback")]  # nobody always follows the same one
    timed = diary[5:]  # after three checks of a and two of b
    assert [(name, network) for name, _, network, _ in timed] == [*even, *odd, *even]
    assert [indices for name, indices, _, _ in timed if name == "b"] == [(0, 1), (2, 0), (1, 2)] * 2
    assert all(len(repeats) == 2 for measured in found for repeats in measured.repeats.values())
    assert found[0].repeats["lan"][0].logits.tolist() == [2]  # the first turn's two inferences were warm-ups
    assert len(said) == len(diary) == plan.steps(subjects)


def test_answers_are_checked_on_every_image_without_a_network() -> None:
    diary: list[Call] = []
    found = measure([Pretender("a", 2, diary)], Plan(3, [LAN], 0, 1), lambda note: None)
    assert diary[:2] == [("a", (0, 1), "loopback", True), ("a", (2, 0), "loopback", True)]
    assert len(found[0].checks) == 2


def test_wraps_are_noted_only_where_there_is_an_auditor() -> None:
    diary: list[Call] = []
    measure([Pretender("a", 1, diary)], Plan(2, [LAN], 0, 1, note=False), lambda note: None)
    assert not any(noted for *_, noted in diary)


def test_inferences_are_prepared_before_the_first_image_and_noted_as_those_they_are_for() -> None:
    diary: list[Call] = []
    plan = Plan(2, [LAN, LOOPBACK], 0, 1, ahead=3)
    (measured,) = measure([Pretender("a", 1, diary)], plan, lambda note: None)
    assert diary[:3] == [("a", (), "lan", True), ("a", (), "lan", True), ("a", (), "lan", False)]
    assert all(indices for _, indices, *_ in diary[3:]) and len(diary) == plan.steps([Pretender("a", 1, diary)])
    assert measured.ahead["client"]["inferences"] == 3
