"""The node bento: one model as a BentoML service."""
