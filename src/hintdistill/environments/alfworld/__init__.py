"""ALFWorld (Shridhar et al. 2021): household tasks, played as text games."""

import os
from typing import TYPE_CHECKING

from hintdistill.environments.common.protocol import Games, HintRules

if TYPE_CHECKING:
    from hintdistill.environments.scripted.player import ScriptedPlayer


def games() -> Games:
    from hintdistill.environments.alfworld.game.env import AlfworldEnv
    from hintdistill.environments.alfworld.game.panel import build_panel
    from hintdistill.environments.common.pool import EnvPool

    cores = os.cpu_count() or 1
    return Games(
        build_panel=lambda params: build_panel(params, workers=cores),
        # Processes, one a core as far as needed: a game takes its time to load.
        open_envs=lambda panel, episodes: EnvPool(panel, AlfworldEnv, min(cores, episodes)),
        official={"source": "official", "eval_games": "valid_unseen", "eval": 134},
    )


def scripted_players() -> "dict[str, ScriptedPlayer]":
    from hintdistill.environments.alfworld.player.demonstrator import Demonstrator
    from hintdistill.environments.alfworld.player.habits import HABITS
    from hintdistill.environments.alfworld.player.searcher import PlaceHints, Searcher
    from hintdistill.environments.scripted.player import ScriptedPlayer

    return {
        "habitual": ScriptedPlayer(Demonstrator, HABITS),
        "searching": ScriptedPlayer(Searcher, PlaceHints()),
    }


def hint_rules() -> HintRules:
    from hintdistill.environments.alfworld.hints.rules import RULES

    return RULES
