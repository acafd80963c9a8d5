"""Settings come from QDASH_<NAME>; where to serve also from Gradio's variables. A wrong value is told with the variable that has it."""

import os
import sys
from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.settings import Settings, settings

settings_anew = settings.__wrapped__


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nothing is set."""
    for name in os.environ:
        if name.upper().startswith(("QDASH_", "GRADIO_", "SPACE_ID")):
            monkeypatch.delenv(name)


PLACES = [
    ("host", "QDASH_HOST", "GRADIO_SERVER_NAME", "10.0.0.1", "::1", "127.0.0.1"),
    ("port", "QDASH_PORT", "GRADIO_SERVER_PORT", "8001", "8002", "7860"),
    ("root_path", "QDASH_ROOT_PATH", "GRADIO_ROOT_PATH", "/one", "https://example.org/two", ""),
]


@pytest.mark.parametrize(("name", "own", "gradio", "one", "two", "default"), PLACES)
def test_gradios_variable_counts_where_ones_own_is_not_set(
    name: str, own: str, gradio: str, one: str, two: str, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def value() -> str:
        return str(getattr(Settings(), name))

    assert value() == default
    monkeypatch.setenv(gradio, two)
    assert value() == two
    monkeypatch.setenv(own, one)
    assert value() == one
    monkeypatch.setenv(own, "")
    assert value() == two
    monkeypatch.setenv(gradio, "")
    assert value() == default


def test_a_space_serves_everybody_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "somebody/qdash")
    assert (Settings().host, Settings().public, Settings().history_runs) == ("0.0.0.0", True, 100)
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.2")
    assert Settings().host == "127.0.0.2"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of one's own, in which nothing is set."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_files_lie_where_the_system_keeps_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().cache_dir, Settings().history) == (home / ".cache/qdash", home / ".local/share/qdash/history.sqlite3")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "caches"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert (Settings().cache_dir, Settings().history) == (home / "caches/qdash", home / "data/qdash/history.sqlite3")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_a_history_that_was_kept_elsewhere_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    earlier, now = home / ".local/share/qdash/history.sqlite3", home / "data/qdash/history.sqlite3"
    for file, expected in ((earlier, earlier), (now, now)):
        file.parent.mkdir(parents=True)
        file.touch()
        assert Settings().history == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"GRADIO_SERVER_PORT": "x"}, "GRADIO_SERVER_PORT is “x”. It should be a valid integer. Correct or unset GRADIO_SERVER_PORT."),
        ({"GRADIO_SERVER_PORT": "80", "QDASH_PORT": "70000"}, "QDASH_PORT is “70000”. It should be less than or equal to 65535."),
        ({"GRADIO_ROOT_PATH": "qdash"}, "GRADIO_ROOT_PATH is “qdash”. It should be a path such as /qdash"),
        ({"QDASH_ROOT_PATH": "ftp://example.org"}, "QDASH_ROOT_PATH is “ftp://example.org”."),
        ({"QDASH_ROOT_PATH": "/a; Domain=org"}, "QDASH_ROOT_PATH is “/a; Domain=org”."),
        ({"QDASH_PUBLIC": "maybe"}, "QDASH_PUBLIC is “maybe”. It should be a valid boolean."),
        ({"QDASH_THREADS": "a", "QDASH_HISTORY_BYTES": "1"}, "Correct or unset QDASH_THREADS and QDASH_HISTORY_BYTES."),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(QdashError) as raised:
        settings_anew()
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("given", "root_path", "url_path"),
    [
        ("/", "", ""),
        ("/qdash/", "/qdash", "/qdash"),
        ("https://example.org", "https://example.org", ""),
        ("https://example.org:8443/a/b/", "https://example.org:8443/a/b", "/a/b"),
    ],
)
def test_a_root_path_ends_without_a_slash(given: str, root_path: str, url_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_ROOT_PATH", given)
    assert (Settings().root_path, Settings().url_path) == (root_path, url_path)
