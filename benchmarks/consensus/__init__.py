"""Simulation of the consensus rule against adversaries, on streams of labelled rows."""
