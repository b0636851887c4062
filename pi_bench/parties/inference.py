"""One inference as its parties saw it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Inference:
    """logits: float64 (B, K), the client's. records: by role.

    A party's has "offline" and "online", what `Stopwatch.record` says of each pass, the offline one with "seconds" and
    "memory_bytes" and "disk_bytes"; and, where an auditor asked for them, "notes" (`pi_bench.protocols.shares.audit`). The dealer's has "offline".
    """

    logits: np.ndarray
    records: dict[str, dict[str, Any]]
