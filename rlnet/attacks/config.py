"""The adversary of training and evaluation: its distances, written like 8/255, and the PGD of the adversarial view."""

from dataclasses import dataclass
from fractions import Fraction

from jsonargparse.typing import register_type


class Pixels(float):
    """A distance in [0, 1] pixels, which may be written as a fraction: Pixels("8/255")."""

    def __new__(cls, value: str | float) -> "Pixels":
        text = str(value).replace(" ", "")
        try:
            self = super().__new__(cls, Fraction(text))
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{value!r} is not a distance in [0, 1] pixels; write it like 8/255 or 0.03") from None
        self.text = text
        return self

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


register_type(Pixels, serializer=str, deserializer=Pixels)


@dataclass(frozen=True)
class AttackConfig:
    """PGD in an L-infinity ball, with one random start.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        step_size: length of a step, in [0, 1] pixels.
        steps: number of steps.
    """

    eps: Pixels = Pixels("8/255")
    step_size: Pixels = Pixels("2/255")
    steps: int = 7

    def __post_init__(self) -> None:
        if not 0 <= self.eps <= 1:
            raise ValueError(f"an attack's eps is a distance in [0, 1] pixels, for instance 8/255; not {self.eps}")
        if not self.step_size > 0 or self.steps < 1:
            raise ValueError(f"an attack needs a positive step_size and steps >= 1; not {self.step_size} and {self.steps}")
