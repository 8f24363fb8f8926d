"""`/v1/ledger`: the ledger's newest state, its verification and its audit. Stake is in µS."""

import asyncio
import contextlib
from typing import Any

from concord.api.endpoint import Endpoint, Operation
from concord.errors import JournalUnavailable
from concord.http.request import Request, Response
from concord.ledger import Head
from concord.service import Service
from concord.settlement.audit import audit_settlements
from concord.settlement.noted_blocks import verify_with_notes
from concord.util.times import iso


class LedgerReader:
    """Shows and checks the ledger of one service.

    Args:
        service: Has the ledger, and the journal that it is compared with.
    """

    def __init__(self, service: Service) -> None:
        self._ledger, self._journal, self._settler = service.ledger, service.journal, service.settler
        self._pages, self._checks = service.pages, service.checks
        # A check reads every block: one after the other.
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """State, verification and audit."""
        state = Operation("The ledger's newest state, in µS", name="get_ledger", errors=(429,))
        verify = Operation("Replay every block and compare", name="verify_ledger", errors=(429, 503))
        audit = Operation("Settle every block again", name="audit_ledger", errors=(429, 503))
        return [
            Endpoint("GET", "/v1/ledger", self.get_state, state),
            Endpoint("GET", "/v1/ledger/verify", self.verify, verify),
            Endpoint("GET", "/v1/ledger/audit", self.audit, audit, "administer"),
        ]

    async def get_state(self, request: Request) -> Response:
        """Height, hash and every account of the newest state; `due` is null while the journal is away."""
        return await self._pages.answer(request.caller, self._read_state, self._settler.head)

    def _read_state(self, head: Head) -> dict[str, Any]:
        due: int | None = None
        with contextlib.suppress(JournalUnavailable):
            due = self._journal.due_count()
        return {
            "height": head.height,
            "hash": head.hash,
            "time": iso(head.time) if head.height else None,
            "unit": "µS",
            "due": due,
            "alarm": self._settler.alarm,
            **head.state.to_json(),
        }

    async def verify(self, request: Request) -> Response:
        """Replays every block and compares it with the journal's notes."""

        def check() -> dict[str, Any]:
            return verify_with_notes(self._ledger, self._journal).to_json()

        return await self._checks.answer_alone(self._lock, request.caller, check)

    async def audit(self, request: Request) -> Response:
        """Settles every block again from the journal's records; minutes, for many."""

        def check() -> dict[str, Any]:
            return audit_settlements(self._ledger, self._journal).to_json()

        return await self._checks.answer_alone(self._lock, request.caller, check)
