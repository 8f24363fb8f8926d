"""Access to a Kubernetes cluster: its API in `api`, the names of the chart's objects in `names`."""
