"""The other end of `process.py`: what runs inside a worker process.

A thread listens to the parent so that a cancel is seen while the main thread computes; it sleeps in the kernel otherwise and costs
the measurements nothing. When the parent is gone, so is the worker.
"""

import logging
import os
import signal
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Thread

from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.execution.wire import Call, Raised, Returned
from qdash.records import ErrorRecord, WorkerSpec


def serve(connection: Connection, spec: WorkerSpec) -> None:
    """Host one `Worker` until the parent closes the connection."""
    # Where workers are spawned, Ctrl-C in a terminal reaches them too; what it means for them is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls: SimpleQueue[Call] = SimpleQueue()
    cancelled = Event()
    Thread(target=_listen, args=(connection, calls, cancelled), daemon=True).start()
    worker = Worker(spec)
    while True:
        call = calls.get()
        connection.send(_answer(worker, call, connection, cancelled))


def _listen(connection: Connection, calls: "SimpleQueue[Call]", cancelled: Event) -> None:
    try:
        while True:
            message = connection.recv()
            if isinstance(message, Call):
                cancelled.clear()
                calls.put(message)
            else:
                cancelled.set()
    except (EOFError, OSError):
        os._exit(0)


def _answer(worker: Worker, call: Call, connection: Connection, cancelled: Event) -> Returned | Raised:
    try:
        method = getattr(worker, call.method)
        return Returned(method(*call.arguments, emit=connection.send, stop=cancelled.is_set))
    except QdashError as error:
        return Raised(ErrorRecord.of(error))
    except Exception as error:
        logging.getLogger("qdash").exception("%s of %s failed", call.method, worker.spec.scheme)
        message = f"{type(error).__name__}: {_first_line(error)}"
        remedy = "This is not expected. The terminal where qdash runs shows the details."
        return Raised(ErrorRecord(kind="internal", message=message, remedy=remedy))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no message")[:300]
