"""Serves the review page on this machine only, until it is stopped."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from corpus.errors import RunError
from review.guard import Guard
from review.page import ReviewPage
from review.sheet import Sheet

HOST = "127.0.0.1"


def serve(sheet: Sheet, title: str, port: int, browser: bool, announce: Callable[[str], None]) -> None:
    """Serve a sheet until Ctrl-C, once per process.

    Args:
        sheet: what is reviewed.
        title: the name of the run, shown on the page.
        port: 0 for any free one.
        browser: whether to open the page in the default browser.
        announce: told the page's address as soon as requests are accepted.

    Raises:
        RunError: the port cannot be used.
        KeyboardInterrupt: it was stopped.
    """
    listening = _listen(port)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(24)

    @ui.page("/", title=f"Review of {title}", language="en-US")
    def page() -> None:
        ReviewPage(sheet, title)

    app = FastAPI(openapi_url=None)  # without the pages that describe an interface
    ui.run_with(app, dark=None, tailwind=False, show_welcome_message=False, gzip_middleware_factory=None)
    config = uvicorn.Config(
        Guard(app, token, port),
        ws="wsproto",  # what NiceGUI itself uses
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    url = f"http://{HOST}:{port}/{token}/"
    announce(url)
    if browser:  # some browsers come back only when they are closed
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise RunError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port, or leave it out for a free one"
        ) from error
    return listening
