"""Access to a Kubernetes cluster: its API in `cluster`, the names of the chart's objects in `names`."""
