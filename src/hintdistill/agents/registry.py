"""Agents by name, as params.yaml's `agents` lists them."""

from hintdistill.agents.react import ReactAgent
from hintdistill.errors import UserError

AGENTS = {"react": ReactAgent}


def make_agent(name: str, env: str) -> ReactAgent:
    """The agent of that name, instructed for an environment.

    Raises:
        UserError: there is none of that name.
    """
    if name not in AGENTS:
        raise UserError(f"agent {name!r}: expected one of {sorted(AGENTS)}")
    return AGENTS[name](env)
