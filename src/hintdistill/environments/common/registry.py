"""Finds an environment by the name of its folder.

Its `__init__.py` declares it in three functions, `games()`, `scripted_players()` and
`hint_rules()`, and in `serve(...)` where its games can be served over HTTP. Each imports its part
when called, so a stage needs, and depends on, no part that it doesn't use.
"""

import importlib
from types import ModuleType

from hintdistill.core.by_name import names_in
from hintdistill.core.errors import UserError
from hintdistill.core.panel import Panel, PanelParams, load_panel
from hintdistill.environments.common.protocol import Games, HintRules

PACKAGE = "hintdistill.environments"
_NO_ENVIRONMENTS = {"common", "scripted"}


def environment_names() -> list[str]:
    """Every environment that there is, sorted."""
    return [name for name in names_in(PACKAGE, folders=True) if name not in _NO_ENVIRONMENTS]


def declaration_of(env: str) -> ModuleType:
    """The environment's folder; a UserError names those that there are."""
    if env not in (known := environment_names()):
        raise UserError(f"environment {env!r}: expected one of {known}")
    return importlib.import_module(f"{PACKAGE}.{env}")


def games_of(env: str) -> Games:
    return declaration_of(env).games()


def hint_rules_of(env: str) -> HintRules:
    return declaration_of(env).hint_rules()


def new_panel(env: str, params: PanelParams) -> Panel:
    """A panel of an environment, built here and written nowhere."""
    built = list(games_of(env).build_panel(params))
    return load_panel([task for task, _ in built if task], [game for _, game in built])
