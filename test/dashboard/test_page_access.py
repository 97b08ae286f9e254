"""Access to the live page: this machine only, or with the token; never from another site."""
from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest

from mppi_ros.dashboard.access import COOKIE, AccessGuard, is_loopback


def ask(token='', kind='http', path='/', query='', port=8750, **headers):
    """Return what the guard sends, 'passed' if the request reaches the page."""
    sent = []

    async def page(scope, receive, send):
        sent.append('passed')

    async def receive():
        return {'type': 'websocket.connect'}

    async def send(message):
        sent.append(message)

    scope = {
        'type': kind, 'path': path, 'query_string': query.encode(),
        'headers': [(name.encode(), value.encode()) for name, value in headers.items()]}
    asyncio.run(AccessGuard(page, token, port)(scope, receive, send))
    return sent


@pytest.mark.parametrize('host', ['localhost:80', '127.0.0.1:8750', '[::1]:8750', '127.1.2.3'])
def test_without_a_token_names_of_this_machine_pass(host):
    assert ask(host=host) == ['passed']
    assert ask(kind='websocket', host=host, origin=f'http://{host}') == ['passed']


@pytest.mark.parametrize('headers', [
    {'host': 'evil.example'}, {}, {'host': '192.168.1.2'},
    {'host': 'localhost:8750', 'origin': 'http://evil.example'},
    {'host': 'localhost:8750', 'origin': 'http://localhost:9999'}])
@pytest.mark.parametrize('kind', ['http', 'websocket'])
def test_without_a_token_others_are_refused(kind, headers):
    (first, *_) = ask(kind=kind, **headers)
    assert first.get('status', first.get('code')) in (403, 1008)


def test_the_token_in_the_address_sets_a_cookie_and_leaves_the_address():
    first, _ = ask('secret', path='/', query='token=secret&a=b', host='robot:8750')
    headers = dict(first['headers'])
    assert first['status'] == 303 and headers[b'location'] == b'/?a=b'
    assert b'HttpOnly' in headers[b'set-cookie'] and b'SameSite=Strict' in headers[b'set-cookie']
    cookie = headers[b'set-cookie'].decode().split(';')[0]
    assert ask('secret', host='robot:8750', cookie=cookie) == ['passed']
    assert ask('secret', kind='websocket', host='robot:8750', cookie=cookie) == ['passed']


@pytest.mark.parametrize('token', ['a&b;c=d', 'schlüssel', 'a b', '%41"'])
def test_any_token_passes_by_address_and_cookie(token):
    query = urlencode({'token': token})
    (_, cookie), = [h for h in ask(token, query=query, host='robot')[0]['headers']
                    if h[0] == b'set-cookie']
    assert ask(token, host='robot', cookie=cookie.decode().split('; ')[0]) == ['passed']


def test_pages_on_two_ports_of_a_host_keep_their_cookies():
    names = set()
    for port in (8750, 8751):
        first, _ = ask('secret', query='token=secret', port=port, host=f'robot:{port}')
        names.add(dict(first['headers'])[b'set-cookie'].partition(b'=')[0])
    assert len(names) == 2


def test_the_redirection_stays_on_this_site():
    first, _ = ask('secret', path='//evil.example', query='token=secret', host='robot')
    assert dict(first['headers'])[b'location'] == b'/evil.example'


@pytest.mark.parametrize('headers', [
    {}, {'cookie': f'{COOKIE}_8750=wrong'}, {'cookie': f'{COOKIE}_8750="'}, {'cookie': 'ü'},
    {'cookie': f'{COOKIE}_8750=secret', 'origin': 'http://evil.example'}])
def test_with_a_token_nothing_passes_without_it(headers):
    for query in ('', 'token=wrong', 'token='):
        first, *_ = ask('secret', query=query, host='localhost', **headers)
        assert first['status'] == 403


@pytest.mark.parametrize(('host', 'local'), [
    ('localhost', True), ('127.0.0.1', True), ('::1', True), ('0.0.0.0', False),
    ('192.168.0.1', False), ('robot', False), ('', False)])
def test_loopback(host, local):
    assert is_loopback(host) == local
