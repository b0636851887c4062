"""The 1,797 hand-written digits that scikit-learn brings along (8x8, 17 gray levels), as 32x32 RGB images."""

import cv2
import numpy as np
import torch

from rlnet.data.config import DataConfig
from rlnet.data.dataset import ImageSet, Source, fingerprint_of_pixels
from rlnet.data.randomness import generator
from rlnet.data.splits import hold_out

SIDE = 32
TEST_IMAGES = 360


def digits(config: DataConfig) -> Source:
    """1,437 training and 360 test images, split by class, the same for every seed; config.root is not used."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    gray = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for image in raw.images * (255 / 16)])
    pixels = torch.from_numpy(gray.round().clip(0, 255).astype(np.uint8))
    everything = ImageSet(pixels[:, None].repeat(1, 3, 1, 1), torch.from_numpy(raw.target.astype(np.int64)))
    classes = tuple(str(digit) for digit in raw.target_names)
    train, test = hold_out(everything.labels, classes, TEST_IMAGES / len(everything), generator(0, "test split"))
    parts = everything.subset(train), everything.subset(test)
    return Source(*parts, classes, flip=False, fingerprint=fingerprint_of_pixels(*parts, classes))
