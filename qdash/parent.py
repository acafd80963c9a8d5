"""Ends a helper process together with its parent, whatever it is doing, because nothing else would end it."""

import multiprocessing
import os
from threading import Thread


def end_with_parent() -> None:
    """End this process as soon as the one that asked for it is over, even if that was killed."""
    Thread(target=_end_after_parent, daemon=True, name="parent watch").start()


def _end_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
