"""The one way to a cluster's API: objects as plain JSON in one namespace, and its faults as ours.

It speaks through the transport and the configuration of the `kubernetes` package (service account of a
pod, kubeconfig with its exec plugins) and leaves its generated classes alone: they take 1.5 s and 100 MiB
to import, and an object that goes through them loses the fields that their version does not know. What
is read here is a dictionary with every field, and can be written back with one of them changed.

No call is repeated: a PUT that was answered by nobody may have been carried out, and only the caller
knows how to look that up. Each has a bound in time. The package is imported on connecting.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote, urlencode

from concord.errors import ConfigurationError, Conflict, NotAllowed, ServiceAway, UnknownName

if TYPE_CHECKING:
    from kubernetes.client import Configuration

Json = dict[str, Any]
"""One object of the API."""

CONNECT_SECONDS: Final = 2.0
"""Inside a cluster a connection takes milliseconds; who takes longer is away."""

READ_SECONDS: Final = 5.0
"""Longer than an API server takes for any object of ours, and short enough for a settler's patience."""

PAGE: Final = 500
"""Objects in one answer to a list, as kubectl asks for."""

GROUPS: Final[Mapping[str, str]] = {
    "configmaps": "/api/v1",
    "pods": "/api/v1",
    "deployments": "/apis/apps/v1",
}
"""The resources that Concord touches, and where each lives."""

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
        """Finds the cluster that the environment means, without asking it anything yet.

        KUBECONFIG where it is set; else, in a pod, its service account, whose token is read again every
        minute because it is exchanged every hour; else `~/.kube/config`. The context is the kubeconfig's
        current one.

        Args:
            namespace: Where the objects are; the pod's or the context's own unless said.

        Raises:
            ConfigurationError: There is no way to a cluster from here.
        """
        from kubernetes import config  # noqa: PLC0415
        from kubernetes.client import Configuration  # noqa: PLC0415

        configuration, file = Configuration(), os.environ.get("KUBECONFIG")
        try:
            if not file and "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
                return cls(configuration, namespace or _own_namespace())
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
        """The object; None where there is none of this name."""
        return self._found(resource, name, "application/json")

    def metadata(self, resource: str, name: str) -> Json | None:
        """The object's `metadata` alone, whatever else it holds; None where there is none."""
        found = self._found(resource, name, _METADATA)
        return None if found is None else found["metadata"]

    def names(self, resource: str, selector: str) -> list[str]:
        """Names of the objects that a label selector matches; their contents stay where they are."""
        found: list[str] = []
        query = {"labelSelector": selector, "limit": str(PAGE)}
        while True:
            page = self._call("list", resource, accept=_METADATA_LIST, query=query)
            # A list of metadata that finds nothing says `null`.
            found += (item["metadata"]["name"] for item in page["items"] or ())
            follows = page["metadata"].get("continue")
            if not follows:
                return found
            query["continue"] = follows

    def create(self, resource: str, body: Json) -> Json:
        """Makes an object and returns its `metadata`.

        Raises:
            Conflict: There is one of this name.
        """
        name = str(body["metadata"]["name"])
        metadata: Json = self._call("create", resource, name, body, accept=_METADATA)["metadata"]
        return metadata

    def replace(self, resource: str, body: Json) -> Json:
        """Puts an object in the place of the one it was read as, and returns its new `metadata`.

        Raises:
            Conflict: It has another `resourceVersion` by now.
            UnknownName: It is gone.
        """
        name = str(body["metadata"]["name"])
        metadata: Json = self._call("update", resource, name, body, accept=_METADATA)["metadata"]
        return metadata

    def patch(self, resource: str, name: str, changes: Json) -> Json:
        """Merges changes into an object (JSON merge patch; None removes) and returns it.

        Raises:
            UnknownName: There is none of this name.
        """
        return self._call("patch", resource, name, changes)

    def delete(self, resource: str, name: str) -> None:
        """Removes an object.

        Raises:
            UnknownName: There is none of this name.
        """
        self._call("delete", resource, name)

    def close(self) -> None:
        """Gives the connections back."""
        self._rest.close()

    def _found(self, resource: str, name: str, accept: str) -> Json | None:
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
        with faults():
            # The token first: in a pod this reads the file again when it is a minute old.
            settings: Any = self._configuration.auth_settings()
            headers = {auth["key"]: auth["value"] for auth in settings.values() if auth["in"] == "header"}
            headers |= {"Accept": f"{accept}, application/json", "User-Agent": "concord"}
            headers["Content-Type"] = (
                "application/merge-patch+json" if verb == "patch" else "application/json"
            )
            answer = self._rest.request(  # type: ignore[no-untyped-call]
                _METHODS[verb], url, headers, body, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
            )
            data = answer.read()
            if answer.status >= 300:
                _refuse(answer.status, data, verb, resource, name, self.namespace)
            document: Json = json.loads(data)
        return document


_METHODS = {
    "get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"
}  # fmt: skip


@contextmanager
def faults() -> Iterator[None]:
    """Turns what the transport raises into `ServiceAway`: whether the call was carried out is not known."""
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
    from kubernetes.config import ConfigException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except (HTTPError, ApiException, ConfigException, OSError, ValueError) as error:
        # urllib3's texts hold addresses of Python objects.
        raise ServiceAway(f"The cluster's API does not serve ({type(error).__name__}).") from error


def _refuse(status: int, data: bytes, verb: str, resource: str, name: str, namespace: str) -> NoReturn:
    """Raises what an answer that is no success means to us."""
    try:
        said = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        said = f"status {status}"
    what = f"{resource.removesuffix('s')} {name} in the namespace {namespace}".replace("  ", " ")
    if status == 404 and verb == "create":
        raise ConfigurationError(f"There is no namespace {namespace} in this cluster.", field="namespace")
    if status == 404:
        raise UnknownName(f"There is no {what} ({said}).", code="unknown_object")
    if status == 409:
        raise Conflict(f"The {what} is another one by now ({said}).")
    if status == 401:
        raise NotAllowed(
            "The cluster does not know these credentials; `kubectl get configmaps` shows the same."
        )
    if status == 403:
        raise NotAllowed(f"The cluster does not allow to {verb} {resource} here: {said}.")
    if status == 429 or status >= 500:
        raise ServiceAway(f"The cluster's API does not serve ({status}: {said}).")
    raise ConfigurationError(f"The cluster refuses the {what}: {said}.")


def _own_namespace() -> str:
    return (_TOKEN_FOLDER / "namespace").read_text("utf-8").strip()


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).removesuffix(".")
    return f"{text}."
