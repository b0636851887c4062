"""What an evaluation is made of: the paths of a network, parts that can be done one by one, and what their outcomes say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
