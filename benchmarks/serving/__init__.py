"""Concord beside other ways to serve the same four models, paired in one run."""
