"""Small functions without state that fit into no other package; each module is named after its subject.

This package has no code in `__init__`: the image of the fetch step copies it alone.
"""
