"""Counts the ReLUs of any ONNX network and runs it securely between two parties, honestly timed.

python -m pi_bench MODEL.onnx
"""
