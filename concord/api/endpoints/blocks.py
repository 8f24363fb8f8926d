"""The ledger's blocks to read, and who gained and lost stake by them. Nothing here changes anything.

Each question reads a bounded number of blocks, one question after the other, so that whoever reads far
back is no burden on those who ask the nodes.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from concord.api.endpoints.records import MOST_BLOCKS
from concord.api.endpoints.stakes import moves
from concord.api.params import int_param, run_exclusive
from concord.errors import UnknownName
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.ledger.chain import Block
from concord.service import Service
from concord.types.answers import BlockPage, BlockView, StakesPage
from concord.util.times import iso

MOST_LISTED: Final = 100
"""Blocks on a page: some 2 KiB each, as a rule."""


class Blocks:
    """The blocks of one service's ledger."""

    def __init__(self, service: Service) -> None:
        self._ledger, self._settler, self._ensembles = (
            service.ledger,
            service.settler,
            service.ensembles,
        )
        self._looking_back = asyncio.Lock()

    async def block(self, incoming: Request) -> Response:
        """`GET /v1/ledger/blocks/{height}`."""
        incoming.query()
        height = int_param(incoming.path, "height", default=0, least=1)
        if height > self._settler.head.height:
            raise UnknownName(f"There is no block {height} yet.", field="height", code="unknown_block")
        return json_response(_view(await run_exclusive(self._looking_back, self._ledger.block, height)))

    async def blocks(self, incoming: Request) -> Response:
        """`GET /v1/ledger/blocks?before=&limit=`: newest first, below a height."""
        query = incoming.query("before", "limit")
        limit = int_param(query, "limit", default=20, least=1, most=MOST_LISTED)
        return json_response(await run_exclusive(self._looking_back, self._page, self._stop(query), limit))

    async def stakes(self, incoming: Request) -> Response:
        """`GET /v1/ledger/stakes/{task}?before=`: over the newest 1,000 blocks below a height."""
        task, query = incoming.path["task"], incoming.query("before")
        self._ensembles.settings(task)
        return json_response(await run_exclusive(self._looking_back, self._stakes, task, self._stop(query)))

    def _stop(self, query: Mapping[str, str]) -> int:
        """The height below which blocks are asked for: all that there are, unless the query says less."""
        end = self._settler.head.height + 1
        return min(int_param(query, "before", default=end, least=1), end)

    def _page(self, stop: int, limit: int) -> BlockPage:
        start = max(1, stop - limit)
        found = self._ledger.blocks(start, stop) if stop > start else []
        return BlockPage([_view(one) for one in reversed(found)], _older(start))

    def _stakes(self, task: str, stop: int) -> StakesPage:
        start = max(1, stop - MOST_BLOCKS)
        state = self._ledger.state_before(start).tasks.get(task)
        blocks = self._ledger.stream(start, stop) if stop > start else iter(())
        nodes, treasury = moves(blocks, task, state.balances if state else {})
        return StakesPage(task, start if stop > start else 0, stop - 1, treasury, nodes, _older(start))


def _older(start: int) -> int | None:
    return start if start > 1 else None


def _view(block: Block) -> BlockView:
    return BlockView(hash=block.hash, time_text=iso(block.time), **block.to_json())
