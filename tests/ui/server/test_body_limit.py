"""Bodies that are too large are refused while they arrive, whatever their headers say."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from qdash.ui.server.body_limit import FORM_OVERHEAD_BYTES, MESSAGE_BYTES, BodyLimit

UPLOAD_BYTES = 6 * 2**20


@pytest.fixture
def client() -> TestClient:
    async def size(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    routes = [Route("/queue/join", size, methods=["POST"]), Route("/gradio_api/upload", size, methods=["POST"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(BodyLimit, upload_bytes=UPLOAD_BYTES)]))


def _pieces(size: int) -> Iterator[bytes]:
    """A body without Content-Length."""
    for start in range(0, size, 2**16):
        yield b"x" * min(2**16, size - start)


@pytest.mark.parametrize("chunked", [False, True])
def test_messages_have_one_limit_and_uploads_another(client: TestClient, chunked: bool) -> None:
    def post(path: str, size: int) -> int:
        return client.post(path, content=_pieces(size) if chunked else b"x" * size).status_code

    assert post("/queue/join", MESSAGE_BYTES) == 200
    assert post("/queue/join", MESSAGE_BYTES + 1) == 413
    assert post("/gradio_api/upload", MESSAGE_BYTES + 1) == 200
    assert post("/gradio_api/upload", UPLOAD_BYTES + FORM_OVERHEAD_BYTES + 1) == 413


def test_a_lying_content_length_does_not_help(client: TestClient) -> None:
    response = client.post("/queue/join", content=_pieces(MESSAGE_BYTES + 1), headers={"content-length": "10"})
    assert response.status_code == 413
