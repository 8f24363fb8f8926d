"""Benchmarks, each run as a module."""

from concord.util.telemetry import switch_off

# The stacks that are compared load onnxruntime too.
switch_off()
