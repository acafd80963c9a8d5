"""Several visitors at once: what each reads is an answer to their own question. How fast it comes is the benchmark's to say."""

from benchmarks.visitors import run


def test_nobody_gets_another_s_answer() -> None:
    found = run(visitors=5, seconds=12)
    assert found.mixed == 0 and found.refused == 0
    assert found.finished >= 5 and found.finished + found.left <= len(found.clicks)
