"""Partial ReLUs: which ReLUs of a network are kept, and a network that keeps only those.

    PartialReLU                          the ReLU where a mask keeps it, the identity elsewhere
    find_sites, linearize, get_masks     a network's ReLU sites; putting masks into it, reading them back
    capture, count_kept                  the maps that leave the sites; how many ReLUs masks keep
    parse_budget, budget_name            budgets as people write them
    magnitude_sensitivity                how much each site matters                    SENet, reconstructed
    preset_sensitivity                   the vectors that RLNet published
    waterfill                            from sensitivities to counts per site         SENet
    exact_topk, random_mask              from counts to masks
    mask_change, normalised_hamming      how much masks changed
    save_masks, load_masks               the mask file, which other tools can write
    import_masks                         masks from the checkpoints of RLNet, SNL and AutoReP

Masks are a plain dict: site (module path) -> bool tensor (C, H, W), in forward order.
"""

from masks.allocate import waterfill as waterfill
from masks.budget import budget_name as budget_name
from masks.budget import parse_budget as parse_budget
from masks.files import load_masks as load_masks
from masks.files import save_masks as save_masks
from masks.importers import import_masks as import_masks
from masks.partial_relu import PartialReLU as PartialReLU
from masks.presets import preset_sensitivity as preset_sensitivity
from masks.select import exact_topk as exact_topk
from masks.select import mask_change as mask_change
from masks.select import normalised_hamming as normalised_hamming
from masks.select import random_mask as random_mask
from masks.sensitivity import magnitude_sensitivity as magnitude_sensitivity
from masks.sites import Masks as Masks
from masks.sites import Shape as Shape
from masks.sites import capture as capture
from masks.sites import count_kept as count_kept
from masks.sites import find_sites as find_sites
from masks.sites import get_masks as get_masks
from masks.sites import linearize as linearize
