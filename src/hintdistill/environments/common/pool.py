"""Plays environments in worker processes, so that a cohort's games start and step on all cores.

Each worker owns the slots of its share and answers one message a call, so the answers do not depend
on the number of workers. A worker ends when its parent does, however that ended.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from hintdistill.core.errors import UserError
from hintdistill.core.panel import Panel
from hintdistill.core.records import Game, Task
from hintdistill.environments.common.protocol import Environment, InProcess, Outcome

SHOWN = 5  # names of games in a message
MakeEnv = Callable[[Task, Game], Environment]


def _serve(connection: Connection, make_env: MakeEnv) -> None:
    """A worker's life: calls of `InProcess` in, their answers or a UserError out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    share: InProcess[tuple[Task, Game]] = InProcess(lambda game: make_env(*game))
    try:
        while True:
            method, slots = connection.recv()
            try:
                answer = getattr(share, method)(slots)
            except UserError as error:
                answer = error
            except (Exception, SystemExit) as error:  # the games' engine raises many kinds
                answer = UserError(f"environment: {type(error).__name__}: {error}")
            connection.send(answer)
    except (EOFError, ConnectionError):
        return  # the parent has ended, or has heard enough


class EnvPool:
    """`Environments` of a panel's tasks, slot i in worker i modulo `workers`.

    To be used in a `with`, which ends the workers. They are spawned, not forked: the process that
    holds the model has threads. `make_env` is sent to them, so it must be importable there.
    """

    def __init__(self, panel: Panel, make_env: MakeEnv, workers: int) -> None:
        self._panel = panel
        self._playing: Mapping[int, Task] = {}
        context = get_context("spawn")
        self._workers = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make_env), daemon=True)
            process.start()
            theirs.close()  # so that a dead worker is an end of file here
            self._workers.append((process, ours))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for _, connection in self._workers:
            connection.close()
        for process, _ in self._workers:
            process.join()

    def reset(self, tasks: Mapping[int, Task]) -> dict[int, str]:
        self._playing = dict(tasks)
        return self._call("reset", {i: self._panel[task.task_id] for i, task in tasks.items()})

    def step(self, actions: Mapping[int, str]) -> dict[int, Outcome]:
        return self._call("step", actions)

    def _call(self, method: str, slots: Mapping[int, Any]) -> dict[int, Any]:
        """Call a method in every worker with its share of the slots; answers in their order.

        A UserError where an environment raised one, or a worker has ended.
        """
        shares: list[dict[int, Any]] = [{} for _ in self._workers]
        for slot, value in slots.items():
            shares[slot % len(shares)][slot] = value
        answers: dict[int, Any] = {}
        try:
            for (_, connection), share in zip(self._workers, shares, strict=True):
                connection.send((method, share))
            for _, connection in self._workers:
                answer = connection.recv()
                if isinstance(answer, UserError):
                    raise answer
                answers |= answer
        except (EOFError, OSError):
            gone = wait([process.sentinel for process, _ in self._workers], timeout=10)
            places = [i for i, (process, _) in enumerate(self._workers) if process.sentinel in gone]
            for place in places:
                self._workers[place][0].join()  # its exit code may come after the end of its pipes
            codes = [str(self._workers[place][0].exitcode) for place in places]
            raise UserError(
                f"environments: expected {len(self._workers)} worker processes to go on playing; "
                f"one has ended, with exit code {', '.join(codes)} (negative: a signal; -9: killed,"
                f" perhaps for memory), at one of {self._games_of(places)}. "
                "Run the stage again: finished cohorts are kept."
            ) from None
        return {slot: answers[slot] for slot in slots}

    def _games_of(self, places: Sequence[int]) -> str:
        """The games that some workers play, by name."""
        names = [t.task_id for i, t in self._playing.items() if i % len(self._workers) in places]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return (", ".join(names[:SHOWN]) or "no game") + more
