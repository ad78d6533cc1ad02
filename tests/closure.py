"""Which source files a stage imports, for one environment and agent.

What is imported by its name is followed too: a module that imports `games_of` gets what `game()` of
the environment's folder imports, one that imports `make_agent` gets the agent's module, and so on.
"""

import ast
from functools import cache
from pathlib import Path

import hintdistill

PACKAGE = Path(hintdistill.__file__).parent
# A registry's function, to the function of the environment's `__init__.py` that it calls.
PARTS = {
    "games_of": "games",
    "new_panel": "games",
    "hint_rules_of": "hint_rules",
    "player_of": "scripted_players",
}
FOLDERS = {"open_engine": "llm/engines", "find_writer": "hints/write/writers"}


def module_file(name: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*name.split("."))
    if path.is_dir():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def _nodes(node: ast.AST):
    """All nodes below one, but for what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _nodes(child)


def _named(node: ast.AST) -> set[str]:
    """Dotted names of this package in the imports below a node."""
    names = []
    for found in _nodes(node):
        if isinstance(found, ast.Import):
            names += [alias.name for alias in found.names]
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0, "relative imports are not followed; write them out"
            names += [found.module, *(f"{found.module}.{alias.name}" for alias in found.names)]
    own = {name for name in names if name.split(".")[0] == PACKAGE.name}
    parts = [name.split(".") for name in own]
    return own | {".".join(p[:i]) for p in parts for i in range(1, len(p))}  # packages around it


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _names_in(path: Path) -> frozenset[str]:
    return frozenset(_named(_tree(path)))


def _declared(env: str, functions: set[str]) -> set[str]:
    """What an environment's folder imports at once, and in the functions that are called."""
    names = set()
    for node in _tree(PACKAGE / "environments" / env / "__init__.py").body:
        if not isinstance(node, ast.FunctionDef) or node.name in functions:
            names |= _named(ast.Module([node], []))
    return names


def import_closure(path: Path, env: str = "", agent: str = "") -> set[Path]:
    """Source files that a module needs, itself among them; empty files are left out."""
    seen: set[Path] = set()
    called: set[str] = set()
    todo = [path]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        names = set() if file.parent.parent.name == "environments" else set(_names_in(file))
        imported = {name.rsplit(".", 1)[-1] for name in names}
        todo += [f for name in names if (f := module_file(name))]
        parts = {PARTS[name] for name in imported if name in PARTS}
        if env and parts - called:
            called |= parts
            todo += [f for name in _declared(env, called) if (f := module_file(name))]
            todo.append(PACKAGE / "environments" / env / "__init__.py")
        if agent and "make_agent" in imported:
            todo.append(PACKAGE / "agents" / f"{agent}.py")
        for name in imported & FOLDERS.keys():
            todo += (PACKAGE / FOLDERS[name]).glob("*.py")
    return {file for file in seen if file.stat().st_size > 0}
