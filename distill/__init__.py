"""Distillation losses on tensors.

kd_kl                         softened predictions                      Hinton et al. 2015, Sec. 2
pram_printed, pram_released   post-ReLU activation mismatch             RLNet Eq. 4; the form of its public code
ce_by_view                    cross-entropy of each view                RLNet Eq. 1 and 2
kl_by_view                    teacher's clean prediction for each view  RLNet Eq. 3
pram_by_view                  PRAM of each view                         RLNet Eq. 5
"""

from distill.kd import kd_kl as kd_kl
from distill.pram import PramForm as PramForm
from distill.pram import pram as pram
from distill.pram import pram_printed as pram_printed
from distill.pram import pram_released as pram_released
from distill.three_way import ce_by_view as ce_by_view
from distill.three_way import kl_by_view as kl_by_view
from distill.three_way import pram_by_view as pram_by_view
