"""The identity of a data set: what its files hold, part by part and class by class."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rlnet.data.identity.changes import changes
from rlnet.data.identity.class_print import Classes, ClassPrint

DIGEST_BYTES = 16
MOST_SENTENCES = 5


@dataclass(frozen=True)
class Fingerprint:
    """The images of a data set as its files hold them, before limits and held-out images are drawn.

    parts: "train", "test" and perhaps "validation", or "all" for a folder that is split here.
    """

    parts: Mapping[str, Classes]

    @property
    def digest(self) -> str:
        """32 hexadecimal digits of everything, the order of the classes included."""
        digest = blake2b(digest_size=DIGEST_BYTES)
        for part, classes in sorted(self.parts.items()):
            for name, found in classes.items():
                digest.update(f"{part}\0{name}\0{found.images}\0{found.digest}\n".encode())
        return digest.hexdigest()

    def plain(self) -> dict[str, Any]:
        """The same as plain values, for JSON and YAML; `from_plain` reads them."""
        parts = {
            part: {
                "images": {name: found.images for name, found in classes.items()},
                "digests": {name: found.digest for name, found in classes.items()},
            }
            for part, classes in self.parts.items()
        }
        return {"digest": self.digest, "parts": parts}

    @classmethod
    def from_plain(cls, plain: Any) -> "Fingerprint":
        """What `plain` wrote. Raises ValueError if it is anything else, or was changed since."""
        try:
            found = cls({part: _classes(**columns) for part, columns in plain["parts"].items()})
            sound = found.plain() == plain
        except (KeyError, TypeError, AttributeError, ValueError):
            sound = False
        if not sound:
            raise ValueError("the fingerprint of the images is damaged: it is not what was written with the run")
        return found

    def differences(self, now: "Fingerprint") -> list[str]:
        """What changed from these images to those of now, in plain sentences: at most five, and how many more there are."""
        sentences = list(changes(self.parts, now.parts))
        assert (not sentences) == (self.digest == now.digest)
        more = len(sentences) - MOST_SENTENCES
        return sentences[:MOST_SENTENCES] + ([f"and {more} more"] if more > 0 else [])


def _classes(images: dict[str, int], digests: dict[str, str]) -> Classes:
    return {name: ClassPrint(int(count), digests[name]) for name, count in images.items()}
