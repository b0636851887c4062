"""What is prepared ahead is used as it was prepared."""

import pytest

from pi_bench.parties.session import Computing
from pi_bench.protocols.party import Prepared
from pi_bench.protocols.room import Room
from pi_bench.protocols.shares.audit import Notes
from pi_bench.wire.messages import ProtocolError


class Pretender:
    """A party that prepares nothing."""

    def prepare(self, note: bool, mark: object) -> Prepared:
        return Prepared(Notes() if note else None, Room())


@pytest.mark.parametrize("note", [True, False])
def test_an_auditor_gets_the_notes_of_the_inference_that_they_are_of(note: bool) -> None:
    """One that was prepared with notes for another use, or without, would leave him waiting, or with those of another."""
    computing = Computing(Pretender(), "server", {})
    computing.prepare(not note)
    assert computing.held() == {"inferences": 1, "memory_bytes": 0, "disk_bytes": 0}
    with pytest.raises(ProtocolError, match="auditor"):
        computing.infer(None, note)
