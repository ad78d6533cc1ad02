"""The base of all typed settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hintdistill.core.errors import UserError


class Settings(BaseModel):
    """Some keys of a block of params.yaml; the block's other keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)


def settings_error(
    error: ValidationError, under: tuple[str, ...] = (), names: Mapping[Any, Any] | None = None
) -> UserError:
    """The first problem that a validation found in params.yaml.

    `under` are the keys above the part that was validated, and `names` says how parts of a key are
    written in the file where they are called otherwise here.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(str((names or {}).get(part, part)) for part in (*under, *first["loc"]))
    return UserError(
        f"params.yaml, {key}: {first['msg']}, got {str(first['input'])[:80]!r}. Mend the file, or "
        "start from a complete one in profiles/."
    )
