"""Access to the page: names of this machine only, or a token that the address contains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
import hmac
from http.cookies import CookieError, SimpleCookie
import ipaddress
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
COOKIE = 'mppi_dashboard'


def is_loopback(host: str) -> bool:
    """Return whether a host name or address refers to this machine only."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return False


class AccessGuard:
    """
    ASGI application that lets requests with the token, or from this machine, through to another.

    Without a token the requested host must be a name of this machine: a web site whose name
    resolves to the loopback address is refused. With and without it, a WebSocket of a page from
    elsewhere is refused. With a token, the address that contains it sets a cookie, named after
    the port: browsers send a cookie to all ports of a host.
    """

    def __init__(self, application: Application, token: str = '', port: int = 0) -> None:
        self._application, self._token = application, token
        self._cookie = f'{COOKIE}_{port}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope['type'] not in ('http', 'websocket'):
            await self._application(scope, receive, send)
            return
        headers = {key.decode('latin-1'): value.decode('latin-1')
                   for key, value in scope.get('headers', ())}
        query = parse_qsl(scope.get('query_string', b'').decode('latin-1'))
        given = dict(query).get('token', '')
        if scope['type'] == 'http' and self._token and self._is_token(given):
            rest = urlencode([pair for pair in query if pair[0] != 'token'])
            await self._welcome(f'{scope["path"]}?{rest}'.rstrip('?'), send)
        elif self._admits(headers):
            await self._application(scope, receive, send)
        else:
            await _refuse(scope, receive, send, 'the address must contain ?token=…, as printed '
                          'by mppi_dashboard' if self._token else 'open the page as localhost')

    def _admits(self, headers: dict[str, str]) -> bool:
        host = headers.get('host', '')
        origin = headers.get('origin', '')
        if origin and urlsplit(origin).netloc != host:
            return False
        if self._token:
            return self._is_token(_cookie(headers.get('cookie', ''), self._cookie))
        return is_loopback(urlsplit(f'//{host}').hostname or '')

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    async def _welcome(self, path: str, send: Send) -> None:
        location = '/' + path.lstrip('/')
        cookie = f'{self._cookie}={quote(self._token, safe="")}; Path=/; HttpOnly; SameSite=Strict'
        headers = [(b'location', location.encode()), (b'set-cookie', cookie.encode())]
        await send({'type': 'http.response.start', 'status': 303, 'headers': headers})
        await send({'type': 'http.response.body'})


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ''
    return '' if morsel is None else unquote(morsel.value)


async def _refuse(scope: Scope, receive: Receive, send: Send, message: str) -> None:
    if scope['type'] == 'websocket':
        await receive()
        await send({'type': 'websocket.close', 'code': 1008})
        return
    headers = [(b'content-type', b'text/plain; charset=utf-8')]
    await send({'type': 'http.response.start', 'status': 403, 'headers': headers})
    await send({'type': 'http.response.body', 'body': f'Refused: {message}\n'.encode()})
