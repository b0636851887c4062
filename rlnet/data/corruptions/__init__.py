"""Common corruptions of a batch of images at five severities: `corrupt(images, name, severity, generator=...)`.

Hendrycks & Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations", Sec. 3
and appendix: the fifteen corruptions of CIFAR-10-C in the benchmark's order (`CORRUPTIONS`) and the four it keeps for
validation (`EXTRA`). Each family is a file; `constants.py` says which constants an image size gets. Docstrings say
where a corruption departs from the benchmark; one is a substitute: `frost` uses noise with the statistics of the
benchmark's photographs. docs/evaluation.md measures how near all nineteen come.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
