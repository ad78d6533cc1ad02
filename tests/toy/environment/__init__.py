"""A toy environment: open a door, of which every second one is locked."""


def games():
    from contextlib import nullcontext

    from hintdistill.environments.toy.game import Door, build_panel

    from hintdistill.environments.common.protocol import Games, InProcess

    return Games(build_panel, lambda panel, n: nullcontext(InProcess(Door)))


def hint_rules():
    from hintdistill.environments.toy.hints import diagnose

    from hintdistill.environments.common.protocol import HintRules

    return HintRules(("locked", "other"), diagnose, ("{object}",), frozenset(), lambda e: set())


def scripted_players():
    from hintdistill.environments.toy.player import Opener

    from hintdistill.environments.scripted.habits import Habits
    from hintdistill.environments.scripted.player import ScriptedPlayer

    return {"habitual": ScriptedPlayer(Opener, Habits((), ("Open the {object}.",), str))}
