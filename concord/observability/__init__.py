"""Metrics and logs of all services, and the exporter of process metrics for programs that have none."""
