"""What a benchmark can be told."""

from dataclasses import dataclass
from pathlib import Path

from pi_bench.given import check_ahead
from pi_bench.protocols.settings import Settings
from pi_bench.wire.network import REAL, Network, choose


@dataclass(frozen=True)
class BenchmarkConfig:
    """Runs a network securely between two parties and says what it costs.

    Args:
        against: further networks to measure in turn with it, with commas between; NAME.onnx@PROTOCOL for another protocol.
        mode: which mode of a file that holds several, or several with commas between, each measured; its first one without.
            Files in --against that hold no modes run as they are.
        inputs: images to check answers on, a .npz file (images, labels) or a folder; random ones without.
        labels: their labels, if they are not with the images; then accuracy under encryption is measured.
        images: on how many of them answers are checked; 16 random or at most 100 given ones without.
        protocol: one-trip, crypten or crypten-plain, several with commas between: each is run, in turn with the others.
        provider: who makes the correlated randomness: dealer, or insecure-first-party (CrypTen's; the server could read all).
        precision_bits: fractional bits of fixed-point numbers; more are more exact and wrap more often.
        batch: images in one inference.
        comparison_bits: how many bits of a value one-trip's comparisons read, 64 less the precision bits for all of them;
            without it the server chooses by its calibration images.
        calibration: those images, a .npz file or a folder; without it other random ones, or those of --inputs that are not
            checked (where there are none, those that are).
        network: loopback, lan, wan, lan-1g or wan-100m, several with commas between; all but loopback are emulated.
        rtt_ms: an own network: time to the other party and back.
        mbit_per_s: an own network: bandwidth of each direction.
        repeats: counted inferences.
        warmups: inferences before that.
        seed: of random images.
        out: folder for cards, picture and page; by default pi_bench/ beside the model.
        ahead: inferences that are prepared before the first image; what they hold is said.
        ahead_folder: where what the dealer sends is kept until it is used, in files without names; in memory without.
        threads: of each party; with one, server and client have a core each.
        all_layers: the table shows every layer.
    """

    against: str = ""
    mode: str | None = None
    inputs: Path | None = None
    labels: Path | None = None
    images: int | None = None
    protocol: str = "one-trip,crypten"
    provider: str = "dealer"
    precision_bits: int = Settings.precision_bits
    batch: int = 1
    comparison_bits: int | None = None
    calibration: Path | None = None
    network: str = "loopback"
    rtt_ms: float | None = None
    mbit_per_s: float | None = None
    repeats: int = 21
    warmups: int = 3
    seed: int = 0
    out: Path | None = None
    ahead: int = 0
    ahead_folder: Path | None = None
    threads: int = 1
    all_layers: bool = False

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.warmups < 0:
            raise ValueError(f"repeats is {self.repeats} and warmups {self.warmups}: at least 1 and 0")
        if self.images is not None and self.images < 1:
            raise ValueError(f"images is {self.images}: answers are checked on at least 1")
        check_ahead(self.ahead, self.ahead_folder)
        if self.threads < 1:
            raise ValueError(f"threads is {self.threads}: at least 1")
        if self.comparison_bits is not None and self.calibration is not None:
            raise ValueError("comparison bits are given or chosen by calibration; leave out --comparison-bits or --calibration")
        if self.labels is not None and self.inputs is None:
            raise ValueError("labels without images; give --inputs too")
        for protocol in (*self.protocols, *(protocol for _, protocol in self.others if protocol)):
            self.settings(protocol)  # which checks them
        _ = self.networks  # likewise

    @property
    def networks(self) -> list[Network]:
        """Those that are asked for, each once. Raises ValueError for what cannot be emulated here, or told apart."""
        found = list(dict.fromkeys(choose(name.strip(), self.rtt_ms, self.mbit_per_s) for name in self.network.split(",")))
        if REAL in found:
            raise ValueError("all parties run on this host here; for a real network start each by python -m pi_bench party")
        if len({network.name for network in found}) < len(found):
            raise ValueError(f"--rtt-ms and --mbit-per-s make one own network, not {len(found)}; give one --network with them")
        return found

    @property
    def modes(self) -> list[str | None]:
        """Those that are asked for, each once; None is a file's first one."""
        return [None] if self.mode is None else list(dict.fromkeys(name.strip() for name in self.mode.split(",")))

    @property
    def protocols(self) -> list[str]:
        """Those that are asked for, each once."""
        return list(dict.fromkeys(name.strip() for name in self.protocol.split(",")))

    @property
    def others(self) -> list[tuple[Path, str]]:
        """Files of `against`, each with its protocol; "" where it is run under those of all."""
        parts = (name.strip().partition("@") for name in filter(None, self.against.split(",")))
        return [(Path(file), protocol) for file, _, protocol in parts]

    def settings(self, protocol: str) -> Settings:
        return Settings(protocol, self.provider, self.precision_bits, self.batch, self.comparison_bits)
