"""The page Live: indicators over the last minutes and hours, from Prometheus or from the service itself."""
