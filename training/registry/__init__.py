"""The MLflow registry of models.

`registry` connects to it and reads it, `recording` keeps fits in it, `aliases` promotes and rolls back;
`versions`, `download` and `fetch` bring registered versions to nodes.
"""
