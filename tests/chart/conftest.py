"""What the chart's tests share: renderings, each made once for each set of values."""

import json
from functools import cache

import pytest

from tests.chart import rendering

SETS = {
    "defaults": {},
    "mariadb": {
        "consensus": {
            "replicas": 3,
            "autoscaling": {"enabled": True},
            "tokens": {"existingSecret": "concord-tokens"},
        },
        "journal": {"kind": "mariadb", "mariadb": {"existingSecret": "concord-journal"}},
        "nodes": {"replicas": 2},
        "page": {"replicas": 2},
        "ledger": {"archive": {"enabled": True}},
        "upkeep": {"enabled": True, "existingSecret": "concord-upkeep", "tasks": ["iris"]},
    },
    "url": {
        "consensus": {"replicas": 2},
        "journal": {"kind": "url", "url": {"existingSecret": "concord-journal"}},
        "mlflow": {
            "enabled": False,
            "trackingUri": "https://mlflow.example.com",
            "existingSecret": "concord-registry",
        },
        "training": {"enabled": True},
        "benchmark": {
            "enabled": True,
            "task": "iris",
            "study": {"existingSecret": "concord-study"},
            "data": {"existingSecret": "concord-rows"},
        },
    },
    "everything": {
        "image": {"registry": "registry.example.com/concord", "pullSecrets": ["registry"]},
        "pods": {
            "annotations": {"team": "models"},
            "labels": {"team": "models"},
            "tolerations": [{"key": "models", "operator": "Exists"}],
            "priorityClassName": "models",
        },
        "tasks": {
            "iris": {
                "policy": "seed",
                "below_quorum": "fallback",
                "fallback": 'se"tosa',
                "nodes": {
                    "svm": {"enabled": False},
                    "knn": {"replicas": 3, "autoscaling": {"enabled": True}},
                },
            },
            "mine": {"nodes": {"first": {"enabled": True, "image": {"tag": "2"}}}},
        },
        "journal": {"kind": "mariadb", "mariadb": {"existingSecret": "concord-journal"}},
        "ledger": {"archive": {"enabled": True}},
        "consensus": {"tokens": {"existingSecret": "concord-tokens"}},
        "training": {"enabled": True, "tasks": ["iris"], "cronJob": {"enabled": True}},
        "upkeep": {"enabled": True, "existingSecret": "concord-upkeep"},
        "benchmark": {
            "enabled": True,
            "task": "iris",
            "register": 3,
            "study": {"existingSecret": "concord-study"},
            "data": {"source": "journal", "tokenSecret": "concord-reads"},
        },
        "monitoring": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheus": {
                "persistence": {"enabled": True, "storageClass": "fast"},
                "alertmanagers": ["alertmanager.monitoring.svc:9093"],
                "externalUrl": "https://prometheus.example.com/concord",
            },
            "dashboards": {"enabled": True},
            "grafana": {"existingSecret": "concord-grafana", "rootUrl": "https://grafana.example.com/"},
        },
        "networkPolicy": {"pageClients": [{"namespaceSelector": {}}]},
    },
    "small": {
        "tasks": {name: {"enabled": False} for name in ("film_rating", "loan_amount", "loan_default")},
        "ledger": {"store": "files"},
        "mlflow": {"enabled": False},
        "page": {"enabled": False},
        "monitoring": {
            "annotations": False,
            "podMonitor": {"enabled": True},
            "prometheus": {"enabled": False},
        },
        "networkPolicy": {"enabled": False},
    },
    "front": {
        "consensus": {
            "tls": {"existingSecret": "concord-tls"},
            "tokens": {"existingSecret": "concord-tokens"},
        },
        "page": {"replicas": 2},
        "training": {"enabled": True, "data": {"iris": {"source": "journal"}}},
        "upkeep": {"enabled": True, "existingSecret": "concord-upkeep"},
        "benchmark": {
            "enabled": True,
            "task": "iris",
            "study": {"existingSecret": "concord-study"},
            "data": {"source": "journal"},
        },
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "2m"},
            "hosts": {"api": ["concord.example.com"], "page": ["page.example.com"]},
            "tls": {"clusterIssuer": "letsencrypt"},
        },
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
            "hosts": {"api": ["concord.example.com", "api.example.com"], "page": ["page.example.com"]},
            "backendCA": "concord-ca",
        },
        "monitoring": {"podMonitor": {"enabled": True}},
        "networkPolicy": {
            "ingress": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
            ]
        },
    },
}
"""Values under which the chart is looked at, by name."""


@cache
def _rendered(values, name, namespace):
    return json.dumps(rendering.manifests(json.loads(values), name, namespace))


def render(values=None, name="concord", namespace="concord"):
    """Every object of the chart, with values or with those of a set by its name."""
    values = SETS[values] if isinstance(values, str) else values
    return json.loads(_rendered(json.dumps(values or {}), name, namespace))


def of_kind(objects, *kinds):
    """Name → object, of these kinds."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


@pytest.fixture(params=list(SETS))
def objects(request):
    """All objects, under each set of values."""
    return render(request.param)


@pytest.fixture
def sets():
    return SETS


@pytest.fixture(name="render")
def render_fixture():
    return render


@pytest.fixture(name="of_kind")
def of_kind_fixture():
    return of_kind
