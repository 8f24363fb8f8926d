"""What several pages fetch, from the consensus service, Prometheus and MLflow; cached for seconds."""
