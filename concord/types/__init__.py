"""The values that travel over HTTP between caller, consensus service and nodes: shapes, names and limits.

They decide nothing. `pydantic.TypeAdapter` reads them and describes them in OpenAPI, orjson writes them.
"""
