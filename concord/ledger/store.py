"""What a place that keeps a ledger must offer: one head that is swapped, and segments that never change.

The protocol knows bytes and names and nothing of blocks. Whoever implements it passes the suite in
`tests/unit/ledger/conformance.py`. Its one hard promise is the swap: of several writers that read the same
revision, exactly one gets through, and what it wrote is durable when the call returns.
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
            LedgerConflict: Somebody else was faster.
        """

    def write_segment(self, name: str, data: bytes) -> None:
        """Keeps a segment; the same bytes again are harmless.

        Raises:
            LedgerConflict: There is one of this name with other bytes; it stays as it is.
        """

    def read_segment(self, name: str) -> bytes | None:
        """The bytes of a segment; None where there is none of this name."""

    def list_segments(self) -> list[str]:
        """Names of all segments, those included that no head names."""

    def delete_segment(self, name: str) -> None:
        """Removes a segment, if it is there; only archiving does this."""


class SegmentArchive(Protocol):
    """Where old segments go to; the journal is one."""

    def keep_segment(self, name: str, data: bytes) -> None:
        """Keeps a segment durably; the same again is harmless."""

    def kept_segment(self, name: str) -> bytes | None:
        """The bytes of a kept segment, or None."""
