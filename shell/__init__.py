"""What the commands of both halves of the toolkit need: flags, YAML, errors in words. It imports neither half, and no torch."""
