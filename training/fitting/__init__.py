"""Fits a node: trains, evaluates, converts to ONNX, and describes it by a profile and plots."""
