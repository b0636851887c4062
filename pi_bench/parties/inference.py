"""One inference as its parties saw it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Inference:
    """logits: float64 (B, K), the client's. records: by role.

    A party's has "offline" and "online", what `Stopwatch.record` says of each pass; the offline one also "seconds",
    "memory_bytes" and "disk_bytes" (what is held for the inference) and "peak_bytes" (the most the process has had); and, where
    an auditor asked for them, "notes" (`pi_bench.protocols.shares.audit`). The dealer's has "offline".
    """

    logits: np.ndarray
    records: dict[str, dict[str, Any]]
