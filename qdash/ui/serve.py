"""The server: address, limits, look."""

import errno

import gradio as gr
from gradio import http_server
from starlette.middleware import Middleware

from qdash import execution
from qdash.catalog.models import ASSETS
from qdash.errors import QdashError
from qdash.settings import settings
from qdash.ui.address import Address, free_address
from qdash.ui.assets import css, script
from qdash.ui.backend import EngineBackend
from qdash.ui.help_pages import HelpPages
from qdash.ui.layout import build
from qdash.ui.limited_backend import LimitedBackend
from qdash.ui.limits import BodyLimit
from qdash.ui.page_links import PageLinks
from qdash.ui.page_zipped import PageZipped
from qdash.ui.theme import theme
from qdash.ui.visitors import VisitorCookie


def main() -> None:
    """Serve until interrupted."""
    executor = execution.create(settings())
    try:
        backend = EngineBackend(executor)
        serve(build(LimitedBackend(backend, settings().public_seconds) if settings().public else backend))
    finally:
        executor.close()


def serve(blocks: gr.Blocks) -> None:
    """Launch `blocks` and block; raises QdashError if the server cannot listen."""
    limits = settings()
    address = free_address(limits.host, limits.port)
    # Gradio tries the port on the address in GRADIO_SERVER_NAME first, whatever `launch` is given, and can do so with IPv4 only.
    http_server.LOCALHOST_NAME = address.ipv4
    middleware = [
        Middleware(PageZipped, path=limits.url_path),
        Middleware(BodyLimit, upload_bytes=limits.max_upload_bytes),
        Middleware(HelpPages, path=limits.url_path),
        Middleware(PageLinks, path=limits.url_path),
    ]
    if limits.public:
        middleware.append(Middleware(VisitorCookie, path=limits.url_path))
    blocks.queue(max_size=limits.max_queue, default_concurrency_limit=limits.max_queue, api_open=False)
    try:
        _, url, _ = blocks.launch(
            server_name=address.host, server_port=address.port, root_path=limits.root_path,
            theme=theme(), css=css(), head="".join(f"<script>{script(name)}</script>" for name in ("page", "save_picture")),
            max_file_size=limits.max_upload_bytes,
            max_threads=limits.max_queue + 16,  # everybody in the line holds a thread
            app_kwargs={"middleware": middleware},
            favicon_path=str(ASSETS / "favicon.svg"),
            footer_links=[], run_history=False, ssr_mode=False, pwa=False, share=False, show_error=False,
            enable_monitoring=False, mcp_server=False, quiet=True, prevent_thread_lock=True,
        )  # fmt: skip
    except OSError as error:
        raise not_started(error, address) from None
    print(f"qdash is at {url}{f', for a proxy that shows it at {limits.root_path}' if limits.root_path else ''}", flush=True)
    blocks.block_thread()


def not_started(error: OSError, address: Address) -> QdashError:
    """Why the server did not start, as far as can be found out: Gradio has one error for whatever keeps it from listening."""
    try:
        free_address(address.host, address.port)
    except QdashError as known:
        return known
    if error.errno is None:
        message = f"The server did not answer on port {address.port} of {address.host} within 5 seconds, though nothing else listens there."
        return QdashError(message, "Try again when the machine is less busy, or set QDASH_PORT to another port.", "unavailable")
    place = f": {error.filename}" if error.filename else ""
    remedy = _REMEDIES.get(error.errno, "Correct that, and start again.")
    return QdashError(f"The server did not start ({error.strerror}{place}).", remedy, "unavailable")


_NOT_WRITABLE = "Make it writable, or set QDASH_CACHE_DIR to a folder that is."
_REMEDIES = {
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.EROFS: _NOT_WRITABLE,
    errno.ENOSPC: "Free some space, or set QDASH_CACHE_DIR to another disk.",
    errno.EMFILE: "Allow more open files (ulimit -n), and start again.",
}
