"""Robust networks with few ReLUs for private inference (RLNet, Sarkar et al. 2024, arXiv:2402.05521).

    import rlnet
    student = rlnet.load("runs/digits/relu-50k/student")
    logits = student(images, mode="normal")  # or "adversarial", or "auto", by prediction confidence

Shapes use the same letters everywhere: B images, C channels, H W map, K classes, S ReLU sites. Images are float [0, 1].
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
