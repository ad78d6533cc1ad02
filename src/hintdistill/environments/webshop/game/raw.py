"""The fields of WebShop's files that its loader reads, each of the types that it can use.

What the official code takes for nothing is nothing here (a `pricing` or `customization_options`
that is null or empty, a product that nobody asks for); what it would stumble over, at once or when
the product is searched for or bought, is refused.
"""

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from hintdistill.core.errors import UserError
from hintdistill.core.files import reason_of

NO_ATTRIBUTES = ["DUMMY_ATTR"]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _RawValue(_Raw):
    value: str


class RawAsin(_Raw):
    """The name of a product, by which everything else that is wrong with it is told."""

    asin: str = Field(min_length=1)  # an empty one could not be clicked


class RawProduct(RawAsin):
    """A product of items_shuffle.json. An option without values is null, or none."""

    category: str
    query: str
    product_category: str
    name: str
    full_description: str
    small_description: str | list[str]
    pricing: Annotated[str | None, BeforeValidator(lambda value: value or None)] = None
    customization_options: Annotated[
        dict[str, list[_RawValue] | None], BeforeValidator(lambda value: value or {})
    ]


class RawAttributes(_Raw):
    """What items_ins_v2.json has of a product."""

    attributes: list[str] = NO_ATTRIBUTES
    instruction: Any = None  # None: nobody asks for it


class RawRequest(_Raw):
    """The instruction of items_ins_v2.json."""

    instruction: str
    instruction_attributes: list[str] = Field(min_length=1)


class RawHumanRequest(_Raw):
    """An instruction of items_human_ins.json; it makes no goal without attributes."""

    instruction: str
    instruction_attributes: list[str]
    instruction_options: list[str] | dict[str, str]


_adapter = cache(TypeAdapter)


def read_as(kind: Any, value: object, where: str) -> Any:
    """A value of a file as that type; a UserError says what is wrong with it, and `where` it is."""
    try:
        return _adapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        raise UserError(
            f"{where}: expected what WebShop's own code can use: {reason_of(error)}. Mend it, "
            "leave it out, or fetch the file again."
        ) from None
