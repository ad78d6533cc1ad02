"""A stop that waits: SIGINT and SIGTERM come to their end once what is under way has ended."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_wait(on_signal: Callable[[], None]) -> Iterator[None]:
    """The first signal only calls `on_signal`, and has its effect at the end of the block.

    A second one has it at once. An ignored signal stays so. Signals are a main thread's; in any
    other one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = {n: handler for n, handler in handlers.items() if handler is not signal.SIG_IGN}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wait(number: int, frame: object) -> None:
        came.append(number)
        put_back()
        on_signal()

    for number in before:
        signal.signal(number, wait)
    try:
        yield
    finally:
        put_back()
        if came:
            signal.raise_signal(came[0])
            raise KeyboardInterrupt  # whatever that did, the block is not whole
