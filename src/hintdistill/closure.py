"""Which of the package's source files a module imports, directly or not.

dvc.yaml's code deps must equal this closure (a test compares them), and the scratch folder of a
stage is keyed by its hash, so that changed code never continues an old run.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent


def _module_file(name: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*name.split("."))
    if path.is_dir():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def _parents(name: str) -> list[str]:
    """The packages around a module, whose `__init__.py` Python runs first."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _imports(path: Path) -> set[Path]:
    """Files of this package that one file names in an import, at any depth of its code."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not followed; write them out"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    own = {name for name in names if name and name.split(".")[0] == PACKAGE.name}
    own |= {parent for name in own for parent in _parents(name)}
    return {file for name in own if (file := _module_file(name)) is not None}


def import_closure(path: Path) -> list[Path]:
    """Source files that `path` needs, itself among them, sorted. Empty files are left out."""
    seen: set[Path] = set()
    todo = [path.resolve()]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        todo += _imports(file)
    return sorted(file for file in seen if file.stat().st_size > 0)
