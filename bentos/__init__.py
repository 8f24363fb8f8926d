"""The BentoML services, without logic of their own: a folder, bento and image each; `serve` runs them."""

from concord.util.telemetry import switch_off

# For `bentoml serve` too, before a service imports onnxruntime.
switch_off()
