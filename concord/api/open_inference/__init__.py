"""The Open Inference Protocol, version 2 (REST): how its tensors are read, written and described.

Nothing here knows the service; `concord.api.endpoints.protocol_v2` asks it. Sources, of the protocol and of
its binary tensors: specification/protocol/inference_rest.md of
https://github.com/open-inference/open-inference-protocol, and docs/protocol/extension_binary_data.md of
https://github.com/triton-inference-server/server.
"""
