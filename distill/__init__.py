"""Distillation losses on tensors.

kd_kl, kl_student_first       softened predictions                      Hinton et al. 2015, Sec. 2; RNAS-CL Eq. 2
pram_printed, pram_released   post-ReLU activation mismatch             RLNet Eq. 4; the form of its public code
ce_by_view                    cross-entropy of each view                RLNet Eq. 1 and 2
kl_by_view                    teacher's clean prediction for each view  RLNet Eq. 3
pram_by_view                  PRAM of each view                         RLNet Eq. 5
label_attack                  cross-entropy of attacked images          Madry et al. 2018, Eq. 2.1
trades, trades_attack         clean and attacked predictions            Zhang et al. 2019, Algorithm 1
ard                           robust distillation with labels           Goldblum et al. 2020, Sec. 4
rslad, rslad_attack           robust distillation without labels        Zi et al. 2021; ProARD Eq. 2
cac                           confidence-aware consistency              RNAS-CL Eq. 5
attention_loss                attention maps against tutors'            RNAS-CL Eq. 1
layerwise_kl                  the same by KL divergence                 RNAS-CL Sec. 4.10
rkd_distance, rkd_angle       relations of pairs, triples of images     Park et al. 2019, Sec. 3.2
pkt                           similarities within a batch               Passalis & Tefas 2018, Sec. 3
"""

from distill.attention import attention_loss as attention_loss
from distill.attention import attention_map as attention_map
from distill.consistency import cac as cac
from distill.kd import kd_kl as kd_kl
from distill.kd import kl_student_first as kl_student_first
from distill.layerwise import layerwise_kl as layerwise_kl
from distill.pram import PramForm as PramForm
from distill.pram import pram as pram
from distill.pram import pram_printed as pram_printed
from distill.pram import pram_released as pram_released
from distill.relational import pkt as pkt
from distill.relational import rkd_angle as rkd_angle
from distill.relational import rkd_distance as rkd_distance
from distill.robust import ard as ard
from distill.robust import label_attack as label_attack
from distill.robust import rslad as rslad
from distill.robust import rslad_attack as rslad_attack
from distill.robust import trades as trades
from distill.robust import trades_attack as trades_attack
from distill.robust import trades_kl as trades_kl
from distill.three_way import ce_by_view as ce_by_view
from distill.three_way import kl_by_view as kl_by_view
from distill.three_way import pram_by_view as pram_by_view
