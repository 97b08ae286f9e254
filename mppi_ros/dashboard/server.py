"""Web server of the live page, in a thread of its own."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from urllib.parse import urlencode

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui
import uvicorn

from mppi_ros.dashboard.access import AccessGuard, is_loopback
from mppi_ros.dashboard.link import Link
from mppi_ros.dashboard.page import Page
from mppi_ros.parameters.errors import InputError

STOP_TIME = 1.0  # [s] for the server to end; then its thread ends with the process
RECONNECT_TIME = 20.0  # [s] for which a browser that does not answer is waited for
WILDCARDS = ('', '0.0.0.0', '::')  # served on all addresses; a browser needs one of them
TITLE = 'mppi_dashboard'


class WebServer:
    """
    Serves the page of a link on an address.

    Attributes
    ----------
    address : str
        URL of the page, with the token if there is one; on all addresses, with the host name.

    """

    def __init__(self, link: Link, host: str, port: int, token: str = '') -> None:
        """
        Bind the address; `start` serves.

        Raises
        ------
        InputError
            The address or the port is not available.

        """
        if not token and not is_loopback(host):
            token = secrets.token_urlsafe(16)
        self._socket = _bind(host, port)
        port = self._socket.getsockname()[1]
        shown = socket.gethostname() if host in WILDCARDS else host
        shown = f'[{shown}]' if ':' in shown else shown
        query = '?' + urlencode({'token': token}) if token else ''
        self.address = f'http://{shown}:{port}/{query}'

        @ui.page('/', title=TITLE, response_timeout=20.0)
        def index() -> None:
            Page(link)

        application = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        ui.run_with(
            application, dark=None, language='en-US', tailwind=False,
            reconnect_timeout=RECONNECT_TIME, binding_refresh_interval=None,
            show_welcome_message=False, message_history_length=200,
        )
        nicegui_app.config.title = TITLE
        self._server = uvicorn.Server(uvicorn.Config(
            AccessGuard(application, token, port), log_level='critical', access_log=False,
            timeout_graceful_shutdown=0, ws_ping_interval=None,
        ))  # fmt: skip
        self._thread = threading.Thread(target=self._serve, name='dashboard', daemon=True)

    def start(self) -> None:
        """Serve in a thread."""
        logging.getLogger('nicegui').setLevel(logging.WARNING)
        self._thread.start()

    def stop(self) -> None:
        """End all connections and the thread."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(STOP_TIME)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()  # a browser that is early waits
    except OSError as error:
        raise InputError(
            f'host = {host!r}, port = {port}: the page cannot be served there: {error.strerror}; '
            f'choose others with -p host:=… or -p port:=…'
        ) from None
    return bound
