"""Imports a module by its name, so that putting a file or a folder in its place is to add it.

So a stage that plays ALFWorld with agent `react` neither imports nor depends on another environment
or agent.
"""

import importlib
import pkgutil
from types import ModuleType

from hintdistill.core.errors import UserError


def names_in(package: str, *, folders: bool = False) -> list[str]:
    """Names of the modules of a package, or of its folders, sorted."""
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path) if m.ispkg == folders)


def import_by_name(package: str, name: str, what: str) -> ModuleType:
    """The module of that name; a UserError says which there are. `what`: what they are called."""
    if name not in (known := names_in(package)):
        raise UserError(f"{what} {name!r}: expected one of {known}")
    return importlib.import_module(f"{package}.{name}")
