"""A clock that a test sets, for whatever takes one in place of `time.monotonic`."""


class Clock:
    """Seconds that pass when a test says so: `clock.now += 60`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
