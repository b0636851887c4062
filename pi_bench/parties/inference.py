"""One inference as its parties saw it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Inference:
    """logits: float64 (B, K), the client's. records: by role, what `Stopwatch.record` says, with "offline_s" and, where wraps
    were noted, "notes"; the dealer's has "seconds", "server_bytes", "client_bytes".
    """

    logits: np.ndarray
    records: dict[str, dict[str, Any]]
