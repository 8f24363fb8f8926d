"""Benchmark of Concord and other ways to serve the same four models, measured side by side."""
