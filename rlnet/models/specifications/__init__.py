"""What decides a searched network's architecture, as plain values that need no torch: families, files, published ones."""
