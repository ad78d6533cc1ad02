"""Typed, granular reads of params.yaml.

A stage declares the keys that it reads as a model of models, one field a block and one field a key:

    class Params(StageParams):
        hints: HintParams          # reads hints.k and hints.retriever, if those are its fields
        task: AlfworldParams = per_env()   # reads the block named for the stage's environment
        agent: AgentParams = per_agent()   # reads the block named for its agent

What is not declared can't be read, so dvc.yaml's `params:` can be checked against the declaration.
"""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hintdistill.errors import UserError
from hintdistill.settings import Settings, settings_error

PARAMS_FILE = Path("params.yaml")
PER_ENV, PER_AGENT = "{env}", "{agent}"


def per_env() -> Any:
    """A field that reads the params block with the environment's own name."""
    return Field(alias=PER_ENV)


def per_agent() -> Any:
    """A field that reads the params block with the agent's own name."""
    return Field(alias=PER_AGENT)


def read_params() -> dict[str, Any]:
    """The whole of params.yaml, unchecked; for commands that are no stage.

    Raises:
        UserError: no such file, or not blocks of YAML.
    """
    try:
        with PARAMS_FILE.open(encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except FileNotFoundError:
        raise UserError(
            f"{PARAMS_FILE}: expected this file in the current folder, found none. "
            "Run from the repository's root."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{PARAMS_FILE}: expected YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{PARAMS_FILE}: expected blocks of parameters, got {content!r:.80}")
    return content


class StageParams(BaseModel):
    """Base of a stage's declaration of what it reads."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

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
        """Read params.yaml, for the environment and agent of the stage's cell.

        Raises:
            UserError: no such file, no YAML, or a declared key is missing or of a wrong type.
        """
        content = read_params()
        own = {PER_ENV: env, PER_AGENT: agent}
        for field, name in own.items():
            if name is not None and name not in content:
                raise UserError(
                    f"{PARAMS_FILE}: expected a block {name!r}, found {', '.join(content)}. "
                    "Name another, or add the block."
                )
            content[field] = content.get(name)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise settings_error(error, names=own) from None
