"""The words that choose between paths: modes and views, kinds of batch norm, and what the automatic switch goes by."""

from typing import Literal, get_args

Mode = Literal["normal", "adversarial"]
MODES = (*get_args(Mode), "auto")
View = Literal["clean", "augmented", "adversarial"]
BatchNormKind = Literal["single", "dual", "triple"]
Score = Literal["agreement", "normal", "adversarial"]
SCORES: tuple[Score, ...] = get_args(Score)
