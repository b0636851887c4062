"""Partial ReLUs: which ReLUs of a network are kept, and a network that keeps only those.

    PartialReLU                          the ReLU where a mask keeps it, the identity elsewhere
    find_sites, linearize, get_masks     a network's ReLU sites; putting masks into it, reading them back
    masks_of, count_kept                 the masks of all sites, all-ReLU ones too; how many ReLUs they keep
    capture                              the maps that leave the sites
    parse_budget, budget_name            budgets as people write them
    magnitude_sensitivity                how much each site matters                    SENet, reconstructed
    preset_sensitivity                   the vectors that RLNet published
    waterfill                            from sensitivities to counts per site         SENet
    exact_topk, random_mask              from counts to masks
    mask_change, normalised_hamming      how much masks changed
    save_masks, load_masks               the mask file, which other tools can write
    masks_digest                         what tells two sets of masks apart
    import_masks                         masks from the checkpoints of RLNet, SNL and AutoReP

Masks are a plain dict: site (module path) -> bool tensor (C, H, W), in forward order.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
