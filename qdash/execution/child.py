"""The worker's end of `process.py`: the code inside a worker process.

A thread listens to the parent so that a cancel is seen while the main thread computes; it sleeps in the kernel otherwise and costs
the measurements nothing. When the parent is gone, so is the worker.
"""

import os
import signal
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Thread

from qdash.engine.worker import Worker
from qdash.execution.failures import failure_of
from qdash.execution.wire import Call, Pause, Raised, Returned
from qdash.records import ErrorRecord, WorkerSpec


def serve(connection: Connection, spec: WorkerSpec) -> None:
    """Host one `Worker` until the parent closes the connection."""
    # Where workers are spawned, Ctrl-C in a terminal reaches them too; what it means for them is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # ZeroGPU lends no GPU to a worker process: here nothing may ask `spaces` for one.
    os.environ.pop("SPACES_ZERO_GPU", None)
    calls: SimpleQueue[Call] = SimpleQueue()
    cancelled, paused = Event(), Event()
    Thread(target=_listen, args=(connection, calls, cancelled, paused), daemon=True).start()
    worker = Worker(spec)
    while True:
        call = calls.get()
        connection.send(_answer(worker, call, connection, cancelled, paused))


def _listen(connection: Connection, calls: "SimpleQueue[Call]", cancelled: Event, paused: Event) -> None:
    try:
        while True:
            message = connection.recv()
            if isinstance(message, Call):
                cancelled.clear()
                paused.clear()
                calls.put(message)
            elif isinstance(message, Pause):
                paused.set()
            else:
                cancelled.set()
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:  # a message that cannot be read: nobody would ever answer it
        traceback.print_exc()
        os._exit(1)


def _answer(worker: Worker, call: Call, connection: Connection, cancelled: Event, paused: Event) -> Returned | Raised:
    try:
        method = getattr(worker, call.method)
        pausing = {"pause": paused.is_set} if call.gives_way else {}
        return Returned(method(*call.arguments, emit=connection.send, stop=cancelled.is_set, **pausing))
    except BaseException as error:  # a library in Rust that panics raises no Exception
        return Raised(ErrorRecord.of(failure_of(error, f"{call.method} of {worker.spec.scheme}")))
