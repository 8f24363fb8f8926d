"""Upkeep of served models: promotes or dismisses challengers, and retrains models whose rows have drifted.

`observe` reads the state of each model from the service and the registry, `decision` decides by pure rules,
and `run` has the service carry decisions out. A pass keeps no state but one note in the registry (`notes`),
so it may be killed, repeated, or run beside another one.
"""
