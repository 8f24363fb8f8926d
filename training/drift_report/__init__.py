"""Drift reports for people: `plots` draws them, `html` writes their page, `tracking` keeps them in MLflow."""
