"""Reads WebShop's products from the official files, as its own loader does, and keeps them."""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypedDict

import ijson
from pydantic_core import from_json

from hintdistill.core.errors import UserError
from hintdistill.core.records import short_hash
from hintdistill.environments.webshop.game.raw import (
    RawAsin,
    RawAttributes,
    RawHumanRequest,
    RawProduct,
    RawRequest,
    read_as,
)

NO_PRICE = 100.0  # of a product whose page names none
LONGEST_ASIN = 10
KEPT_DECODED = 4096  # products; a page of results shows ten


class Product(TypedDict):
    """One product, with the keys of the official loader.

    `options` has the names and values of what can be chosen, in lower case; `pricing` the price, or
    the lowest and highest; `price` the one that is paid.
    """

    asin: str
    category: str  # one of five
    query: str
    product_category: str  # levels, joined by " › "
    name: str
    Title: str
    Description: str
    BulletPoints: list[str]
    Attributes: list[str]
    options: dict[str, list[str]]
    pricing: list[float]
    Price: str  # as it is shown
    price: float
    instructions: list[dict[str, Any]]  # what the files ask for this product; goals are made of it


class Catalogue:
    """Products in their order, found by asin; of two with one asin, the first is kept.

    They are kept as lines of JSON, so that a million of them fit into memory; those in use are kept
    decoded as well. `nouns` has those of products' names by asin; `nouns_of` finds those it lacks.
    """

    def __init__(
        self, products: Iterable[Product], nouns: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._packed: dict[str, bytes] = {}
        for product in products:
            if product["asin"] not in self._packed:
                self._packed[product["asin"]] = json.dumps(product).encode()
        self.nouns = dict(nouns or {})
        self._unpack = lru_cache(KEPT_DECODED)(lambda asin: json.loads(self._packed[asin]))

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Product]:
        return map(json.loads, self._packed.values())

    @property
    def asins(self) -> list[str]:
        return list(self._packed)

    def __getitem__(self, asin: str) -> Product:
        return self._unpack(asin)

    def get(self, asin: str) -> Product | None:
        return self._unpack(asin) if asin in self._packed else None

    def packed(self) -> list[str]:
        """Each product as one line of JSON, its options in the order in which pages show them."""
        return [line.decode() for line in self._packed.values()]

    @cached_property
    def sha256(self) -> str:
        """Of all products and nouns, in their order."""
        digest = hashlib.sha256()
        for line in (*self._packed.values(), json.dumps(self.nouns, sort_keys=True).encode()):
            digest.update(line + b"\n")
        return digest.hexdigest()


def read_prices(text: str) -> tuple[list[float], str]:
    """Prices in a text, at most two, and how they are shown: `$9.5`, or `$9.5 to $12.0`."""
    parts = [re.sub(r"[^\d.]", "", part) for part in text.split("$")[1:]]
    prices = [float(part) for part in parts if part][:2]
    if not prices:
        return [NO_PRICE], f"${NO_PRICE}"
    return prices, " to ".join(f"${price}" for price in prices)


def draw_price(asin: str, prices: Sequence[float], seed: int) -> float:
    """The price that is paid: of two, one in between, the same in every process.

    The official loader draws it from an unseeded generator.
    """
    if len(prices) == 1:
        return prices[0]
    return random.Random(short_hash("webshop-price", seed, asin)).uniform(*prices)


def _product(
    raw: RawProduct, attributes: list[str], requests: list[dict[str, Any]], seed: int
) -> Product:
    """A product with the keys of the official loader; a ValueError where its price is none."""
    bullets = raw.small_description
    prices, shown = read_prices(raw.pricing or "")
    if not all(map(math.isfinite, prices)):
        raise ValueError("not a finite number")
    options = {
        name.lower(): [one.value.strip().replace("/", " | ").lower() for one in values]
        for name, values in raw.customization_options.items()
        if values is not None
    }
    return Product(
        asin=raw.asin, category=raw.category, query=raw.query.lower().strip(),
        product_category=raw.product_category, name=raw.name, Title=raw.name,
        Description=raw.full_description,
        BulletPoints=bullets if isinstance(bullets, list) else [bullets],
        Attributes=attributes, options=options, pricing=prices, Price=shown,
        price=draw_price(raw.asin, prices, seed), instructions=requests,
    )  # fmt: skip


def _in_folder(folder: Path, stem: str) -> Path | None:
    """The full file where the folder has it, else that of the 1,000 products."""
    files = (folder / f"{stem}{size}.json" for size in ("", "_1000"))
    return next((file for file in files if file.is_file()), None)


def _read_table(path: Path, kind: Any) -> dict[str, Any]:
    """A JSON file of asins and what there is of each."""
    try:
        content = from_json(path.read_bytes())  # which refuses half letters, too
    except ValueError as error:
        raise UserError(f"{path}: expected JSON: {error}. Fetch the file again.") from None
    return read_as(kind, content, str(path))


def _stream(path: Path) -> Iterator[Any]:
    """The elements of a JSON array, one at a time: the full catalogue is a file of 5 GB."""
    number = 0
    try:
        with path.open("rb") as file:
            for raw in ijson.items(file, "item", use_float=True):
                number += 1
                yield raw
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}, after product number {number}: expected an array of products: {error}. "
            "Fetch it again."
        ) from None
    if not number:
        raise UserError(f"{path}: expected an array of products, found none. Fetch it again.")


class _Requests:
    """What is asked for each product: by people, or made of its attributes."""

    def __init__(self, extras: Path, by_people: Path | None) -> None:
        self._extras, self._by_people = extras, by_people
        self._attributes = _read_table(extras, dict[str, Any])
        self._written = _read_table(by_people, dict[str, Any]) if by_people else {}

    def of(self, asin: str) -> tuple[list[str], list[dict[str, Any]]]:
        """The attributes of a product, and what is asked for it."""
        where = f"{self._extras}, product {asin}"
        raw = self._attributes.get(asin, {})
        found = read_as(RawAttributes, raw, where)
        if self._by_people:
            where = f"{self._by_people}, product {asin}"
            asked = [
                {
                    "instruction": one.instruction,
                    "attributes": one.instruction_attributes,
                    "options": one.instruction_options,
                }
                for one in read_as(list[RawHumanRequest], self._written.get(asin, []), where)
            ]
        elif found.instruction is None:
            asked = []
        else:
            one = read_as(RawRequest, raw, where)
            asked = [{"instruction": one.instruction, "attributes": one.instruction_attributes}]
        return found.attributes, asked


def read_official(folder: Path, *, human: bool = False, seed: int = 0) -> Catalogue:
    """The official products; a UserError where a file is missing or broken.

    The folder has items_shuffle.json and items_ins_v2.json (or both with `_1000`, the small set),
    maybe title_nouns.json (asins to nouns), and for human instructions items_human_ins.json. With
    `human` these replace the ones made of attributes. `seed` draws prices that are ranges.
    """
    items, extra = _in_folder(folder, "items_shuffle"), _in_folder(folder, "items_ins_v2")
    written = folder / "items_human_ins.json"
    missing = ["items_shuffle.json"] * (items is None) + ["items_ins_v2.json"] * (extra is None)
    missing += [written.name] if human and not written.is_file() else []
    if items is None or extra is None or missing:
        raise UserError(
            f"{folder}: expected WebShop's {', '.join(missing)} (of the small set: "
            "items_shuffle_1000.json, items_ins_v2_1000.json), found none. "
            "WebShop's README says where to download them."
        )
    requests = _Requests(extra, written if human else None)

    def read_products() -> Iterator[Product]:
        for number, raw in enumerate(_stream(items), start=1):
            asin = read_as(RawAsin, raw, f"{items}, product number {number}").asin
            if asin == "nan" or len(asin) > LONGEST_ASIN:
                continue
            product = read_as(RawProduct, raw, f"{items}, product {asin}")
            try:
                yield _product(product, *requests.of(asin), seed)
            except ValueError as error:
                raise UserError(
                    f"{items}, product {asin}: expected a pricing such as `$9.50`, got "
                    f"{product.pricing!r:.80}: {error}. Mend it, or fetch the file again."
                ) from None

    nouns = _in_folder(folder, "title_nouns")
    return Catalogue(read_products(), _read_table(nouns, dict[str, list[str]]) if nouns else None)
