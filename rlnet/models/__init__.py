"""Networks by name or specification: `build(NetworkConfig(...), ...)` gives an all-ReLU network with mode-wise batch norm."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
