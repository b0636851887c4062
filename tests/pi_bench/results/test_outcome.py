"""From inferences to what a card is built from: right answers, wraps, offline."""

from typing import Any

import numpy as np
import pytest
import torch

from pi_bench.cost import Cost
from pi_bench.inputs import Images
from pi_bench.parties.inference import Inference
from pi_bench.protocols.shares.audit import Notes
from pi_bench.results.outcome import correctness, offline

LOGITS = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 0.5], [0.2, 0.1]])
PLAIN = np.array([[3.0, 1.1], [0.5, 1.0], [0.4, 0.5], [0.2, 0.1]])


def check(logits: np.ndarray, server: list[Any] | None = None, client: list[Any] | None = None) -> Inference:
    noted = {"server": server, "client": client}
    return Inference(logits, {role: {} if notes is None else {"notes": {"near": notes}} for role, notes in noted.items()})


def given(count: int, labels: list[int] | None = None) -> Images:
    return Images(np.full((count, 1, 2, 2), 0.5, np.float32), None if labels is None else np.array(labels))


def test_matches_errors_and_accuracy_of_the_first_images() -> None:
    """The last batch is filled up with the first image again, which does not count."""
    checks = [check(LOGITS[:2], [], []), check(LOGITS[2:], [], [])]
    found = correctness(checks, PLAIN[:3], given(3, [0, 1, 1]), 0.25)
    assert found["images"] == 3 and found["matches"] == 2 and found["images_sha256"] == given(3).sha256
    assert found["max_abs_logit_error"] == pytest.approx(1.0)
    assert found["mean_abs_logit_error"] == pytest.approx((0 + 0.1 + 0.5 + 1.0 + 0.6 + 0) / 6)
    assert (found["correct"], found["plain_correct"]) == (2, 3)
    assert (found["wraps"], found["wrapped_images"], found["expected_wraps"]) == (0, 0, 0.25)


def test_wraps_need_both_parties_notes() -> None:
    wrapped = [[0, 4, 7, 1], [1, 0, 2, -1], [1, 3, 5, 1]]
    checks = [check(LOGITS[:2], wrapped, [*wrapped, [0, 9, 9, 1]]), check(LOGITS[2:], [[0, 4, 7, 1]], [[0, 4, 7, -1]])]
    found = correctness(checks, PLAIN, given(4), None)
    assert (found["wraps"], found["wrapped_images"]) == (3, 2) and found["correct"] is None


def test_wraps_of_images_that_only_fill_up_a_batch_do_not_count() -> None:
    checks = [check(LOGITS[:2], [[1, 0, 1, 1]], [[1, 0, 1, 1]]), check(LOGITS[2:], *[[[0, 0, 2, 1], [1, 0, 3, 1]]] * 2)]
    found = correctness(checks, PLAIN[:3], given(3), None)
    assert (found["wraps"], found["wrapped_images"]) == (2, 2)


def test_a_client_alone_knows_neither_wraps_nor_plain_logits() -> None:
    found = correctness([check(LOGITS)], None, given(4, [0, 1, 0, 1]), None)
    assert found["correct"] == 3
    assert all(found[key] is None for key in ("matches", "plain_correct", "max_abs_logit_error", "wraps", "wrapped_images"))


def test_offline_is_by_role_and_by_direction() -> None:
    def record(seconds: float, **sent: list[int]) -> dict[str, Any]:
        held = {"memory_bytes": 10, "disk_bytes": 5, "peak_bytes": 70}
        return {"offline": {"seconds": seconds, "sent_bytes": sent, **held}}

    records = {
        "server": record(0.5, client=[0, 0], dealer=[0, 0]),
        "client": record(0.7, server=[0, 8], dealer=[0, 0]),
        "dealer": record(0.4, server=[50, 70], client=[16, 0]),
    }
    slower = {**records, "server": record(0.9, client=[0, 0])}
    found = offline([Inference(LOGITS, slower), Inference(LOGITS, records)], {"a": Cost(dealer_to_server_bytes=120)})
    assert found["seconds"] == {"server": [0.9, 0.5], "client": [0.7, 0.7], "dealer": [0.4, 0.4]}
    sent = {"dealer_to_server": 120, "dealer_to_client": 16, "client_to_server": 8, "server_to_client": 0}
    assert found["bytes"] == sent and found["predicted"]["dealer_to_server"] == 120
    assert found["held_bytes"] == {"server": 15, "client": 15}
    assert found["peak_bytes"] == {"server": 70, "client": 70, "dealer": 70}
    del records["dealer"]
    assert offline([Inference(LOGITS, records)], {})["bytes"]["dealer_to_server"] == 0  # no dealer: nothing is dealt before


def test_values_out_of_range_of_images_that_only_fill_up_a_batch_do_not_count() -> None:
    def noted(values: list[int]) -> Inference:
        notes = Notes(), Notes()
        for note, words in zip(notes, (values, [0] * len(values)), strict=True):
            note.compared("site", torch.tensor(words))
        records = {role: {"notes": note.to_json()} for role, note in zip(("server", "client"), notes, strict=True)}
        return Inference(LOGITS[:2], records)

    checks = [noted([9, 1, 1, 9]), noted([9, 1, 9, 9])]  # two values an image
    assert correctness(checks, PLAIN[:3], given(3), None, {"site": 9})["out_of_range"] == 3
    assert correctness(checks, PLAIN, given(4), None, {"site": 9})["out_of_range"] == 5
