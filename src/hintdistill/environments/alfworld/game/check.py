"""Finds games that alfworld's engine could not load, without loading them.

To ground a game takes the engine about a second; to parse it takes 12 ms, and tells nearly all that
can be wrong with a file. What is left is named by `AlfworldEnv` when the game is first played.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import repeat
from typing import Any, TypeVar

from hintdistill.core.errors import UserError
from hintdistill.environments.alfworld.game.goal import TASK_MARK

SHOWN = 10  # games of one message
T = TypeVar("T")


def engine_error(error: BaseException) -> str:
    """An engine's error in one line: it raises many kinds, some without words."""
    said = " ".join(str(error).split())[:200]
    kind = "" if isinstance(error, SystemExit) else type(error).__name__
    return ": ".join(part for part in (kind, said) if part)


def refuse_broken(content: Mapping[str, Any], instruction: str) -> None:
    """A UserError says why the engine could not load a game's content."""
    domain, grammar = content["pddl_domain"], content["grammar"]
    try:
        _check_problem(domain, content["pddl_problem"])
        # Games differ in the sentence alone, so that nearly all share one check.
        _check_grammar(domain, grammar.replace(TASK_MARK + instruction, TASK_MARK))
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # fast_downward ends the process
        raise UserError(f"alfworld can't parse it: {engine_error(error)}") from None


def _check_problem(domain: str, problem: str) -> None:
    """Parse a problem; refuse facts about what it does not declare, which the parser lets pass."""
    sys.argv = ["translate.py", "domain", "task"]  # fast_downward reads it, and sets it so itself
    from fast_downward.interface import CapturingStdout
    from fast_downward.translate import normalize
    from fast_downward.translate.pddl import Atom
    from fast_downward.translate.pddl_parser import lisp_parser, parsing_functions

    lists = [lisp_parser.parse_nested_list(text.split("\n")) for text in (domain, problem)]
    with CapturingStdout():
        task = parsing_functions.parse_task(*lists)
        normalize.normalize(task)
    types = {kind.name for kind in task.types}
    for thing in task.objects:
        if thing.type_name not in types:
            raise UserError(f"object {thing.name} is of type {thing.type_name}, which is none")
    things = {thing.name for thing in task.objects}
    sizes = {predicate.name: len(predicate.arguments) for predicate in task.predicates}
    for fact in task.init:
        if not isinstance(fact, Atom):
            continue
        said = f"fact ({' '.join([fact.predicate, *fact.args])})"
        if sizes.get(fact.predicate) != len(fact.args):
            raise UserError(f"{said}: there is no such predicate, or it has other arguments")
        if unknown := sorted(set(fact.args) - things):
            raise UserError(f"{said}: {unknown[0]} is no object of the game")


@cache
def _check_grammar(domain: str, grammar: str) -> None:
    from textworld.envs.pddl.logic import GameLogic

    GameLogic(domain, grammar)


def make_all(
    pool: Executor,
    make: Callable[..., T],
    arguments: Sequence[tuple[Any, ...]],
    advice: str,
    known: Sequence[str] = (),
) -> Iterator[T]:
    """What `make` makes of each of the arguments, for games that are not known to be broken.

    A UserError names all games at once that it refuses, and those `known`, each with a reason.
    """
    # Once here, so that the pool's processes, which are forked, need not each import it.
    from hintdistill.environments.alfworld.game import engine  # noqa: F401

    refused = list(known)
    try:
        for made, reason in pool.map(_tried, repeat(make), arguments, chunksize=4):
            if reason is None:
                yield made
            else:
                refused.append(reason)
    except BrokenProcessPool:
        raise UserError(
            "alfworld: expected processes to go on reading games, one has ended (killed, perhaps "
            "for memory). Run the stage again."
        ) from None
    if refused:
        more = f"; and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        raise UserError(
            f"alfworld: expected games that can be played, {len(refused)} can't: "
            f"{'; '.join(refused[:SHOWN])}{more}. {advice}"
        )


def _tried(make: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[Any, str | None]:
    try:
        return make(*arguments), None
    except UserError as error:
        return None, str(error)
