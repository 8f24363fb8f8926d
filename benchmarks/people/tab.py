"""A browser's side of a Streamlit page, without the drawing: what the server sends, and what a person does.

    async with Tab("http://127.0.0.1:7480") as tab:
        await tab.open()
        await tab.press("Ask the")

The messages are Streamlit's own protocol buffers over its WebSocket, and a tab asks again by itself where the
page says so, as in a browser. So the server has the work that a person's browser gives it, and none of a
browser's own, of which twenty would keep two cores busy for themselves.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import httpx
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

PATIENCE: Final = 30.0
"""Seconds after which nobody waits for a page any more."""

LARGEST: Final = 64 << 20
"""Bytes of a message."""

_ROUND: Final = re.compile("[0-9a-f]{32}")
"""A round's id: 128 random bits."""

_FILES: Final = re.compile(r'(?:src|href)="\.?/?(static/[^"]+)"')


class Broken(Exception):
    """What a person would call broken: the page is late, is not there, or says that something went wrong."""


class Tab:
    """One session.

    Args:
        url: Of the page.
        patience: Seconds after which a view that is not drawn is an error.

    Attributes:
        pages: Title → what the server calls the page; known once it was opened.
    """

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self.pages: dict[str, str] = {}
        self._page = ""
        self._elements: dict[tuple[int, ...], Element] = {}
        self._again: dict[str, float] = {}
        self._known: dict[str, ForwardMsg] = {}

    async def __aenter__(self) -> Self:
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket: ClientConnection = await connect(
            address, subprotocols=[Subprotocol("streamlit")], max_size=LARGEST, origin=Origin(self._url)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    async def open(self) -> None:
        """Loads the page's files and draws its first view.

        Raises:
            Broken: As in everything here.
        """
        async with httpx.AsyncClient(timeout=self._patience) as http:
            shell = (await http.get(f"{self._url}/")).raise_for_status().text
            for file in _FILES.findall(shell):
                (await http.get(f"{self._url}/{file}")).raise_for_status()
        await self._run(BackMsg())

    async def go(self, title: str) -> None:
        """Opens another page of the menu."""
        self._page = self.pages[title]
        self._again.clear()
        await self._run(BackMsg())

    async def press(self, label: str) -> None:
        """Presses a button by how its label begins.

        Raises:
            Broken: There is none, it cannot be pressed, or as in everything here.
        """
        button = next(
            (one.button for one in self._shown("button") if one.button.label.startswith(label)), None
        )
        if button is None or button.disabled:
            raise Broken(f"no button {label!r} can be pressed")
        message = BackMsg()
        message.rerun_script.widget_states.widgets.add(id=button.id, trigger_value=True)
        await self._run(message)

    def rounds(self) -> set[str]:
        """Ids of the rounds whose answers are shown. The number of a refused question is none."""
        codes = (one.code.code_text for one in self._shown("code"))
        return {code for code in codes if _ROUND.fullmatch(code)}

    def warnings(self) -> list[str]:
        """What the page cautions of, the first line of each, such as why it did not ask."""
        return self._alerts(Alert.WARNING)

    async def stay(self, seconds: float) -> None:
        """Leaves the page open for a while, which asks again by itself where it says so."""
        until = time.monotonic() + seconds
        due = {fragment: time.monotonic() + interval for fragment, interval in self._again.items()}
        while (now := time.monotonic()) < until:
            fragment = min(due, key=due.__getitem__, default=None)
            if fragment is None or due[fragment] > until:
                await asyncio.sleep(until - now)
                return
            await asyncio.sleep(max(0.0, due[fragment] - now))
            message = BackMsg()
            message.rerun_script.fragment_id = fragment
            message.rerun_script.is_auto_rerun = True
            await self._run(message)
            due[fragment] = time.monotonic() + self._again.get(fragment, seconds)

    async def _run(self, message: BackMsg) -> None:
        message.rerun_script.page_script_hash = self._page
        message.rerun_script.context_info.locale = "en"
        message.rerun_script.context_info.timezone = "UTC"
        message.rerun_script.context_info.url = self._url
        message.rerun_script.cached_message_hashes.extend(self._known)
        is_whole = not message.rerun_script.fragment_id
        await self._socket.send(message.SerializeToString())
        try:
            async with asyncio.timeout(self._patience):
                while not self._take(await self._socket.recv(), is_whole=is_whole):
                    pass
        except TimeoutError:
            raise Broken(f"the page was not drawn within {self._patience:g} s") from None
        for wrong in self._wrong():
            raise Broken(f"the page says: {wrong}")

    def _take(self, data: bytes | str, *, is_whole: bool) -> bool:
        # Takes one message of the server; whether the page is drawn whole with it.
        said = ForwardMsg.FromString(data.encode() if isinstance(data, str) else data)
        if said.WhichOneof("type") == "ref_hash":
            place = list(said.metadata.delta_path)
            said = ForwardMsg.FromString(self._known[said.ref_hash].SerializeToString())
            said.metadata.delta_path[:] = place
        elif said.metadata.cacheable:
            self._known[said.hash] = said
        match said.WhichOneof("type"):
            case "new_session":
                self._page = said.new_session.page_script_hash
                if is_whole:
                    self._elements.clear()
            case "navigation":
                self.pages = {page.page_name: page.page_script_hash for page in said.navigation.app_pages}
            case "delta" if said.delta.WhichOneof("type") == "new_element":
                self._elements[tuple(said.metadata.delta_path)] = said.delta.new_element
            case "auto_rerun":
                self._again[said.auto_rerun.fragment_id] = said.auto_rerun.interval
            case "page_not_found":
                raise Broken("the page does not exist")
            case "script_finished":
                return bool(said.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN)
        return False

    def _shown(self, kind: str) -> Iterator[Element]:
        return (one for one in self._elements.values() if one.WhichOneof("type") == kind)

    def _wrong(self) -> Iterator[str]:
        for one in self._shown("exception"):
            yield one.exception.message
        yield from self._alerts(Alert.ERROR)

    def _alerts(self, kind: "Alert.Format.ValueType") -> list[str]:
        shown = (one.alert for one in self._shown("alert"))
        return [alert.body.partition("\n")[0] for alert in shown if alert.format == kind]
