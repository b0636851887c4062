"""Attacks within an L-infinity ball around images in [0, 1]."""

from rlnet.attacks.pgd import AttackConfig as AttackConfig
from rlnet.attacks.pgd import Pixels as Pixels
from rlnet.attacks.pgd import pgd_linf as pgd_linf
