"""The server: address, limits, look."""

import asyncio
import errno
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import gradio as gr
from gradio import http_server
from pydantic import SecretStr
from starlette.middleware import Middleware

from qdash import execution, scratch
from qdash.checkpoints import made_once
from qdash.errors import QdashError
from qdash.markup import save_picture_script
from qdash.present.language import _
from qdash.private_folder import private_folder
from qdash.settings import on_a_space, settings
from qdash.ui.components.script_words import script_words
from qdash.ui.components.static import STATIC, css, script
from qdash.ui.components.theme import theme
from qdash.ui.layout import build
from qdash.ui.server.address import Address, free_address
from qdash.ui.server.backend import EngineBackend
from qdash.ui.server.body_limit import BodyLimit
from qdash.ui.server.file_quota import UploadQuota
from qdash.ui.server.gradio_sessions import forget_messages, forget_state, keep_no_statistics, unread_messages
from qdash.ui.server.help_pages import HelpPages
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.page_links import PageLinks
from qdash.ui.server.page_routes import PageRoutes
from qdash.ui.server.page_zipped import PageZipped
from qdash.ui.server.request_faults import RequestFaults, log_in_lines
from qdash.ui.server.response_headers import ResponseHeaders
from qdash.ui.server.same_origin import SameOrigin, hosts_of, never_reflect_origins
from qdash.ui.server.tabs import TabGuard, Tabs, sweep
from qdash.ui.server.visitors import VisitorCookie

WRONG_PASSWORD_S = 1.0
"""How long the answer to a wrong password takes, so that few can be tried."""


SWITCH_S = 0.0005
"""After how many seconds a thread that computes lets another have the interpreter, on public servers."""


def main() -> None:
    """Serve until interrupted."""
    try:
        private_folder(settings().cache_dir)
    except OSError as error:
        raise not_private(error) from None
    _delete_leftovers()
    executor = execution.create(settings())
    try:
        backend = EngineBackend(executor)
        tabs = Tabs()
        serve(build(LimitedBackend(backend, settings().public_seconds) if settings().public else backend, tabs), tabs)
    finally:
        executor.close()


def _delete_leftovers() -> None:
    """Delete what a killed server has left."""
    cache = settings().cache_dir
    for place in (Path(tempfile.gettempdir()), cache, *(entry for entry in _entries(cache) if entry.is_dir())):
        scratch.sweep(place)
    for made in ("random", "gguf"):
        made_once.sweep(cache / made)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _password_check(password: SecretStr | None) -> Callable[[str, str], Awaitable[bool]] | None:
    if password is None:
        return None
    wanted = password.get_secret_value().encode()

    async def right(_name: str, given: str) -> bool:
        same = secrets.compare_digest(given.encode(), wanted)
        if not same:
            await asyncio.sleep(WRONG_PASSWORD_S)
        return same

    return right


def not_private(error: OSError) -> QdashError:
    """The error of a cache that cannot be used or belongs to another user."""
    message = f"The folder {settings().cache_dir} cannot be used ({error.strerror or error})."
    return QdashError(message, "Set QDASH_CACHE_DIR to a folder that you own and can write to.", "unavailable")


def serve(blocks: gr.Blocks, tabs: Tabs) -> None:
    """Launch `blocks`, which looks into `tabs`, and block; raises QdashError if the server cannot listen."""
    limits = settings()
    os.umask(0o077)  # other users of this machine must not read uploads and exports
    address = free_address(limits.host, limits.port)
    # Gradio tries the port on the address in GRADIO_SERVER_NAME first, whatever `launch` is given, and can do so with IPv4 only.
    http_server.LOCALHOST_NAME = address.ipv4
    never_reflect_origins()
    log_in_lines()
    quota = [
        Middleware(UploadQuota, folder=limits.uploads, upload_bytes=limits.max_upload_bytes, most_bytes=limits.public_disk_bytes)
    ] * limits.public
    hosts = None if limits.public else hosts_of(limits.host, limits.hosts, limits.root_path)
    middleware = [
        Middleware(RequestFaults),
        Middleware(PageZipped, path=limits.url_path),
        Middleware(ResponseHeaders, path=limits.url_path, space=on_a_space()),
        Middleware(SameOrigin, hosts=hosts, public=limits.root_path),
        Middleware(PageRoutes, path=limits.url_path),
        Middleware(BodyLimit, upload_bytes=limits.max_upload_bytes),
        Middleware(TabGuard, tabs=tabs, unread=partial(unread_messages, blocks)),
        *quota,
        Middleware(HelpPages, path=limits.url_path),
        Middleware(PageLinks, path=limits.url_path),
    ]
    if limits.public:
        middleware.append(Middleware(VisitorCookie, path=limits.url_path))
        tabs.when_gone.append(partial(forget_state, blocks))  # else Gradio keeps it for an hour, in case the visitor comes back
        switch_threads_often()
    tabs.when_gone.append(partial(forget_messages, blocks))
    sweep(tabs)
    keep_no_statistics()
    blocks.queue(max_size=limits.max_queue, default_concurrency_limit=limits.max_queue, api_open=False)
    try:
        _app, url, _share = blocks.launch(
            server_name=address.host, server_port=address.port, root_path=limits.root_path,
            theme=theme(), css=css(), head=head(),
            max_file_size=limits.max_upload_bytes,
            max_threads=limits.max_queue + 16,  # every visitor in the queue holds a thread
            app_kwargs={"middleware": middleware},
            favicon_path=str(STATIC / "favicon.svg"),
            auth=_password_check(limits.password),  # type: ignore[arg-type] - Gradio also takes one that is awaited
            auth_message=_("This page asks for a password; any name will do."),
            footer_links=[], run_history=False, ssr_mode=False, pwa=False, share=False, show_error=False,
            enable_monitoring=False, mcp_server=False, quiet=True, prevent_thread_lock=True,
        )  # fmt: skip
    except OSError as error:
        raise not_started(error, address) from None
    with suppress(OSError):  # no room for the log: the message is lost
        print(f"qdash is at {url}{f', for a proxy that shows it at {limits.root_path}' if limits.root_path else ''}", flush=True)
    blocks.block_thread()


def head() -> str:
    """The scripts of the whole page, their words first."""
    scripts = (script_words(), script("say"), script("page"), save_picture_script())
    return "".join(f"<script>{code}</script>" for code in scripts if code)


def switch_threads_often() -> None:
    """Let the thread that answers all requests wait a short time for the others, which draw charts and write reports.

    It gives the interpreter away with each system call, and Gradio makes one for each component it updates. With Python's 5 ms for each,
    clicks wait for seconds where many visitors compare at once.
    """
    sys.setswitchinterval(SWITCH_S)


def not_started(error: OSError, address: Address) -> QdashError:
    """Why the server did not start, as far as can be found out; Gradio raises one error for every cause."""
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
