"""WebShop (Yao et al. 2022): shopping in an online store, with no server and no Java."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

from hintdistill.core.panel import Panel
from hintdistill.environments.common.protocol import Games, HintRules, InProcess

if TYPE_CHECKING:
    from hintdistill.environments.scripted.player import ScriptedPlayer


def games() -> Games:
    from hintdistill.environments.webshop.game.panel import Shop, build_panel

    def open_envs(panel: Panel, episodes: int) -> nullcontext:
        shop = Shop(panel)
        return nullcontext(InProcess(lambda task: shop.make_env(*panel[task.task_id])))

    # As many goals as papers play.
    return Games(build_panel, open_envs, {"source": "official", "eval": 100})


def scripted_players() -> "dict[str, ScriptedPlayer]":
    from hintdistill.environments.scripted.player import ScriptedPlayer
    from hintdistill.environments.webshop.player.habits import HABITS
    from hintdistill.environments.webshop.player.shopper import Shopper

    return {"habitual": ScriptedPlayer(Shopper, HABITS)}


def hint_rules() -> HintRules:
    from hintdistill.environments.webshop.hints.rules import RULES

    return RULES


def serve(source: str, seed: int, host: str, port: int) -> None:
    """Serve the shop over HTTP, for agents written in other languages or run elsewhere."""
    from hintdistill.environments.webshop.server.app import run_server

    run_server(source, seed, host, port)
