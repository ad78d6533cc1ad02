"""Agents by name, as params.yaml's `agents` lists them."""

from typing import Any

from pydantic import ValidationError

from hintdistill.agents.agent import Agent
from hintdistill.agents.react import ReactAgent
from hintdistill.agents.stateact import StateActAgent
from hintdistill.errors import UserError
from hintdistill.settings import settings_error

AGENTS = {agent.name: agent for agent in (ReactAgent, StateActAgent)}


def make_agent(name: str, env: str, protocol: dict[str, Any]) -> Agent:
    """The agent of that name, instructed for an environment.

    Args:
        protocol: `protocol` of the agent's block in params.yaml.

    Raises:
        UserError: there is none of that name, or its protocol can't be as asked for.
    """
    if name not in AGENTS:
        raise UserError(f"agent {name!r}: expected one of {sorted(AGENTS)}")
    agent = AGENTS[name]
    try:
        return agent(env, agent.Params.model_validate(protocol))
    except ValidationError as error:
        raise settings_error(error, under=(name, "protocol")) from None
