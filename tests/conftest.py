"""Fixtures that several test folders share: tiny checkpoints, and a picture."""

import asyncio
import gc
import importlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

from qdash import settings as qdash_settings
from qdash.checkpoints import tables
from qdash.runs import plan
from tests.support.serving import Server, serving

# A busy machine is slow now and then; that is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Processes of several tests share the cores, and each has threads. Those that wait leave their core to others, as on public servers
# (`qdash.engine.preload`): else a comparison takes two or three times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# What tests run is not for the history of whoever runs them.
os.environ["QDASH_HISTORY"] = os.path.join(tempfile.mkdtemp(prefix="qdash-history-"), "history.sqlite3")


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """No test gets settings that were read while another had changed the environment, by a thread that it left behind for instance."""
    qdash_settings.settings.cache_clear()
    yield
    qdash_settings.settings.cache_clear()


@pytest.fixture(autouse=True)
def no_layer_tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a layer table starts a process that loads torch: only where a test is about that (marked `layer_tables`)."""
    if request.node.get_closest_marker("layer_tables") is None:
        monkeypatch.setattr(tables, "begin", lambda path, checkpoint, device: Thread())


@pytest.fixture(scope="session", autouse=True)
def one_thread_in_workers() -> Iterator[None]:
    """Workers of runs that tests begin compute with one thread, see `one_thread`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "_threads", lambda: 1)
        yield


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Torch computes with one thread in the tests' own processes, one for each core.

    Two threads wait for each other, on a busy machine for much longer than they compute.
    """
    _use_one_thread()


def _use_one_thread() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def pytest_collection_finish() -> None:
    """Set aside what stays anyway, libraries and collected tests: workers collect garbage whenever they load, and would walk over it."""
    gc.collect()
    gc.freeze()
    _use_one_thread()  # for fixtures that are made before a test's own


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`checkpoint("llava")` is the folder of a tiny random model (keys: tests.support.checkpoints.BUILDERS), built on first use.

    The folders are shared by all tests: copy one before changing it.
    """
    built: dict[str, Path] = {}

    def folder(architecture: str) -> Path:
        if architecture not in built:
            # Imported here, not above: it takes torch with it, which most tests do without.
            checkpoints = importlib.import_module("tests.support.checkpoints")
            built[architecture] = checkpoints.build(architecture, tmp_path_factory.mktemp(architecture))
        return built[architecture]

    return folder


@pytest.fixture(scope="session")
def png() -> bytes:
    """A black square on white, 100 × 80 pixels, as the RGB PNG that workers get."""
    image = Image.new("RGB", (100, 80), "white")
    ImageDraw.Draw(image).rectangle((20, 20, 59, 59), fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python app.py`, as people start it."""
    with serving(["app.py"], tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same page over `tests.support.scripted`."""
    with serving(["-m", "tests.support.scripted"], tmp_path_factory.mktemp("scripted")) as running:
        yield running


@pytest.fixture(scope="session")
def scripted_gpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The scripted page as on a machine with GPUs."""
    with serving(["-m", "tests.support.scripted", "gpus"], tmp_path_factory.mktemp("gpus")) as running:
        yield running


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The scripted page, which does not wait long for somebody who has left."""
    with serving(["-m", "tests.support.scripted", "impatient"], tmp_path_factory.mktemp("impatient")) as running:
        yield running


@pytest.fixture
def event_loops_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For pages that are built and never served: Gradio makes event loops for them, and leaves them open."""
    loops: list[asyncio.AbstractEventLoop] = []
    policy = type(asyncio.get_event_loop_policy())
    make = policy.new_event_loop
    monkeypatch.setattr(policy, "new_event_loop", lambda self: (loops.append(make(self)), loops[-1])[1])
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()
