"""The source tree that a result was made with."""

import os
import subprocess


def commit() -> str | None:
    """The commit of the source tree this runs from, marked when files differ from it; None outside a checkout."""
    git = ["git", "-C", os.path.dirname(__file__)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=True)
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if status.strip() else "")
