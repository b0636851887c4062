"""A subject of the benchmark whose parties are processes of this host.

The benchmark is the auditor: it knows the model and the images, and gets from both parties what they note of wrapped
truncations. The parties tell each other nothing of that.
"""

from collections.abc import Mapping, Sequence
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

    images: the .npz file that the client reads; mode: of a model that holds several; calibration: the server's images; threads:
    of each party; ahead_folder: where they keep what is dealt. facts: what the parties say of themselves after the set-up, by
    role.
    """

    model: Path
    images: Path
    settings: Settings
    network: Network
    mode: str | None = None
    calibration: Path | None = None
    threads: int = 1
    ahead_folder: Path | None = None

    def __post_init__(self) -> None:
        self.batch = self.settings.batch
        roles = ("server", "client", "dealer") if self.settings.needs_dealer else ("server", "client")
        given = _flags({"--mode": self.mode, "--calibration": self.calibration})
        how = {"--timeout-s": 120, "--threads": self.threads, "--ahead-folder": self.ahead_folder}
        own = {"server": ["--model", str(self.model), *given], "client": ["--inputs", str(self.images)], "dealer": []}
        shared = [*self.settings.arguments(), *_network_arguments(self.network), *_flags(how)]
        self._parties = Parties({role: [*own[role], *shared] for role in roles}, threads=self.threads)

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

    def prepare(self, network: Network, note: bool = False) -> dict[str, dict[str, int]]:
        """The offline phase of one inference more; returns by role what all that are prepared hold."""
        self._parties.send("client", {"indices": None, "network": asdict(network), "note": note})
        return self._parties.receive("client")

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
    return ["--network", LOOPBACK.name, *_flags({"--rtt-ms": network.rtt_ms, "--mbit-per-s": network.mbit_per_s})]


def _flags(values: Mapping[str, Any]) -> list[str]:
    """Flags with their values, of those that have one."""
    return [word for flag, value in values.items() if value is not None for word in (flag, str(value))]
