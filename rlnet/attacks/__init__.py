"""Attacks within an L-infinity ball around images in [0, 1].

In training, `pgd_linf` raises one loss of the whole batch. In evaluation, `named` makes attacks and `robust_under` runs them:

| name           | attack                                                 | source                       | module        |
|----------------|--------------------------------------------------------|------------------------------|---------------|
| fgsm           | one step along the gradient's sign                     | Goodfellow et al. 2015       | gradient_sign |
| pgd-N, pgd-NxR | N steps of cross-entropy from a random start, R starts | Madry et al. 2018            | gradient_sign |
| mi-fgsm(-N)    | 10 (N) steps with momentum                             | Dong et al. 2018             | gradient_sign |
| cw(-N)         | 30 (N) steps of PGD on the margin                      | Carlini & Wagner 2017        | gradient_sign |
| deepfool       | steps to the nearest linearized boundary               | Moosavi-Dezfooli et al. 2016 | deepfool      |
| apgd-ce, -dlr  | 100 steps of Auto-PGD on cross-entropy or the DLR loss | Croce & Hein 2020, ICML      | apgd          |
| apgd-t         | the same on the targeted DLR loss, 9 target classes    | Croce & Hein 2020, ICML      | apgd          |
| fab-t          | 100 steps along the boundary, 9 target classes         | Croce & Hein 2020, FAB       | fab           |
| square(-N)     | 5,000 (N) queries of random search, no gradient        | Andriushchenko et al. 2020   | square        |
| autoattack     | apgd-ce, apgd-t, fab-t, square, each on what is left   | Croce & Hein 2020, ICML      | named         |
"""

from rlnet.attacks.apgd import AutoPGD as AutoPGD
from rlnet.attacks.apgd import TargetedAutoPGD as TargetedAutoPGD
from rlnet.attacks.attack import Attack as Attack
from rlnet.attacks.attack import Classifier as Classifier
from rlnet.attacks.deepfool import DeepFool as DeepFool
from rlnet.attacks.draws import Draws as Draws
from rlnet.attacks.ensemble import ROBUST as ROBUST
from rlnet.attacks.ensemble import WRONG as WRONG
from rlnet.attacks.ensemble import Stage as Stage
from rlnet.attacks.ensemble import robust_under as robust_under
from rlnet.attacks.fab import TargetedFAB as TargetedFAB
from rlnet.attacks.gradient_sign import GradientSign as GradientSign
from rlnet.attacks.named import named as named
from rlnet.attacks.objective import Objective as Objective
from rlnet.attacks.pgd import AttackConfig as AttackConfig
from rlnet.attacks.pgd import Pixels as Pixels
from rlnet.attacks.pgd import pgd_linf as pgd_linf
from rlnet.attacks.square import Square as Square
