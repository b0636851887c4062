"""Data sets and training batches: `load` reads a data set by name; see batches.py for what training is fed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
