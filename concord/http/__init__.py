"""HTTP without a framework: the ASGI application, requests and responses, tokens, and the nodes' client."""
