"""What a party can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pi_bench.given import check_ahead
from pi_bench.protocols.settings import Settings
from pi_bench.wire.address import parse
from pi_bench.wire.network import Network, choose


@dataclass(frozen=True)
class PartyConfig:
    """Runs one party of a secure inference. Start one of each role; all with the same settings.

    Args:
        role: the server holds the weights, the client the images, the dealer deals correlated randomness.
        rendezvous: tcp://host:port, where the server listens and the others find it.
        model: the server's ONNX file.
        mode: which mode of it, if it holds several; its first one without.
        inputs: the client's images, a .npz file or a folder.
        labels: the client's labels, if they are not with the images.
        plain_logits: for the client, a .npy file of the logits in the clear, to compare with.
        card: where the client writes the result.
        protocol: how products and comparisons are made.
        provider: who makes the correlated randomness; insecure-first-party is CrypTen's default, the server could read all.
        precision_bits: fractional bits of fixed-point numbers.
        batch: images in one inference.
        comparison_bits: how many bits of a value one-trip's comparisons read; without it the server chooses by its calibration.
        calibration: the server's own images, a .npz file or a folder, by which it chooses; all bits are read without.
        network: real between hosts; a profile to emulate between processes of one host.
        rtt_ms: an own network to emulate: time to the other party and back.
        mbit_per_s: an own network to emulate: bandwidth of each direction.
        digest: the architecture that this party wants; another one is refused.
        images: on how many images answers are checked; all without.
        repeats: counted inferences.
        warmups: inferences before that.
        ahead: inferences that are prepared before the first image; what they hold is said.
        ahead_folder: where what the dealer sends is kept until it is used, in files without names; in memory without.
        threads: of this process.
        timeout_s: how long the other parties may take to arrive.
        listen_fd: a listening socket that the starting program has opened.
        parent_fd: the connection to the starting program.
    """

    role: Literal["server", "client", "dealer"]
    rendezvous: str
    model: Path | None = None
    mode: str | None = None
    inputs: Path | None = None
    labels: Path | None = None
    plain_logits: Path | None = None
    card: Path | None = None
    protocol: str = Settings.protocol
    provider: str = "dealer"
    precision_bits: int = Settings.precision_bits
    batch: int = 1
    comparison_bits: int | None = None
    calibration: Path | None = None
    network: str = "real"
    rtt_ms: float | None = None
    mbit_per_s: float | None = None
    digest: str | None = None
    images: int | None = None
    repeats: int = 21
    warmups: int = 3
    ahead: int = 0
    ahead_folder: Path | None = None
    threads: int = 1
    timeout_s: float = 30.0
    listen_fd: int | None = None
    parent_fd: int | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.warmups < 0 or self.threads < 1 or (self.images is not None and self.images < 1):
            counts = f"{self.repeats}, {self.warmups}, {self.threads} and {self.images}"
            raise ValueError(f"repeats, warmups, threads and images are {counts}: at least 1, 0, 1 and 1")
        check_ahead(self.ahead, self.ahead_folder)
        if self.role == "dealer" and not self.settings.needs_dealer:
            raise ValueError("with the provider insecure-first-party there is no dealer; start a server and a client only")
        if self.role == "server" and self.model is None:
            raise ValueError("the server needs --model MODEL.onnx")
        if self.role == "client" and self.inputs is None:
            raise ValueError("the client needs --inputs IMAGES, a .npz file or a folder")
        if self.role != "server" and self.model is not None:
            raise ValueError(f"the {self.role} must not see the model; leave out --model")
        if self.role != "server" and self.mode is not None:
            raise ValueError(f"the mode is chosen by the server, which has the model, not by the {self.role}; leave out --mode")
        if self.role != "server" and self.calibration is not None:
            raise ValueError(f"comparison bits are chosen by the server, not by the {self.role}; leave out --calibration")
        if self.comparison_bits is not None and self.calibration is not None:
            raise ValueError("comparison bits are given or chosen by calibration; leave out --comparison-bits or --calibration")
        if self.role != "client" and self.inputs is not None:
            raise ValueError(f"the {self.role} must not see the images; leave out --inputs")
        _ = self.settings, self.chosen_network, parse(self.rendezvous)  # which checks them

    @property
    def settings(self) -> Settings:
        return Settings(self.protocol, self.provider, self.precision_bits, self.batch, self.comparison_bits)

    @property
    def chosen_network(self) -> Network:
        return choose(self.network, self.rtt_ms, self.mbit_per_s)
