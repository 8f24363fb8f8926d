"""A cluster's API, the only access to it: objects as plain JSON in one namespace, with our own errors.

It uses the transport and configuration of the `kubernetes` package (service account of a pod, kubeconfig with
its exec plugins). The package's generated classes are not used: they take 1.5 s and 100 MiB to import, and an
object that is converted by them loses fields that their version does not know.

No call is retried: a PUT without an answer may have been carried out, and only the caller can find out. Every
call has a time limit. The package is imported on connecting.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote, urlencode

from concord.errors import ConfigurationError, Conflict, NotAllowed, ServiceAway, UnknownName
from concord.util.proxies import set_client_variables

if TYPE_CHECKING:
    from kubernetes.client import Configuration

Json = dict[str, Any]
"""One object of the API."""

CONNECT_SECONDS: Final = 2.0
"""Inside a cluster a connection takes milliseconds; one that takes longer counts as away."""

READ_SECONDS: Final = 5.0
"""Longer than an API server takes for any of Concord's objects, and shorter than the settler's time limit."""

PAGE: Final = 500
"""Objects in one answer to a list, as kubectl asks for."""

GROUPS: Final[Mapping[str, str]] = {
    "configmaps": "/api/v1",
    "pods": "/api/v1",
    "deployments": "/apis/apps/v1",
}
"""The resources that Concord uses, and the API path of each."""

_TOKEN_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Cluster:
    """One namespace of a cluster. Thread-safe.

    Args:
        configuration: The `kubernetes` package's: address, certificates, credentials.
        namespace: Where the objects are.
    """

    def __init__(self, configuration: "Configuration", namespace: str) -> None:
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415

        # urllib3 would repeat a PUT up to three times.
        configuration.retries = False
        self._configuration = configuration
        self._rest = RESTClientObject(configuration)
        self.namespace = namespace

    @classmethod
    def connect(cls, namespace: str | None = None) -> "Cluster":
        """Finds the cluster that the environment names; makes no request yet.

        KUBECONFIG where it is set; else, in a pod, its service account, whose token is read again every
        minute because it changes every hour; else `~/.kube/config`. The context is the kubeconfig's current
        one.

        Args:
            namespace: Where the objects are; by default the pod's or the context's.

        Raises:
            ConfigurationError: No cluster can be reached from here.
        """
        try:
            from kubernetes import config  # noqa: PLC0415
            from kubernetes.client import Configuration  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "What is in a cluster is reached with the package kubernetes, which is not installed: "
                "`pip install kubernetes`, or `uv sync --group cluster` in a clone of the repository.",
                field="kubernetes",
            ) from error
        set_client_variables()
        configuration, file = Configuration(), os.environ.get("KUBECONFIG")
        try:
            if not file and "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
                namespace = namespace or (_TOKEN_FOLDER / "namespace").read_text("utf-8").strip()
                return cls(configuration, namespace)
            file = file or "~/.kube/config"
            config.load_kube_config(file, client_configuration=configuration)  # type: ignore[no-untyped-call]
            _, context = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError, ValueError) as error:
            raise ConfigurationError(
                f"There is no way to a cluster from here: {_sentence(error)} `kubectl get configmaps` should "
                "work here first; KUBECONFIG names the file of another cluster.",
                field="KUBECONFIG",
            ) from error
        return cls(configuration, namespace or context["context"].get("namespace") or "default")

    def get(self, resource: str, name: str) -> Json | None:
        """The object; None where it does not exist."""
        return self._get(resource, name, "application/json")

    def metadata(self, resource: str, name: str) -> Json | None:
        """The object's `metadata` alone; None where it does not exist."""
        document = self._get(resource, name, _METADATA)
        return None if document is None else document["metadata"]

    def names(self, resource: str, selector: str) -> list[str]:
        """Names of the objects that a label selector matches, without their contents."""
        names: list[str] = []
        query = {"labelSelector": selector, "limit": str(PAGE)}
        while True:
            page = self._call("list", resource, accept=_METADATA_LIST, query=query)
            # An empty list of metadata has `null` items.
            names += (item["metadata"]["name"] for item in page["items"] or ())
            follows = page["metadata"].get("continue")
            if not follows:
                return names
            query["continue"] = follows

    def create(self, resource: str, body: Json) -> Json:
        """Creates an object and returns its `metadata`.

        Raises:
            Conflict: It exists already.
        """
        name = str(body["metadata"]["name"])
        metadata: Json = self._call("create", resource, name, body, accept=_METADATA)["metadata"]
        return metadata

    def replace(self, resource: str, body: Json) -> Json:
        """Replaces an object that was read before, and returns its new `metadata`.

        Raises:
            Conflict: It has another `resourceVersion` by now.
            UnknownName: It does not exist any more.
        """
        name = str(body["metadata"]["name"])
        metadata: Json = self._call("update", resource, name, body, accept=_METADATA)["metadata"]
        return metadata

    def patch(self, resource: str, name: str, changes: Json) -> Json:
        """Merges changes into an object (JSON merge patch; None removes) and returns it.

        Raises:
            UnknownName: It does not exist.
        """
        return self._call("patch", resource, name, changes)

    def delete(self, resource: str, name: str) -> None:
        """Deletes an object.

        Raises:
            UnknownName: It does not exist.
        """
        self._call("delete", resource, name)

    def close(self) -> None:
        """Closes the connections."""
        self._rest.close()

    def _get(self, resource: str, name: str, accept: str) -> Json | None:
        try:
            return self._call("get", resource, name, accept=accept)
        except UnknownName:
            return None

    def _call(
        self,
        verb: str,
        resource: str,
        name: str = "",
        body: Json | None = None,
        *,
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Json:
        url = f"{self._configuration.host}{GROUPS[resource]}/namespaces/{quote(self.namespace)}/{resource}"
        if name and verb != "create":
            url += f"/{quote(name)}"
        if query:
            url += f"?{urlencode(query)}"
        with _faults():
            # The token first: in a pod this reads the file again when it is a minute old.
            settings: Any = self._configuration.auth_settings()
            headers = {auth["key"]: auth["value"] for auth in settings.values() if auth["in"] == "header"}
            headers |= {"Accept": f"{accept}, application/json", "User-Agent": "concord"}
            headers["Content-Type"] = (
                "application/merge-patch+json" if verb == "patch" else "application/json"
            )
            response = self._rest.request(  # type: ignore[no-untyped-call]
                _METHODS[verb], url, headers, body, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
            )
            data = response.read()
            if response.status >= 300:
                _refuse(response.status, data, verb, resource, name, self.namespace)
            document: Json = json.loads(data)
        return document


_METHODS = {
    "get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"
}  # fmt: skip


@contextmanager
def _faults() -> Iterator[None]:
    """Turns the transport's errors into `ServiceAway`; whether the call was carried out is not known."""
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
    from kubernetes.config import ConfigException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except (HTTPError, ApiException, ConfigException, OSError, ValueError) as error:
        # The type only: urllib3's messages contain addresses of Python objects.
        raise ServiceAway(f"The cluster's API does not serve ({type(error).__name__}).") from error


def _refuse(status: int, data: bytes, verb: str, resource: str, name: str, namespace: str) -> NoReturn:
    """Raises the error that a response of another status than success stands for."""
    try:
        message = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        message = f"status {status}"
    what = f"{resource.removesuffix('s')} {name} in the namespace {namespace}".replace("  ", " ")
    if status == 404 and verb == "create":
        raise ConfigurationError(f"There is no namespace {namespace} in this cluster.", field="namespace")
    if status == 404:
        raise UnknownName(f"There is no {what} ({message}).", code="unknown_object")
    if status == 409:
        raise Conflict(f"The {what} is another one by now ({message}).")
    if status == 401:
        raise NotAllowed(
            "The cluster does not know these credentials; `kubectl get configmaps` shows the same."
        )
    if status == 403:
        raise NotAllowed(f"The cluster does not allow to {verb} {resource} here: {message}.")
    if status == 429 or status >= 500:
        raise ServiceAway(f"The cluster's API does not serve ({status}: {message}).")
    raise ConfigurationError(f"The cluster refuses the {what}: {message}.")


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).removesuffix(".")
    return f"{text}."
