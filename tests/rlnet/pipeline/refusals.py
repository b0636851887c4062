"""What tests of refusals name alike: the fixture `refuse`, and stages of the tiny run as folders in its folder of runs."""

from collections.abc import Callable

Refuse = Callable[..., None]
STUDENT, MASKS = "digits/relu-3133/student", "digits/relu-3133/masks"
