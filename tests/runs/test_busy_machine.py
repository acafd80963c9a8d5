"""What is said of speeds while other programs come and go at random. Twenty such runs are in `benchmarks/busy.py`."""

from collections.abc import Iterator

import pytest

from benchmarks.busy import run
from qdash.execution import Executor, create
from qdash.settings import Settings


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    executor = create(Settings(execution="process"))
    yield executor
    executor.close()


@pytest.mark.alone
def test_the_same_thing_is_never_called_another_speed(executor: Executor) -> None:
    """How near the ratio is, and how often the slower one is told, is counted over many runs by the benchmark."""
    assert not run(executor, "tiny-lm", "bnb-int8", 12, seed=1).false
