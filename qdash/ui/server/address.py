"""Tries the address of the page before Gradio uses it, because Gradio does not say why it cannot listen."""

import errno
import os
import socket
from dataclasses import dataclass

from qdash.errors import QdashError

LOOPBACK = "127.0.0.1"
_SET_HOST = "Set QDASH_HOST, or --host of “qdash serve”, to"
_SET_PORT = "Set QDASH_PORT, or --port of “qdash serve”, to"
_OTHER_HOST = f"{_SET_HOST} {LOOPBACK}, or to 0.0.0.0 for all addresses of this machine."


@dataclass(frozen=True)
class Address:
    """`host` as in a URL, an IPv6 address in brackets; `ipv4` is one of its addresses, the loopback address if it has IPv6 only."""

    host: str
    port: int
    ipv4: str


def free_address(host: str, port: int) -> Address:
    """The address at which a server can listen on `host` and `port`; port 0 becomes a free one. Raises QdashError saying why none can."""
    name = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, place in found:
            port = _tried(family, (place[0], port, *place[2:]))
    except OSError as error:
        raise _explained(error, host, port) from None
    except UnicodeError:
        raise _unresolved(host) from None
    ipv4 = [str(place[0]) for family, _, _, _, place in found if family == socket.AF_INET]
    return Address(f"[{name}]" if ":" in name else name, port, ipv4[0] if ipv4 else LOOPBACK)


def _tried(family: socket.AddressFamily, place: tuple) -> int:
    """Bind a socket as asyncio's servers do, and let it go; returns its port."""
    try:
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # a system without IPv6: servers leave such addresses out
        return place[1]
    with probe:
        if os.name == "posix":  # elsewhere it would take a port from another program
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(place)
        return probe.getsockname()[1]


def _explained(error: OSError, host: str, port: int) -> QdashError:
    if isinstance(error, socket.gaierror):
        return _unresolved(host)
    if error.errno == errno.EADDRINUSE:
        return _refused(f"Port {port} of {host} is in use.", f"{_SET_PORT} a free port, or to 0 for any free one.")
    if error.errno == errno.EACCES:
        return _refused(f"Listening on port {port} of {host} is not permitted.", f"{_SET_PORT} a port from 1024 to 65535.")
    if error.errno == errno.EADDRNOTAVAIL:
        return _refused(f"“{host}” is not an address of this machine.", _OTHER_HOST)
    reason = error.strerror or "unknown reason"
    return _refused(f"Listening on port {port} of {host} failed ({reason}).", "Set QDASH_HOST and QDASH_PORT to another address.")


def _unresolved(host: str) -> QdashError:
    return _refused(f"The host name “{host}” cannot be resolved.", _OTHER_HOST)


def _refused(message: str, remedy: str) -> QdashError:
    return QdashError(message, remedy, "unavailable")
