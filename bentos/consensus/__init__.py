"""The consensus bento: the public HTTP API as a BentoML service."""
