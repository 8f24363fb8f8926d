"""Desired versions written by hand as the consensus service writes them, each with the digest of its file."""

import json

import httpx


def digest_in(mlflow, model, version):
    """The digest that MLflow, at this address, has of a version's file."""
    asked = {"name": model, "version": version}
    answer = httpx.get(f"{mlflow}/api/2.0/mlflow/model-versions/get", params=asked, timeout=15).json()
    return next(tag["value"] for tag in answer["model_version"]["tags"] if tag["key"] == "concord.digest")


def entries(mlflow, wanted):
    """Model → its entry in the ConfigMap, from model → role → version."""
    return {
        model: json.dumps(
            roles | {f"{role}_digest": digest_in(mlflow, model, version) for role, version in roles.items()}
        )
        for model, roles in wanted.items()
    }
