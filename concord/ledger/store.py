"""The protocol of a ledger's store: one head that is swapped, and segments that never change.

A store holds bytes under names. Of several writers that read the same revision exactly one may swap the head,
and its bytes are durable when the call returns. Implementations pass the suite in
`tests/unit/ledger/conformance.py`.
"""

from typing import Protocol


class Store(Protocol):
    """A head and its segments."""

    def read_head(self) -> tuple[bytes, str] | None:
        """The head's bytes and their revision; None where there is no head."""

    def swap_head(self, data: bytes, expected: str | None) -> str:
        """Replaces the head if its revision is still the expected one (None: there is no head yet).

        Returns:
            The new revision.

        Raises:
            LedgerConflict: Another writer was faster.
        """

    def write_segment(self, name: str, data: bytes) -> None:
        """Stores a segment. Idempotent.

        Raises:
            LedgerConflict: A segment of this name has other bytes; it is not changed.
        """

    def read_segment(self, name: str) -> bytes | None:
        """The bytes of a segment; None if there is none of this name."""

    def list_segments(self) -> list[str]:
        """Names of all segments, also of those that no head names."""

    def delete_segment(self, name: str) -> None:
        """Deletes a segment, if it exists; only archiving does this."""


class SegmentArchive(Protocol):
    """Where old segments are archived, for example in the journal."""

    def keep_segment(self, name: str, data: bytes) -> None:
        """Stores a segment durably. Idempotent."""

    def kept_segment(self, name: str) -> bytes | None:
        """The bytes of a kept segment, or None."""
