"""The consensus node: an ONNX model behind HTTP, and the challenger that may answer beside it."""
