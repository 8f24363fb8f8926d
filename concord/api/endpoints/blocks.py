"""`/v1/ledger/blocks`: the ledger's blocks, newest first, or one by its height.

Each request reads a bounded number of blocks, one request after the other, so that reading far back
does not slow predictions.
"""

import asyncio
from typing import Final

from concord.api.endpoint import Endpoint, Operation
from concord.api.params import before_param, int_param, int_schema
from concord.errors import UnknownName
from concord.http.request import Request, Response
from concord.ledger.chain import Block
from concord.service import Service
from concord.types.ledger import BlockPage, BlockView
from concord.util.times import iso

MOST_LISTED: Final = 100
"""Blocks on a page: some 2 KiB each, as a rule."""

MOST_BLOCKS: Final = 1000
"""Blocks over which a history or a sum of stakes looks back at once."""


class Blocks:
    """The blocks of one service's ledger."""

    def __init__(self, service: Service) -> None:
        self._ledger, self._settler, self._pages = service.ledger, service.settler, service.pages
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """A page of blocks, and one block."""
        page = Operation(
            "Blocks, newest first",
            BlockPage,
            errors=(429, 503),
            query={"before": int_schema(), "limit": int_schema(most=MOST_LISTED)},
        )
        block = Operation("One block", BlockView, errors=(429, 503))
        return [
            Endpoint("GET", "/v1/ledger/blocks", self.list_blocks, page),
            Endpoint("GET", "/v1/ledger/blocks/{height}", self.get_block, block),
        ]

    async def get_block(self, request: Request) -> Response:
        """The block of a height."""
        height = int_param(request.path, "height", default=0)
        if height > self._settler.head.height:
            raise UnknownName(f"There is no block {height} yet.", field="height", code="unknown_block")
        return await self._pages.answer_alone(self._lock, request.caller, self._read_block, height)

    async def list_blocks(self, request: Request) -> Response:
        """A page of blocks below a height."""
        query = request.query("before", "limit")
        limit = int_param(query, "limit", default=20, most=MOST_LISTED)
        stop = before_param(query, self._settler.head.height)
        return await self._pages.answer_alone(self._lock, request.caller, self._read_page, stop, limit)

    def _read_block(self, height: int) -> BlockView:
        return _make_view(self._ledger.block(height))

    def _read_page(self, stop: int, limit: int) -> BlockPage:
        start = max(1, stop - limit)
        blocks = self._ledger.blocks(start, stop) if stop > start else []
        return BlockPage([_make_view(block) for block in reversed(blocks)], find_older_page(start))


def find_older_page(start: int) -> int | None:
    """`before` of the page that precedes a page's first height; None at the first block."""
    return start if start > 1 else None


def _make_view(block: Block) -> BlockView:
    return BlockView(hash=block.hash, time_text=iso(block.time), **block.to_json())
