"""HTTP without a framework: the ASGI application that node and service share, requests and responses, tokens,
and the client by which nodes are asked.
"""
