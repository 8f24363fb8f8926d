"""A drift report as people read it: pictures, a table, and the MLflow run that keeps them."""
