"""Training: from data to registered models, and from registered models to bentos.

Nothing here runs while a question is answered, and nothing in `concord`, `bentos` or `frontend`
imports it: what leaves is an ONNX file in the registry with its task's schema beside it.
`python -m training --help` is the way in.
"""

from concord.util.telemetry import switch_off

# Before MLflow and onnxruntime are imported anywhere below.
switch_off()
