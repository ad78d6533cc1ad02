"""Handles signals while a stage pays for answers, or while a command has children."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def handled(numbers: Sequence[int], handler: Callable[[int], None]) -> Iterator[None]:
    """`handler` gets these signals. One that is ignored stays so, as SIGHUP does under nohup."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, lambda number, frame: handler(number))
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)


@contextmanager
def signals_wait(on_signal: Callable[[], None]) -> Iterator[None]:
    """SIGINT or SIGTERM calls `on_signal` and acts after the block; a second one acts at once."""
    came: list[int] = []

    def wait(number: int) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        on_signal()

    with handled((signal.SIGINT, signal.SIGTERM), wait):
        try:
            yield
        except Exception:
            if not came:
                raise
    if came:
        signal.raise_signal(came[0])
        raise KeyboardInterrupt  # whatever that did, the block is not whole
