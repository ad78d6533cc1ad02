"""Makes an agent by the name of its module in `hintdistill.agents`, as `agents` lists it."""

from typing import Any

from pydantic import ValidationError

from hintdistill.agents.episode.protocol import Agent
from hintdistill.core.by_name import import_by_name
from hintdistill.core.settings import settings_error


def make_agent(name: str, env: str, protocol: dict[str, Any]) -> Agent:
    """The agent of that name for an environment, with `protocol` of its block in params.yaml.

    A UserError where there is no such agent, or its protocol can't be as asked for.
    """
    agent = import_by_name("hintdistill.agents", name, "agent").AGENT
    try:
        return agent(env, agent.Params.model_validate(protocol))
    except ValidationError as error:
        raise settings_error(error, under=(name, "protocol")) from None
