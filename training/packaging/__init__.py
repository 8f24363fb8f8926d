"""Packs champions into BentoML's model store (`package`) and builds the bentos that carry them (`bento`)."""
