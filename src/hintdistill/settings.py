"""The base of typed settings: what a piece of the library can be told."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hintdistill.errors import UserError


class Settings(BaseModel):
    """Settings of one piece. Read from params.yaml, where other keys of the block are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)


def settings_error(
    error: ValidationError, under: tuple[str, ...] = (), names: Mapping[Any, Any] | None = None
) -> UserError:
    """What is wrong with params.yaml: the first problem that a validation found in it.

    Args:
        under: keys above what was validated.
        names: how parts of a key are written in the file, where they are called otherwise here.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(str((names or {}).get(part, part)) for part in (*under, *first["loc"]))
    return UserError(
        f"params.yaml, {key}: {first['msg']}, got {str(first['input'])[:80]!r}. Mend the file, or "
        "start from a complete one in profiles/."
    )
