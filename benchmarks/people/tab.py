"""Client of a Streamlit page that acts as a browser tab, without drawing.

It speaks Streamlit's protocol over the WebSocket, with automatic reruns, so the server's work is the same as
with a browser.
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

DRAW_SECONDS: Final = 30.0
"""Default time limit for drawing a page."""

MAX_BYTES: Final = 64 << 20
"""Limit for a message of the server."""

_ROUND_ID: Final = re.compile("[0-9a-f]{32}")
"""A round's id: 128 random bits."""

_FILE_LINKS: Final = re.compile(r'(?:src|href)="\.?/?(static/[^"]+)"')


class PageError(Exception):
    """The page is late, missing, or shows an error."""


class Tab:
    """A session with a page.

    Args:
        url: URL of the page.
        patience: Time limit for drawing a view, in seconds.

    Attributes:
        pages: Title → the server's id of the page; filled by `open`.
    """

    def __init__(self, url: str, patience: float = DRAW_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self.pages: dict[str, str] = {}
        self._page = ""
        self._elements: dict[tuple[int, ...], Element] = {}
        self._reruns: dict[str, float] = {}
        self._cached: dict[str, ForwardMsg] = {}

    async def __aenter__(self) -> Self:
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket: ClientConnection = await connect(
            address, subprotocols=[Subprotocol("streamlit")], max_size=MAX_BYTES, origin=Origin(self._url)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    async def open(self) -> None:
        """Loads the page's files and draws its first view.

        Raises:
            PageError: The page is late, missing, or shows an error.
        """
        async with httpx.AsyncClient(timeout=self._patience) as http:
            shell = (await http.get(f"{self._url}/")).raise_for_status().text
            for file in _FILE_LINKS.findall(shell):
                (await http.get(f"{self._url}/{file}")).raise_for_status()
        await self._run(BackMsg())

    async def go(self, title: str) -> None:
        """Opens another page of the menu."""
        self._page = self.pages[title]
        self._reruns.clear()
        await self._run(BackMsg())

    async def press(self, label: str) -> None:
        """Presses the button whose label starts with this text.

        Raises:
            PageError: There is none, it cannot be pressed, or as in `open`.
        """
        buttons = (element.button for element in self._elements_of("button"))
        button = next((button for button in buttons if button.label.startswith(label)), None)
        if button is None or button.disabled:
            raise PageError(f"no button {label!r} can be pressed")
        message = BackMsg()
        message.rerun_script.widget_states.widgets.add(id=button.id, trigger_value=True)
        await self._run(message)

    def rounds(self) -> set[str]:
        """Ids of the rounds whose answers are shown."""
        codes = (element.code.code_text for element in self._elements_of("code"))
        return {code for code in codes if _ROUND_ID.fullmatch(code)}

    def warnings(self) -> list[str]:
        """First lines of the page's warnings, such as why it did not ask."""
        return self._alerts(Alert.WARNING)

    async def stay(self, seconds: float) -> None:
        """Leaves the page open for a while, with its automatic reruns."""
        until = time.monotonic() + seconds
        due = {fragment: time.monotonic() + interval for fragment, interval in self._reruns.items()}
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
            due[fragment] = time.monotonic() + self._reruns.get(fragment, seconds)

    async def _run(self, message: BackMsg) -> None:
        message.rerun_script.page_script_hash = self._page
        message.rerun_script.context_info.locale = "en"
        message.rerun_script.context_info.timezone = "UTC"
        message.rerun_script.context_info.url = self._url
        message.rerun_script.cached_message_hashes.extend(self._cached)
        is_whole = not message.rerun_script.fragment_id
        await self._socket.send(message.SerializeToString())
        try:
            async with asyncio.timeout(self._patience):
                while not self._receive(await self._socket.recv(), is_whole=is_whole):
                    pass
        except TimeoutError:
            raise PageError(f"the page was not drawn within {self._patience:g} s") from None
        for error in self._errors():
            raise PageError(f"the page says: {error}")

    def _receive(self, data: bytes | str, *, is_whole: bool) -> bool:
        # Handles a message of the server; returns whether the page is complete with it.
        received = ForwardMsg.FromString(data.encode() if isinstance(data, str) else data)
        if received.WhichOneof("type") == "ref_hash":
            delta_path = list(received.metadata.delta_path)
            received = ForwardMsg.FromString(self._cached[received.ref_hash].SerializeToString())
            received.metadata.delta_path[:] = delta_path
        elif received.metadata.cacheable:
            self._cached[received.hash] = received
        match received.WhichOneof("type"):
            case "new_session":
                self._page = received.new_session.page_script_hash
                if is_whole:
                    self._elements.clear()
            case "navigation":
                self.pages = {page.page_name: page.page_script_hash for page in received.navigation.app_pages}
            case "delta" if received.delta.WhichOneof("type") == "new_element":
                self._elements[tuple(received.metadata.delta_path)] = received.delta.new_element
            case "auto_rerun":
                self._reruns[received.auto_rerun.fragment_id] = received.auto_rerun.interval
            case "page_not_found":
                raise PageError("the page does not exist")
            case "script_finished":
                return bool(received.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN)
        return False

    def _elements_of(self, kind: str) -> Iterator[Element]:
        return (element for element in self._elements.values() if element.WhichOneof("type") == kind)

    def _errors(self) -> Iterator[str]:
        for element in self._elements_of("exception"):
            yield element.exception.message
        yield from self._alerts(Alert.ERROR)

    def _alerts(self, kind: "Alert.Format.ValueType") -> list[str]:
        alerts = (element.alert for element in self._elements_of("alert"))
        return [alert.body.partition("\n")[0] for alert in alerts if alert.format == kind]
