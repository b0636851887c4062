"""Where what was found out about a data set is kept: beside it, or where that is not allowed, in the user's cache."""

import os
from hashlib import blake2b
from pathlib import Path

BESIDE = ".cache"


def cache_folders(root: Path) -> tuple[Path, Path]:
    """root/.cache, and the folder that stands in for it: $XDG_CACHE_HOME/rlnet/<hash of root>, by default below ~/.cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = blake2b(os.fsencode(os.path.realpath(root)), digest_size=8).hexdigest()
    return root / BESIDE, home / "rlnet" / key
