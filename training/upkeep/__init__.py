"""Keeps the served models up: sees how each one is, decides by rule, and has the service carry it out.

`decision` is the rule, a pure function from what was seen to one action with its reason. `sight` looks,
`passage` goes once through all models and does what was decided. A pass holds no state of its own but one
note in the registry (`notes`), so that it may be killed, repeated, or meet another one: the service
changes nothing that is not as this pass saw it.
"""
