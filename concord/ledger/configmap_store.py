"""The ledger in a cluster's ConfigMaps: the head is one that is swapped, each segment one that is immutable.

The swap is a PUT with the `resourceVersion` that was read: the API server lets one of several through,
and what it answered is durable in etcd. A PUT that nobody answered may have been carried out; that is
`LedgerUnavailable`, and the ledger finds out by its events' keys. The head's ConfigMap may be there
without a head (the chart renders it so) and what others wrote on it, labels and annotations, stays.
This module neither deletes nor patches, except a segment that archiving has copied.
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
from concord.kubernetes.api import Cluster

HEAD_KEY: Final = "head.json"
SEGMENT_KEY: Final = "blocks.jsonl.gz"

LEDGER_LABEL: Final = "concord.dev/ledger"
"""On a segment: the name of its head's ConfigMap, by which it is listed."""

_SEGMENT = re.compile(r"ledger(-[1-9]\d*-[1-9]\d*-[0-9a-f]{8})")
_INHERITED = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of")


@dataclass(frozen=True, slots=True)
class _Known:
    """The head's ConfigMap as it was read or written last.

    Attributes:
        metadata: With what others wrote on it.
        rest: All else, without the head.
        data: The head; None where it holds none.
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
        name: Of the head's ConfigMap; segments are called `<name>-<first>-<last>-<hash>`.
        connect: Makes the connection, on the first call.
    """

    def __init__(self, name: str, connect: Callable[[], Cluster]) -> None:
        self._name, self._connect = name, connect
        self._connected: Cluster | None = None
        self._known: _Known | None = None
        self._lock = threading.Lock()

    def is_there(self) -> bool:
        """Whether the head's ConfigMap is there, be it without a head: else a name is probably misspelt."""
        with self._faults():
            return self._cluster.metadata("configmaps", self._name) is not None

    def read_head(self) -> tuple[bytes, str] | None:
        """The head's bytes and the `resourceVersion` of its ConfigMap.

        Every replica looks once a second and several times a block. So what it asks for is the metadata,
        1 KB, and the 64 KiB themselves only where the version is another one.
        """
        known = self._known
        with self._faults():
            if known is not None and known.data is not None:
                metadata = self._cluster.metadata("configmaps", self._name)
                if metadata is not None and metadata["resourceVersion"] == known.revision:
                    return known.data, known.revision
            known = self._read()
        return None if known is None or known.data is None else (known.data, known.revision)

    def swap_head(self, data: bytes, expected: str | None) -> str:
        """Replaces the head if its ConfigMap still has the expected version."""
        with self._faults():
            known = self._known
            if known is None or expected is None or known.revision != expected:
                known = self._read()
            if (known.revision if known is not None and known.data is not None else None) != expected:
                raise LedgerConflict("The ledger's head has moved since it was read.")
            try:
                return self._write(known, data)
            except (Conflict, UnknownName) as error:
                raise LedgerConflict("The ledger's head has moved since it was read.") from error

    def write_segment(self, name: str, data: bytes) -> None:
        """Keeps a segment, once, in a ConfigMap that can never be changed."""
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
            found = self._cluster.get("configmaps", self._object_name(name))
        if found is None:
            return None
        try:
            return base64.b64decode(found["binaryData"][SEGMENT_KEY], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise LedgerBroken(f"The ConfigMap of segment {name} holds none.") from error

    def list_segments(self) -> list[str]:
        """Names of all segments."""
        with self._faults():
            names = self._cluster.names("configmaps", f"{LEDGER_LABEL}={self._name}")
        found = (f"ledger{name.removeprefix(self._name)}" for name in names if name.startswith(self._name))
        return sorted(name for name in found if _SEGMENT.fullmatch(name))

    def delete_segment(self, name: str) -> None:
        """Removes a segment, for which an account of its own has the right."""
        with self._faults():
            try:
                self._cluster.delete("configmaps", self._object_name(name))
            except UnknownName:
                return

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What the cluster says, as errors of the ledger; that there is no way to it stays what it is."""
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

    def _read(self) -> _Known | None:
        found = self._cluster.get("configmaps", self._name)
        self._known = None if found is None else _known(found)
        return self._known

    def _write(self, known: _Known | None, data: bytes) -> str:
        if known is None:
            body = self._object(self._name, {})
            write = self._cluster.create
        else:
            body = {**known.rest, "metadata": dict(known.metadata)}
            write = self._cluster.replace
        body["data"] = {**body.get("data", {}), HEAD_KEY: data.decode()}
        self._known = _known({**body, "metadata": write("configmaps", body)})
        return self._known.revision

    def _object(self, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
        known = self._known
        given = known.metadata.get("labels") or {} if known else {}
        own = {
            "app.kubernetes.io/name": "concord",
            "app.kubernetes.io/part-of": "concord",
            **{label: given[label] for label in _INHERITED if label in given},
            "app.kubernetes.io/component": "ledger",
            "app.kubernetes.io/managed-by": "concord",
            **labels,
        }
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": own}}

    def _object_name(self, segment: str) -> str:
        found = _SEGMENT.fullmatch(segment)
        if found is None:
            raise LedgerError(f"{segment!r} is no name of a segment.")
        return f"{self._name}{found[1]}"


def _known(found: Mapping[str, Any]) -> _Known:
    others = dict(found.get("data") or {})
    head = others.pop(HEAD_KEY, None)
    rest = {name: value for name, value in found.items() if name != "metadata"} | {"data": others}
    return _Known(found["metadata"], rest, None if head is None else head.encode())
