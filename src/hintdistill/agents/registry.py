"""Agents by name, as params.yaml's `agents` lists them."""

from typing import Any

from pydantic import ValidationError

from hintdistill.agents.agent import Agent
from hintdistill.agents.react import ReactAgent
from hintdistill.agents.stateact import StateActAgent
from hintdistill.errors import UserError

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
        first = error.errors(include_url=False)[0]
        where = ".".join([name, "protocol", *map(str, first["loc"])])
        raise UserError(
            f"params.yaml, {where}: {first['msg']}, got {str(first['input'])[:80]!r}. Mend the "
            "file, or start from a complete one in profiles/."
        ) from None
