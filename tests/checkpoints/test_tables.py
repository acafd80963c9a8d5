"""Layer tables: made once in another process, kept, and done without where they cannot be made. This process never loads torch for them."""

import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread, Timer

import pytest

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import tables
from qdash.records import LayerTable, Request
from qdash.runs.plan import plan, variants_of
from qdash.settings import settings
from qdash.ui.controls.preflight import preflight_line

pytestmark = pytest.mark.layer_tables
TIMEOUT_S = 240.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and a memory that has forgotten."""
    here = settings().model_copy(update={"cache_dir": tmp_path / "cache"})
    monkeypatch.setattr(tables, "settings", lambda: here)
    monkeypatch.setattr(tables, "_made", {})
    monkeypatch.setattr(tables, "_makers", {})


def test_a_table_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checkpoints.locate("tiny-lm")
    assert checkpoints.layer_table(found, "cpu") is None  # it has only begun
    table = checkpoints.layer_table(found, "cpu", TIMEOUT_S)
    assert table is not None and table.parameters == found.parameters
    monkeypatch.setattr(tables, "_made", {})
    monkeypatch.setattr(tables, "begin", lambda *made: pytest.fail("it was kept on disk"))
    assert checkpoints.layer_table(found, "cpu") == table
    told = checkpoints.sizes_of(found, find_scheme("bnb-nf4"), "float32", "cpu", wait_s=0)
    assert not told.rough and told.share is not None and 0.5 < told.share < 1


def test_where_workers_are_forked_tables_are_too(tmp_path: Path) -> None:
    """In a process of its own: a server to fork from, once started, stays."""
    code = (
        "from qdash import checkpoints; from qdash.checkpoints import tables; from qdash.execution.process import ProcessExecutor\n"
        "import sys; executor = ProcessExecutor(); assert tables._forks() or sys.platform != 'linux'\n"
        f"table = checkpoints.layer_table(checkpoints.locate('tiny-lm'), 'cpu', {TIMEOUT_S}); assert table is not None\n"
        "assert 'torch' not in sys.modules; executor.close()"
    )
    environment = {"QDASH_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[2], timeout=TIMEOUT_S)


def test_without_a_table_sizes_are_rough(folder: Path) -> None:
    """A configuration that no class of transformers can be built from."""
    found = checkpoints.locate(str(folder))
    (folder / "config.json").write_text("{}")
    assert checkpoints.layer_table(found, "cpu", TIMEOUT_S) is None
    told = checkpoints.sizes_of(found, find_scheme("bnb-int8"), "float32", "cpu")
    assert told.rough and told.share is None
    assert told.estimated_bytes == checkpoints.estimate_bytes(found, find_scheme("bnb-int8"), "float32")


def test_a_table_is_not_waited_for_where_the_model_fits_anyhow(monkeypatch: pytest.MonkeyPatch) -> None:
    found, scheme = checkpoints.locate("tiny-lm"), find_scheme("bnb-nf4")
    waited = []
    monkeypatch.setattr(checkpoints, "layer_table", lambda checkpoint, device, wait_s, stopped: waited.append(wait_s))
    floats = 4 * found.parameters
    told = checkpoints.sizes_of(found, scheme, "float32", "cpu", room_bytes=floats)
    assert told.rough and told.loading_bytes >= floats
    told = checkpoints.sizes_of(found, scheme, "float32", "cpu", room_bytes=floats - 1)
    assert told.loading_bytes == checkpoints.loading_bytes(found, scheme, "float32") < floats
    assert waited == [0.0, checkpoints.TABLE_WAIT_S]


def test_a_wait_for_a_table_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    never = Thread(target=Event().wait, daemon=True)
    never.start()
    monkeypatch.setattr(tables, "begin", lambda path, checkpoint, device: never)
    stop = Event()
    Timer(0.2, stop.set).start()
    began = time.monotonic()
    assert checkpoints.layer_table(checkpoints.locate("tiny-lm"), "cpu", TIMEOUT_S, stop.is_set) is None
    assert time.monotonic() - began < TIMEOUT_S / 2


def test_the_preflight_is_rough_at_first_and_says_what_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(variants=variants_of("tiny-lm", ["original", "bnb-nf4", "vision=bnb-int8"]), prompt="x", device="cpu")
    first = plan(request)
    assert first.rough and "Needs roughly" in preflight_line(first) and "nothing" not in preflight_line(first)
    assert isinstance(checkpoints.layer_table(checkpoints.locate("tiny-lm"), "cpu", TIMEOUT_S), LayerTable)
    known = plan(request)
    assert not known.rough and "Needs about" in preflight_line(known)
    assert [variant.takes_nothing for variant in known.variants] == [False, False, True]
    assert "vision INT8 quantizes nothing in this model" in preflight_line(known)
