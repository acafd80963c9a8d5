"""Limits how much a browser may send. Gradio checks the size of uploads only.

A piece of ASGI that counts the bytes of a body as they arrive, whatever Content-Length claims, and answers 413 instead of letting
them pile up in memory. Text that is too long for a question but below this limit gets a friendlier complaint later.
"""

from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qdash.present.language import _

MESSAGE_BYTES = 4 * 2**20
FORM_OVERHEAD_BYTES = 2**20


@dataclass(frozen=True)
class BodyLimit:
    """Middleware: uploads may have `upload_bytes`, every other body MESSAGE_BYTES."""

    app: ASGIApp
    upload_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.upload_bytes + FORM_OVERHEAD_BYTES if _is_upload(scope) else MESSAGE_BYTES
        if _declared_bytes(scope) > limit:
            await _refuse(scope, receive, send)
        else:
            await _Counted(limit, receive, send).run(self.app, scope)


@dataclass
class _Counted:
    """One request. Beyond the limit the app sees its client disconnect, and its answer to that is dropped."""

    limit: int
    receive: Receive
    send: Send
    seen: int = 0

    @property
    def over(self) -> bool:
        return self.seen > self.limit

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception:
            if not self.over:
                raise
        if self.over:
            await _refuse(scope, self.receive, self.send)

    async def _receive(self) -> Message:
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.over else message

    async def _send(self, message: Message) -> None:
        if not self.over:
            await self.send(message)


def _is_upload(scope: Scope) -> bool:
    return scope["path"].rstrip("/").endswith("/upload")


def _declared_bytes(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = PlainTextResponse(_("This is larger than the server accepts. Send something smaller."), status_code=413)
    await response(scope, receive, send)
