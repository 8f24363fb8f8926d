"""Drift: reports of how far live rounds are from the data that the models learned from.

`statistics` holds the tests, `report` applies them to columns, `live` to a task's rounds; `errors` detects
growing errors, `metrics` exports the results.
"""
