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

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
