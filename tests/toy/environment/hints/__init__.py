"""Why a door stayed shut."""

from hintdistill.environments.common.protocol import Diagnosis


def diagnose(episode):
    if any(step.observation == "It is locked." for step in episode.steps):
        yield Diagnosis("locked", "Unlock the {object} first, and then open it.")
    else:
        yield Diagnosis("other", "Open the {object} that you see.")
