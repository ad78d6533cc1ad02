"""WebShop's files field by field: each is used as its own code uses it, or refused by its asin."""

import json
from itertools import product as cartesian

import pytest

from hintdistill.core.errors import UserError
from hintdistill.environments.webshop.game.catalogue import read_official
from hintdistill.environments.webshop.game.env import WebShopEnv
from hintdistill.environments.webshop.game.goals import human_goals, synthetic_goals
from hintdistill.environments.webshop.game.search import Bm25Search

ABSENT = object()
VALUES = {"absent": ABSENT, "null": None, "empty text": "", "empty list": [], "empty dict": {},
          "zero": 0, "true": True, "number": 7.5, "text": "odd", "list": [1], "dict": {"odd": 1},
          "texts": ["odd"], "list of null": [None]}  # fmt: skip
ITEM = {
    "asin": "A1", "category": "fashion", "query": "socks", "product_category": "Men › Socks",
    "name": "Wool Socks", "full_description": "Warm", "small_description": ["Soft", "Thick"],
    "pricing": "$5", "customization_options": {"Color": [{"value": "red"}, {"value": "blue"}]},
}  # fmt: skip
EXTRA = {"attributes": ["soft"], "instruction": "Find me socks", "instruction_attributes": ["soft"]}
HUMAN = {"instruction": "i want socks.", "instruction_attributes": ["soft"],
         "instruction_options": ["red"]}  # fmt: skip
OTHER = ITEM | {"asin": "B2", "name": "Other Socks"}
# Where a value goes, and which values the official code uses; each of the others is refused.
TEXTS = {"empty text", "text"}
PLACES = {
    "item": {
        "asin": {"text"}, "category": TEXTS, "query": TEXTS, "product_category": TEXTS,
        "name": TEXTS, "full_description": TEXTS,
        "small_description": {*TEXTS, "empty list", "texts"},
        "pricing": {"absent", "null", "empty list", "empty dict", "zero", *TEXTS},
        "customization_options": {"null", "empty list", "empty dict", "zero", "empty text"},
    },
    "option": {"Color": {"absent", "null", "empty list"}},
    "value": {"value": TEXTS},
    "extra": {
        "attributes": {"absent", "empty list", "texts"},
        "instruction": {"absent", "null", *TEXTS},
        "instruction_attributes": {"texts"},
    },
    "extras": {"A1": {"absent", "empty dict", "dict"}},
    "human": {
        "instruction": TEXTS,
        "instruction_attributes": {"empty list", "texts"},
        "instruction_options": {"empty list", "empty dict", "texts"},
    },
    "humans": {"A1": {"absent", "empty list"}},
    "nouns": {"A1": {"absent", "empty list", "texts"}},
}  # fmt: skip
CASES = [(place, field, value) for place, fields in PLACES.items()
         for field, value in cartesian(fields, VALUES)]  # fmt: skip


def changed(content, field, value):
    """A dict with a field of another value, or without it."""
    kept = {key: old for key, old in content.items() if key != field}
    return kept if value is ABSENT else kept | {field: value}


def write_files(folder, place, field, value):
    made = {"item": ITEM, "option": ITEM["customization_options"], "value": {"value": "red"},
            "extra": EXTRA, "human": HUMAN, "nouns": {"A1": ["socks"]}}  # fmt: skip
    if place in made:
        made[place] = changed(made[place], field, value)
    if place == "value":
        made["option"] = {"Color": [made["value"], {"value": "blue"}]}
    if place in ("option", "value"):
        made["item"] = changed(ITEM, "customization_options", made["option"])
    extras, humans = {"A1": made["extra"], "B2": EXTRA}, {"A1": [made["human"]], "B2": [HUMAN]}
    files = {
        "items_shuffle": [OTHER, made["item"]],
        "items_ins_v2": changed(extras, field, value) if place == "extras" else extras,
        "items_human_ins": changed(humans, field, value) if place == "humans" else humans,
        "title_nouns": made["nouns"],
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def shop_for_all(catalogue, goals, folder):
    """Look at all pages of each product, and buy it."""
    search = Bm25Search(catalogue, folder)
    assert {*search("socks wool other")} <= {*catalogue.asins}
    env = WebShopEnv(catalogue, goals, lambda query: catalogue.asins)
    for goal, asin, mode in cartesian(range(len(goals)), catalogue.asins, ("rich", "plain")):
        env.reset(goal)
        looks = ["description", "< prev", "features", "< prev"] if mode == "rich" else ["red"]
        for click in (asin, *looks, "buy now"):
            env.step("search[socks]" if click == asin else "")
            result = env.step(f"click[{click}]")
        assert result.done and 0.0 <= result.reward <= 1.0


@pytest.mark.parametrize("human", [False, True], ids=["made", "human"])
def test_every_field_is_used_as_the_official_code_does_or_refused(tmp_path, human):
    used = 0
    for number, (place, field, value) in enumerate(CASES):
        # Which of both instructions a product has, only one of both kinds reads.
        if place in (("human", "humans") if not human else ()):
            continue
        where = (place, field, value)
        folder = tmp_path / str(number)
        folder.mkdir()
        write_files(folder, place, field, VALUES[value])
        fine = value in PLACES[place][field]
        if human and place == "extra" and field.startswith("instruction"):
            fine = True
        try:
            catalogue = read_official(folder, human=human)
        except UserError as error:
            assert not fine, (where, error)
            name = "product number 2" if where[1] == "asin" else "A1"
            assert name in str(error) and len(str(error).splitlines()) == 1, (where, error)
            assert field in str(error) or place in ("value", "extras", "humans"), (where, error)
            continue
        assert fine, where
        goals = (human_goals if human else synthetic_goals)(catalogue)
        assert {goal["asin"] for goal in goals} >= {"B2"}, where
        shop_for_all(catalogue, goals, folder)
        used += 1
    assert used > 20


def test_a_text_that_no_file_can_hold_is_refused(tmp_path):
    """Half of a letter, which JSON can spell; games.jsonl could not be written."""
    write_files(tmp_path, "extra", "instruction", "\ud800")
    with pytest.raises(UserError, match=r"items_ins_v2\.json: expected JSON: .*hex escape"):
        read_official(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("pricing", None, {"Price": "$100.0", "price": 100.0}),
        ("pricing", 0, {"Price": "$100.0", "price": 100.0}),
        ("small_description", "one", {"BulletPoints": ["one"]}),
        ("small_description", [], {"BulletPoints": []}),
        ("customization_options", 0, {"options": {}}),
        ("customization_options", {"A": None, "B": []}, {"options": {"b": []}}),
    ],
)
def test_what_is_nothing_is_nothing(tmp_path, field, value, expected):
    write_files(tmp_path, "item", field, value)
    made = read_official(tmp_path)["A1"]
    assert {key: made[key] for key in expected} == expected


@pytest.mark.parametrize("pricing", ["$1.2.3", "$.", "$" + "9" * 400])
def test_a_price_that_is_none_is_refused(tmp_path, pricing):
    write_files(tmp_path, "item", "pricing", pricing)
    with pytest.raises(UserError, match=r"product A1: expected a pricing such as `\$9\.50`"):
        read_official(tmp_path)


def test_an_instruction_without_attributes_is_refused_and_a_persons_makes_no_goal(tmp_path):
    write_files(tmp_path, "extra", "instruction_attributes", [])
    with pytest.raises(UserError, match=r"items_ins_v2\.json, product A1: .*_attributes: .*1 item"):
        read_official(tmp_path)
    write_files(tmp_path, "human", "instruction_attributes", [])
    assert {goal["asin"] for goal in human_goals(read_official(tmp_path, human=True))} == {"B2"}


@pytest.mark.parametrize(
    "name", ["items_shuffle", "items_ins_v2", "items_human_ins", "title_nouns"]
)
@pytest.mark.parametrize("content", ["", "null", "0", "{", '"text"', "[[]]", "[0]", b"\xff", "NaN"])
def test_a_file_of_another_form_is_named(tmp_path, name, content):
    write_files(tmp_path, "", "", None)
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / f"{name}.json").write_bytes(raw)
    with pytest.raises(UserError, match=rf"{name}\.json"):
        read_official(tmp_path, human=True)


def test_a_catalogue_without_products_is_none(tmp_path):
    write_files(tmp_path, "", "", None)
    for content in ("[]", "{}", "null"):
        (tmp_path / "items_shuffle.json").write_text(content)
        with pytest.raises(UserError, match="expected an array of products, found none"):
            read_official(tmp_path)
