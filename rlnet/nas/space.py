"""A search space: specifications as rows of genes, each gene one of a few choices.

A family says what its genes mean; drawing, mutating, crossing and encoding them is the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from math import prod
from random import Random

from rlnet.models.specifications.specification import Specification

Genes = tuple[int, ...]
"""Of each gene, the number of its choice."""


class Space(ABC):
    """choices: how many choices each gene has. Two rows of genes that differ only where neither is used are one network; the
    canonical row has 0 there."""

    choices: Genes

    @abstractmethod
    def specification(self, genes: Genes) -> Specification:
        """The specification that genes stand for."""

    @abstractmethod
    def genes(self, spec: Specification) -> Genes:
        """The canonical genes of a specification. Raises ValueError for one that is not in the space."""

    def is_used(self, genes: Genes) -> tuple[bool, ...]:
        """Whether each gene matters, given the others."""
        return (True,) * len(genes)

    @property
    @abstractmethod
    def largest(self) -> Specification:
        """The specification that all others are parts of."""

    @property
    @abstractmethod
    def smallest(self) -> Specification:
        """The specification that costs the least."""

    @cached_property
    def size(self) -> int:
        """How many rows of genes there are."""
        return prod(self.choices)

    def canonical(self, genes: Genes) -> Genes:
        """The same network's row with 0 where a gene is not used."""
        return tuple(gene if used else 0 for gene, used in zip(genes, self.is_used(genes), strict=True))

    def contains(self, spec: Specification) -> bool:
        """Whether a specification is in the space."""
        try:
            self.genes(spec)
        except ValueError:
            return False
        return True

    def sample(self, rng: Random, allowed: Sequence[Sequence[int]] | None = None) -> Genes:
        """A row of genes, each drawn evenly and independently. allowed: the choices of each gene that may be drawn."""
        allowed = [range(n) for n in self.choices] if allowed is None else allowed
        return self.canonical(tuple(rng.choice(numbers) for numbers in allowed))

    def mutate(self, genes: Genes, probability: float, rng: Random) -> Genes:
        """Draws each gene anew with a probability."""
        drawn = self.sample(rng)
        return self.canonical(tuple(d if rng.random() < probability else g for g, d in zip(genes, drawn, strict=True)))

    def cross(self, first: Genes, second: Genes, rng: Random) -> Genes:
        """Each gene from either parent."""
        return self.canonical(tuple(rng.choice(pair) for pair in zip(first, second, strict=True)))

    def encode(self, genes: Genes) -> list[float]:
        """What a predictor sees: each gene one-hot, zeros where it is not used."""
        vector: list[float] = []
        for gene, n, used in zip(genes, self.choices, self.is_used(genes), strict=True):
            vector += [float(used and i == gene) for i in range(n)]
        return vector
