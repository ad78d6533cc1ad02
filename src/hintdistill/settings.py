"""The base of typed settings: what a piece of the library can be told."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Settings of one piece. Read from params.yaml, where other keys of the block are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)
