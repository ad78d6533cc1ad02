"""Reads params.yaml: a stage gets the typed keys that it declares, and no others.

A stage declares the keys that it reads as a model of models, one field a block and one field a key:

    class Params(StageParams):
        hints: HintParams  # reads hints.k and hints.retriever, if those are its fields
        task: StepLimit = Field(alias=ENV_BLOCK)  # reads the block named for the environment
        agent: AgentParams = Field(alias=AGENT_BLOCK)  # reads the block named for the agent

Other keys can't be read, so dvc.yaml's `params:` can be checked against the declaration.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from hintdistill.core.errors import UserError
from hintdistill.core.settings import Settings, settings_error
from hintdistill.core.yaml_file import read_yaml

PARAMS_FILE = Path("params.yaml")
ENV_BLOCK, AGENT_BLOCK = "{env}", "{agent}"


def read_params() -> dict[str, Any]:
    """The whole of params.yaml, unchecked; a UserError where it is not blocks of YAML."""
    try:
        content = read_yaml(PARAMS_FILE)
    except FileNotFoundError:
        raise UserError(
            f"{PARAMS_FILE}: expected this file in the current folder, found none. "
            "Run from the repository's root."
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{PARAMS_FILE}: expected blocks of parameters, got {content!r:.80}")
    return content


class StageParams(Settings):
    """Base of a stage's declaration of the blocks and keys that it reads."""

    @classmethod
    def param_keys(cls) -> list[str]:
        """Every key that this declaration reads, as dvc.yaml writes it (`block.key`)."""
        keys = []
        for name, field in cls.model_fields.items():
            top = field.alias or name
            block = field.annotation
            if isinstance(block, type) and issubclass(block, Settings):
                keys += [f"{top}.{key}" for key in block.model_fields]
            else:
                keys.append(top)
        return sorted(keys)

    @classmethod
    def read(cls, env: str | None = None, agent: str | None = None) -> Self:
        """Read params.yaml for an environment and agent; a UserError names a key that is wrong."""
        content = read_params()
        own = {ENV_BLOCK: env, AGENT_BLOCK: agent}
        for field, name in own.items():
            if name is not None and name not in content:
                raise UserError(
                    f"{PARAMS_FILE}: expected a block {name!r}, found {', '.join(content)}. "
                    "Name another, or add the block."
                )
            content[field] = content.get(name or "")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise settings_error(error, names=own) from None
