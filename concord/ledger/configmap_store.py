"""A store in a cluster's ConfigMaps: one for the head, and an immutable one for each segment.

The swap is a PUT with the `resourceVersion` that was read: the API server accepts one of several, and then it
is durable in etcd. A PUT without an answer may have been carried out; that is `LedgerUnavailable`, and the
ledger finds out by its events' keys. The head's ConfigMap may exist without a head, as the chart renders it,
and keeps labels and annotations of others. Only segments that were archived are deleted.
"""

import base64
import binascii
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from concord.errors import (
    ConcordError,
    Conflict,
    LedgerBroken,
    LedgerConflict,
    LedgerError,
    LedgerUnavailable,
    UnknownName,
)
from concord.kubernetes.cluster import Cluster

HEAD_KEY: Final = "head.json"
SEGMENT_KEY: Final = "blocks.jsonl.gz"

LEDGER_LABEL: Final = "concord.dev/ledger"
"""Label of a segment: the name of its head's ConfigMap, by which segments are listed."""

_SEGMENT = re.compile(r"ledger(-[1-9]\d*-[1-9]\d*-[0-9a-f]{8})")
_INHERITED = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of")


@dataclass(frozen=True, slots=True)
class _HeadObject:
    """The head's ConfigMap as it was read or written last.

    Attributes:
        metadata: Its metadata, with labels and annotations of others.
        rest: All other fields, without the head.
        data: The head; None if it holds none.
    """

    metadata: Mapping[str, Any]
    rest: Mapping[str, Any]
    data: bytes | None

    @property
    def revision(self) -> str:
        return str(self.metadata["resourceVersion"])


class ConfigMapStore:
    """A `Store` in the ConfigMaps of one namespace.

    Args:
        name: Name of the head's ConfigMap; segments are called `<name>-<first>-<last>-<hash>`.
        connect: Makes the connection, on the first call.
    """

    def __init__(self, name: str, connect: Callable[[], Cluster]) -> None:
        self._name, self._connect = name, connect
        self._connected: Cluster | None = None
        self._head: _HeadObject | None = None
        self._lock = threading.Lock()

    def is_there(self) -> bool:
        """Whether the head's ConfigMap exists, with or without a head: else its name is probably misspelt."""
        with self._faults():
            return self._cluster.metadata("configmaps", self._name) is not None

    def read_head(self) -> tuple[bytes, str] | None:
        """The head's bytes and the `resourceVersion` of its ConfigMap.

        Every replica reads it once a second and several times a block. So it requests the metadata, 1 KB, and
        the 64 KiB only if the version has changed.
        """
        head = self._head
        with self._faults():
            if head is not None and head.data is not None:
                metadata = self._cluster.metadata("configmaps", self._name)
                if metadata is not None and metadata["resourceVersion"] == head.revision:
                    return head.data, head.revision
            head = self._read()
        return None if head is None or head.data is None else (head.data, head.revision)

    def swap_head(self, data: bytes, expected: str | None) -> str:
        """Replaces the head if its ConfigMap still has the expected version."""
        with self._faults():
            head = self._head
            if head is None or expected is None or head.revision != expected:
                head = self._read()
            if (head.revision if head is not None and head.data is not None else None) != expected:
                raise LedgerConflict("The ledger's head has moved since it was read.")
            try:
                return self._write(head, data)
            except (Conflict, UnknownName) as error:
                raise LedgerConflict("The ledger's head has moved since it was read.") from error

    def write_segment(self, name: str, data: bytes) -> None:
        """Stores a segment in an immutable ConfigMap."""
        body = self._object(self._object_name(name), {LEDGER_LABEL: self._name})
        body |= {"immutable": True, "binaryData": {SEGMENT_KEY: base64.b64encode(data).decode()}}
        with self._faults():
            try:
                self._cluster.create("configmaps", body)
            except Conflict as error:
                if self.read_segment(name) != data:
                    raise LedgerConflict(f"Segment {name} is there with other bytes.") from error

    def read_segment(self, name: str) -> bytes | None:
        """The bytes of a segment, or None."""
        with self._faults():
            document = self._cluster.get("configmaps", self._object_name(name))
        if document is None:
            return None
        try:
            return base64.b64decode(document["binaryData"][SEGMENT_KEY], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise LedgerBroken(f"The ConfigMap of segment {name} holds none.") from error

    def list_segments(self) -> list[str]:
        """Names of all segments."""
        with self._faults():
            names = self._cluster.names("configmaps", f"{LEDGER_LABEL}={self._name}")
        segments = (f"ledger{name.removeprefix(self._name)}" for name in names if name.startswith(self._name))
        return sorted(name for name in segments if _SEGMENT.fullmatch(name))

    def delete_segment(self, name: str) -> None:
        """Deletes a segment; only the archiver's service account has this right."""
        with self._faults():
            try:
                self._cluster.delete("configmaps", self._object_name(name))
            except UnknownName:
                return

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns the cluster's errors into the ledger's, except those of connecting."""
        try:
            yield
        except (LedgerError, Conflict, UnknownName):
            raise
        except ConcordError as error:
            if self._connected is None:
                raise
            raise LedgerUnavailable(f"The ledger's ConfigMaps do not serve. {error.message}") from error

    @property
    def _cluster(self) -> Cluster:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def _read(self) -> _HeadObject | None:
        document = self._cluster.get("configmaps", self._name)
        self._head = None if document is None else _read_head_object(document)
        return self._head

    def _write(self, head: _HeadObject | None, data: bytes) -> str:
        if head is None:
            body = self._object(self._name, {})
            write = self._cluster.create
        else:
            body = {**head.rest, "metadata": dict(head.metadata)}
            write = self._cluster.replace
        body["data"] = {**body.get("data", {}), HEAD_KEY: data.decode()}
        self._head = _read_head_object({**body, "metadata": write("configmaps", body)})
        return self._head.revision

    def _object(self, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
        of_head = self._head.metadata.get("labels") or {} if self._head else {}
        own = {
            "app.kubernetes.io/name": "concord",
            "app.kubernetes.io/part-of": "concord",
            **{label: of_head[label] for label in _INHERITED if label in of_head},
            "app.kubernetes.io/component": "ledger",
            "app.kubernetes.io/managed-by": "concord",
            **labels,
        }
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": own}}

    def _object_name(self, segment: str) -> str:
        match = _SEGMENT.fullmatch(segment)
        if match is None:
            raise LedgerError(f"{segment!r} is no name of a segment.")
        return f"{self._name}{match[1]}"


def _read_head_object(document: Mapping[str, Any]) -> _HeadObject:
    others = dict(document.get("data") or {})
    head = others.pop(HEAD_KEY, None)
    rest = {name: value for name, value in document.items() if name != "metadata"} | {"data": others}
    return _HeadObject(document["metadata"], rest, None if head is None else head.encode())
