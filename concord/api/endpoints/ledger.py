"""`/v1/ledger`: the ledger's newest state, its verification and its audit. Stake is in µS."""

import asyncio

from concord.api.endpoint import Endpoint, Operation
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.service import Service
from concord.settlement.audit import audit_settlements
from concord.util.background import run_exclusive
from concord.util.times import iso


class LedgerReader:
    """Shows and checks the ledger of one service.

    Args:
        service: Has the ledger, and the journal that it is compared with.
    """

    def __init__(self, service: Service) -> None:
        self._ledger, self._journal, self._settler = service.ledger, service.journal, service.settler
        # A check reads every block: one after the other.
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """State, verification and audit."""
        state = Operation("The ledger's newest state, in µS", name="get_ledger", errors=(503,))
        verify = Operation("Replay every block and compare", name="verify_ledger", errors=(503,))
        audit = Operation("Settle every block again", name="audit_ledger", errors=(503,))
        return [
            Endpoint("GET", "/v1/ledger", self.get_state, state),
            Endpoint("GET", "/v1/ledger/verify", self.verify, verify),
            Endpoint("GET", "/v1/ledger/audit", self.audit, audit, "administer"),
        ]

    async def get_state(self, _request: Request) -> Response:
        """Height, hash and every account of the newest state."""
        head = self._settler.head
        due = await asyncio.to_thread(self._journal.due_count)
        return json_response(
            {
                "height": head.height,
                "hash": head.hash,
                "time": iso(head.time) if head.height else None,
                "unit": "µS",
                "due": due,
                "alarm": self._settler.alarm,
                **head.state.to_json(),
            }
        )

    async def verify(self, _request: Request) -> Response:
        """Replays every block and compares it with the journal's notes."""
        report = await run_exclusive(self._lock, lambda: self._ledger.verify(self._journal.noted_blocks()))
        return json_response(report.to_json())

    async def audit(self, _request: Request) -> Response:
        """Settles every block again from the journal's records; minutes, for many."""
        report = await run_exclusive(self._lock, audit_settlements, self._ledger, self._journal)
        return json_response(report.to_json())
