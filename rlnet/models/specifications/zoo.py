"""Published searched networks by name.

RNAS-CL's S3, S5 and S7 are the found ones; of M the paper gives the space, of which this is the largest. ProARD's found ones
are not published: these are the largest and the smallest of its spaces. "-relu" is the same with ReLUs instead of h-swish and
without squeeze-and-excitation, for private inference. RobNet's small and medium ones are not published either; the "-like" have
the published numbers of parameters, and -cClL is the large one's cell with C channels and L cells, for private inference.
robnet-large-imagenet has ImageNet's stem; robnet-large-denoise has denoising blocks, of which the paper says neither kind nor
place.
"""

from collections.abc import Callable
from dataclasses import replace

from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.published import mobilenet_v3, mobilenet_v3_large, resnet50, rnas_cl
from rlnet.models.specifications.robnet import FREE, LARGE, MEDIUM_LIKE, SMALL_LIKE, repeated
from rlnet.models.specifications.specification import Specification

SMALL = (16, 32, 64)
S3, S5 = ((16,) * 3, (20,) * 3, (52,) * 3), ((16,) * 5, (20,) * 5, (52,) * 5)
S7 = ((16,) * 7, (20,) * 7, (52, 52, 52, 52, 56, 56, 52))
M = ((80,) * 9, (160,) * 7, (128,))
MOBILE_MAX = (((7,) * 4,) * 5, ((6,) * 4,) * 5)
MOBILE_MIN = (((3,) * 2,) * 5, ((3,) * 2,) * 5)

ZOO: dict[str, Callable[[], Specification]] = {
    "rnas-cl-s3": lambda: rnas_cl(S3, SMALL, "hswish"),
    "rnas-cl-s3-relu": lambda: rnas_cl(S3, SMALL),
    "rnas-cl-s5": lambda: rnas_cl(S5, SMALL, "hswish"),
    "rnas-cl-s5-relu": lambda: rnas_cl(S5, SMALL),
    "rnas-cl-s7": lambda: rnas_cl(S7, SMALL, "hswish"),
    "rnas-cl-s7-relu": lambda: rnas_cl(S7, SMALL),
    "rnas-cl-m": lambda: rnas_cl(M, (80, 160, 128), "hswish"),
    "rnas-cl-m-relu": lambda: rnas_cl(M, (80, 160, 128)),
    "proard-resnet50-max": lambda: resnet50(
        ((88,) * 4, (176,) * 4, (360,) * 6, (720,) * 4), (256, 512, 1024, 2048), (32, 64), stem_residual=True
    ),
    "proard-resnet50-min": lambda: resnet50(((32,) * 2, (64,) * 2, (136,) * 4, (264,) * 2), (168, 336, 664, 1328), (24, 40)),
    "proard-mbv3-max": lambda: mobilenet_v3(*MOBILE_MAX, "published"),
    "proard-mbv3-max-relu": lambda: mobilenet_v3(*MOBILE_MAX),
    "proard-mbv3-min": lambda: mobilenet_v3(*MOBILE_MIN, "published"),
    "proard-mbv3-min-relu": lambda: mobilenet_v3(*MOBILE_MIN),
    "resnet50": lambda: resnet50(((64,) * 3, (128,) * 4, (256,) * 6, (512,) * 3), (256, 512, 1024, 2048)),
    "mbv3-large": mobilenet_v3_large,
    "mbv3-large-relu": lambda: mobilenet_v3_large("relu"),
    "robnet-large": lambda: repeated(LARGE),
    "robnet-large-v2": lambda: repeated(LARGE, channels=64, cells=33),
    "robnet-large-imagenet": lambda: replace(repeated(LARGE, channels=48), stem="imagenet"),
    "robnet-large-denoise": lambda: replace(repeated(LARGE), denoise="gaussian"),
    "robnet-free": lambda: CellSpec(FREE),
    "robnet-medium-like": lambda: repeated(MEDIUM_LIKE),
    "robnet-small-like": lambda: repeated(SMALL_LIKE),
    "robnet-large-c16l8": lambda: repeated(LARGE, channels=16, cells=8),
    "robnet-large-c8l8": lambda: repeated(LARGE, channels=8, cells=8),
    "robnet-large-c8l5": lambda: repeated(LARGE, channels=8, cells=5),
}
