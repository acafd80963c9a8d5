"""What keeps a server from listening is told as it is, and the address that Gradio gets can be listened at."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from qdash.errors import QdashError
from qdash.ui.serve import not_started
from qdash.ui.server.address import Address, free_address
from tests.support.serving import ROOT


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


def test_a_free_port_is_found_and_can_be_listened_at() -> None:
    address = free_address("127.0.0.1", 0)
    assert address.host == address.ipv4 == "127.0.0.1" and address.port > 0
    with socket.create_server(("127.0.0.1", address.port)):
        pass
    assert free_address("127.0.0.1", address.port) == address


@needs_ipv6
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_is_written_as_in_a_url(host: str) -> None:
    address = free_address(host, 0)
    assert address == Address("[::1]", address.port, "127.0.0.1")


def test_a_port_in_use_is_named(taken: int) -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(QdashError, match=f"Port {taken} of {host} is in use") as raised:
            free_address(host, taken)
        assert "QDASH_PORT" in raised.value.remedy


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".org", "127.0.0.1.5", "::g"])
def test_a_host_that_cannot_be_resolved_is_named(host: str) -> None:
    with pytest.raises(QdashError, match="cannot be resolved") as raised:
        free_address(host, 0)
    assert f"“{host}”" in raised.value.message and "QDASH_HOST" in raised.value.remedy


def test_an_address_of_another_machine_is_named() -> None:
    # Of a block that documentation alone uses (RFC 5737).
    with pytest.raises(QdashError, match="“192.0.2.1” is not an address of this machine"):
        free_address("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EACCES, "Listening on port 80 of 127.0.0.1 is not permitted"), (errno.ENOBUFS, os.strerror(errno.ENOBUFS))]
)
def test_what_a_system_refuses_is_told(number: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_socket: socket.socket, _place: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("qdash.ui.server.address.socket.socket.bind", refuse)
    with pytest.raises(QdashError) as raised:
        free_address("127.0.0.1", 80)
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"QDASH_PORT": "{taken}", "GRADIO_SERVER_PORT": "x"}, "qdash: Port {taken} of 127.0.0.1 is in use."),
        ({"GRADIO_SERVER_NAME": "192.0.2.1"}, "qdash: “192.0.2.1” is not an address of this machine."),
        ({"QDASH_PORT": "", "GRADIO_SERVER_PORT": "x"}, "qdash: GRADIO_SERVER_PORT is “x”."),
    ],
)
def test_the_page_that_cannot_start_says_why_in_one_line(given: dict[str, str], said: str, taken: int) -> None:
    environment = os.environ | {"QDASH_PORT": "0"} | {name: value.format(taken=taken) for name, value in given.items()}
    ended = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1 and said.format(taken=taken) in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        ((), {"QDASH_PORT": "{taken}"}, "qdash: Port {taken} of 127.0.0.1 is in use."),
        (("serve", "--port", "{taken}"), {"QDASH_PORT": "0"}, "qdash: Port {taken} of 127.0.0.1 is in use."),
        (("serve", "--host", "192.0.2.1"), {"QDASH_HOST": "127.0.0.1"}, "qdash: “192.0.2.1” is not an address of this machine."),
        (("serve", "--port", "65536"), {}, "qdash: Invalid value for '--port': Input should be less than or equal to 65535."),
    ],
)
def test_the_command_serves_where_it_is_told_to(options: tuple[str, ...], given: dict[str, str], said: str, taken: int) -> None:
    environment = os.environ | {name: value.format(taken=taken) for name, value in given.items()}
    command = [sys.executable, "-m", "qdash", *(option.format(taken=taken) for option in options)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2 and ended.stderr.startswith(said.format(taken=taken)), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


def test_why_a_server_did_not_start_is_told_apart(taken: int) -> None:
    nothing = OSError("Cannot find empty port in range: 7860-7860.")
    assert "is in use" in not_started(nothing, Address("127.0.0.1", taken, "127.0.0.1")).message
    assert "is not an address of this machine" in not_started(nothing, Address("192.0.2.1", 7860, "192.0.2.1")).message
    free = free_address("127.0.0.1", 0)
    assert "did not answer" in not_started(nothing, free).message
    denied = not_started(PermissionError(errno.EACCES, "Permission denied", "/srv/qdash/uploads"), free)
    assert denied.message == "The server did not start (Permission denied: /srv/qdash/uploads)." and "QDASH_CACHE_DIR" in denied.remedy
    assert "space" in not_started(OSError(errno.ENOSPC, "No space left on device"), free).remedy
