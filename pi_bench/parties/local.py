"""A subject of the benchmark whose parties are processes of this host.

The benchmark is the auditor: it knows the model and the images, and gets from both parties what they note of wrapped
truncations. The parties tell each other nothing of that.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pi_bench.parties.inference import Inference
from pi_bench.parties.launch import Parties
from pi_bench.protocols.settings import Settings
from pi_bench.wire.network import LOOPBACK, PROFILES, Network

END = None  # the order that ends a client


@dataclass
class LocalParties:
    """Server, client and dealer for one model and one protocol, started and ended with the `with` statement.

    images: the .npz file that the client reads; mode: of a model that holds several; facts: what the parties say of themselves
    after the set-up, by role.
    """

    model: Path
    images: Path
    settings: Settings
    network: Network
    mode: str | None = None

    def __post_init__(self) -> None:
        self.batch = self.settings.batch
        roles = ("server", "client", "dealer") if self.settings.needs_dealer else ("server", "client")
        mode = [] if self.mode is None else ["--mode", self.mode]
        own = {"server": ["--model", str(self.model), *mode], "client": ["--inputs", str(self.images)], "dealer": []}
        shared = [*self.settings.arguments(), *_network_arguments(self.network), "--timeout-s", "120"]
        self._parties = Parties({role: [*own[role], *shared] for role in roles})

    def __enter__(self) -> "LocalParties":
        self._parties.__enter__()
        try:
            self.facts: dict[str, Any] = self._parties.receive("client")
        except BaseException as error:
            self._parties.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            if error is None:
                self._parties.send("client", END)
                self._parties.wait()
        finally:
            self._parties.__exit__(kind, error, traceback)

    @property
    def pids(self) -> dict[str, int]:
        """The parties' processes by role."""
        return self._parties.pids

    def infer(self, indices: Sequence[int], network: Network, note: bool = False) -> Inference:
        """One inference on images of the file. Raises PartiesFailed where a party is lost."""
        self._parties.send("client", {"indices": list(indices), "network": asdict(network), "note": note})
        found = self._parties.receive("client")
        if note:
            found["records"]["server"]["notes"] = self._parties.receive("server")
        return Inference(np.array(found["logits"]), found["records"])


def _network_arguments(network: Network) -> list[str]:
    """The flags that choose this network."""
    if network.name in PROFILES:
        return ["--network", network.name]
    own = {"--rtt-ms": network.rtt_ms, "--mbit-per-s": network.mbit_per_s}
    given = [word for flag, value in own.items() if value is not None for word in (flag, str(value))]
    return ["--network", LOOPBACK.name, *given]
