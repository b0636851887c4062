"""What every network of the project is: images float [0, 1] in, logits out, one batch-norm path per mode."""

import torch
from torch import Tensor, nn

from rlnet.models.batch_norm import ModeBatchNorm2d, NormedConv2d
from rlnet.models.switch import Switch
from rlnet.models.words import MODES

TOLERANCE = 1e-3  # of rounding; an image that is not in [0, 1] is off by far more


class ModeNetwork(nn.Module):
    """Base of the networks: normalises its input, then computes `logits` along the batch-norm path of a mode.

    mean, std: per channel, of [0, 1] pixels. A subclass defines `logits(x)` and `stage_sites`, the names of the ReLU sites
    at which its stages end. switch: how mode "auto" chooses between the other two; None until it is calibrated.
    """

    stage_sites: tuple[str, ...]
    switch: Switch | None = None
    chosen_mode = "normal"

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def take(self, mode: str) -> None:
        """Chooses the batch-norm path of the forward passes that follow."""
        for module in self.modules():
            if isinstance(module, ModeBatchNorm2d):
                module.take(mode)

    def mode(self, mode: str) -> "ModeNetwork":
        """Fixes the mode of all calls that name none: "normal", "adversarial" or "auto". Returns the network itself."""
        self._check_mode(mode)
        self.chosen_mode = mode
        return self

    def forward(self, x: Tensor, mode: str | None = None) -> Tensor:
        """Logits (B, K) of images x (B, C, H, W) in [0, 1].

        mode: "normal", "adversarial", "auto" (each image as `switch` says), or in training a view; None is the mode that
        `mode` fixed, "normal" at first. Raises ValueError for another word, for "auto" without a switch or in training, and in
        eval mode for images that are not in [0, 1].
        """
        mode = mode or self.chosen_mode
        if self.is_frozen:
            return self._normalised_logits(x)
        self._check_images(x)
        if mode == "auto":
            return self._switched(x)
        self.take(mode)
        return self._normalised_logits(x)

    def _switched(self, x: Tensor) -> Tensor:
        """Logits of the path that each image takes. Both paths compute every image, so the time tells nothing of the choice."""
        self._check_mode("auto")
        if self.training:
            raise ValueError('mode "auto" is for a trained network; call eval() first')
        return self.switch.logits(self.forward(x, "normal"), self.forward(x, "adversarial"))

    def _check_mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"there is no mode {mode!r}; use one of {', '.join(MODES)}")
        if mode == "auto" and self.switch is None:
            raise ValueError('mode "auto" needs a threshold; calibrate one (python -m rlnet.calibrate), or set network.switch')

    def _check_images(self, x: Tensor) -> None:
        """Raises ValueError for images that are no floats in [0, 1]: those of training and of attacks are by construction."""
        if not x.is_floating_point():
            raise ValueError(
                f"images are {x.dtype}; the network takes floats in [0, 1]: for uint8 images, images.float() / 255"
            )
        if not self.training and not x.is_meta and x.numel() and not torch.compiler.is_exporting():
            low, high = (float(value) for value in x.detach().aminmax())
            if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
                raise ValueError(
                    f"images lie in [{low:g}, {high:g}]; the network takes [0, 1] and normalises by itself, so divide by 255, "
                    "or leave your own normalisation out"
                )

    def _normalised_logits(self, x: Tensor) -> Tensor:
        if x.shape[1] != self.mean.shape[1]:
            raise ValueError(f"images have {x.shape[1]} channels; the network takes {self.mean.shape[1]}")
        return self.logits((x - self.mean) / self.std)

    @property
    def has_two_paths(self) -> bool:
        """Whether the modes differ: false where all views share one batch-norm path."""
        routes = [module.routes for module in self.modules() if isinstance(module, ModeBatchNorm2d)]
        return any(route["normal"] != route["adversarial"] for route in routes)

    @property
    def is_frozen(self) -> bool:
        """Whether the network is within `frozen`, which has fixed the mode."""
        return any(module.folded is not None for module in self.modules() if isinstance(module, NormedConv2d))

    def logits(self, x: Tensor) -> Tensor:
        raise NotImplementedError
