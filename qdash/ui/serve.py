"""Starts the server: host, port, limits, look. `python app.py` ends up here."""

import gradio as gr
from starlette.middleware import Middleware

from qdash.execution.process import ProcessExecutor
from qdash.settings import settings
from qdash.ui.assets import css, script
from qdash.ui.backend import EngineBackend
from qdash.ui.layout import build
from qdash.ui.limits import BodyLimit
from qdash.ui.theme import theme
from qdash.ui.visitors import VisitorCookie


def main() -> None:
    """Serve until interrupted."""
    executor = ProcessExecutor()
    try:
        serve(build(EngineBackend(executor)))
    finally:
        executor.close()


def serve(blocks: gr.Blocks) -> None:
    """Launch `blocks` and block; one clear line if the port is taken."""
    limits = settings()
    middleware = [Middleware(BodyLimit, upload_bytes=limits.max_upload_bytes)] + [Middleware(VisitorCookie)] * limits.public
    blocks.queue(max_size=limits.max_queue, default_concurrency_limit=limits.max_queue, api_open=False)
    try:
        _, url, _ = blocks.launch(
            server_name=limits.host, server_port=limits.port,
            theme=theme(), css=css(), head=f"<script>{script('page')}</script>",
            max_file_size=limits.max_upload_bytes,
            max_threads=limits.max_queue + 16,  # everybody in the line holds a thread
            app_kwargs={"middleware": middleware},
            footer_links=[], run_history=False, ssr_mode=False, pwa=False, share=False, show_error=False,
            enable_monitoring=False, mcp_server=False, quiet=True, prevent_thread_lock=True,
        )  # fmt: skip
    except OSError:
        raise SystemExit(f"qdash cannot listen on {limits.host}:{limits.port}: is it taken? Set QDASH_PORT to a free port.") from None
    print(f"qdash is at {url}", flush=True)
    blocks.block_thread()
