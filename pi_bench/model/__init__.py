"""A network as ONNX, read into the few operations that matter, and evaluated in the clear."""
