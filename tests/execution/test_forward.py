"""Generators with a result: what goes through, and that whoever leaves early leaves nothing open."""

from collections.abc import Generator, Iterator

import pytest

from qdash.execution.forward import forward_events, result_of


class Steps:
    """Yields 1, 2, 3 and returns "done", or raises `error` after them; `closed` once it is over."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.closed = error, False

    def run(self) -> Generator[int, None, str]:
        try:
            yield from (1, 2, 3)
            if self.error:
                raise self.error
            return "done"
        finally:
            self.closed = True


def as_many(step: int) -> Iterator[str]:
    """None for 1, one for 2, two for 3."""
    yield from (f"{step}.{number}" for number in range(1, step))


def test_each_step_becomes_its_events_and_the_result_stays() -> None:
    events: list[str] = []
    assert result_of(forward_events(Steps().run(), as_many), events.append) == "done"
    assert events == ["2.1", "3.1", "3.2"]


def test_closing_the_forwarded_one_closes_the_other() -> None:
    steps = Steps()
    held = steps.run()  # somebody else holds it too: it must not wait for the garbage collector
    forwarded = forward_events(held, as_many)
    assert next(forwarded) == "2.1" and not steps.closed
    forwarded.close()
    assert steps.closed


@pytest.mark.parametrize("forwarding", [True, False])
def test_an_error_of_whoever_listens_closes_it_too(forwarding: bool) -> None:
    def fail(step: int) -> tuple[()]:
        raise ValueError(step)

    steps = Steps()
    held = steps.run()
    with pytest.raises(ValueError, match="1"):
        list(forward_events(held, fail)) if forwarding else result_of(held, fail)
    assert steps.closed


def test_an_error_of_the_steps_goes_through() -> None:
    steps, events = Steps(KeyError("gone")), list[str]()
    with pytest.raises(KeyError, match="gone"):
        result_of(forward_events(steps.run(), as_many), events.append)
    assert events == ["2.1", "3.1", "3.2"]
