"""Published searched networks by name."""

from collections.abc import Callable

from rlnet.models.specification import Specification

ZOO: dict[str, Callable[[], Specification]] = {}
