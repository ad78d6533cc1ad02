"""WebShop's engine: pages, actions, reward and goals by own cases, and by the official ones."""

import json
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hintdistill.core.errors import UserError
from hintdistill.environments.webshop.game import reward as rewards
from hintdistill.environments.webshop.game.catalogue import (
    Catalogue,
    Product,
    read_official,
    read_prices,
)
from hintdistill.environments.webshop.game.env import INVALID, WebShopEnv, parse_action
from hintdistill.environments.webshop.game.goals import ShoppingGoal, human_goals, synthetic_goals
from hintdistill.environments.webshop.game.search import Bm25Search, tokenise

OFFICIAL = Path(os.environ.get("WEBSHOP_DATA") or "../shared/webshop")
official = pytest.mark.skipif(
    not (OFFICIAL / "golden_pages.jsonl").is_file(),
    reason="needs WebShop's conformance files in the folder that WEBSHOP_DATA names",
)


def product(asin="B000000001", **changes) -> Product:
    made = Product(
        asin=asin, category="fashion", query="men's shirts", product_category="Men › Shirts",
        name="Blue Cotton Shirt", Title="Blue Cotton Shirt", Description="A shirt.\nFor work.",
        BulletPoints=["Machine wash", ""], Attributes=["machine wash", "long sleeve"],
        options={"color": ["blue", "dark red"], "size": ["small", 'x" large']},
        pricing=[9.5, 12.0], Price="$9.5 to $12.0", price=10.25,
        instructions=[{"instruction": "Find me shirts", "attributes": ["machine wash"]}],
    )  # fmt: skip
    return made | changes


@pytest.fixture
def catalogue():
    others = [product(f"B00000000{i}", name=f"Shirt {i}", Title=f"Shirt {i}") for i in range(2, 7)]
    return Catalogue([product(), *others])


def shop(catalogue, mode="text", hits=None, **options):
    asins = [p["asin"] for p in catalogue] if hits is None else hits
    return WebShopEnv(catalogue, synthetic_goals(catalogue), lambda query: asins, mode, **options)


def walk(env, *actions):
    return [env.step(action) for action in actions]


def test_pages_show_what_the_shop_has(catalogue):
    env = shop(catalogue)
    asked = env.goal["instruction_text"]
    head = f"Instruction: [SEP] {asked} [SEP] Back to Search [SEP] "
    assert env.reset(0) == f"WebShop [SEP] Instruction: [SEP] {asked} [SEP] Search"
    results, item, description, back, features, reviews = (
        result.observation
        for result in (
            *walk(env, "search[Shirt]", "click[b000000001]", "click[Description]"),
            *walk(env, "click[< Prev]", "click[Features]"),
            walk(env, "click[< Prev]", "click[Reviews]")[1],
        )
    )
    first = "B000000001 [SEP] Blue Cotton Shirt [SEP] $9.5 to $12.0"
    assert results.startswith(f"{head}Page 1 (Total results: 6) [SEP] Next > [SEP] {first} [SEP]")
    options = 'color [SEP] blue [SEP] dark red [SEP] size [SEP] small [SEP] x" large'
    rest = "Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
    title = "Blue Cotton Shirt [SEP] Price: $9.5 to $12.0"
    assert item == back == f"{head}< Prev [SEP] {options} [SEP] {title} [SEP] {rest}"
    assert description == f"{head}< Prev [SEP] A shirt.\nFor work."
    assert features == f"{head}< Prev [SEP] Machine wash [SEP] "  # an empty bullet stays
    assert reviews == f"{head}< Prev"


def test_rich_text_marks_what_is_chosen_and_visited(catalogue):
    env = shop(catalogue, "text_rich")
    *_, chosen = walk(env, "search[x]", "click[B000000001]", "click[small]", "click[dark red]")
    assert chosen.observation.startswith(
        "You have clicked small.\nYou have clicked dark red.\nInstruction:\n"
    )
    assert "  [clicked button] dark red [clicked button_]\n" in chosen.observation
    assert "  [button] blue [button_]\n" in chosen.observation
    # The address has it as \" there, so a value with a quotation mark is never shown as chosen.
    assert 'You have clicked x"' not in env.step('click[x" large]').observation
    assert env.selected_options == {"size": 'x" large', "color": "dark red"}
    back = env.step("click[< Prev]").observation
    assert "\n[clicked button] B000000001 [clicked button_]\nBlue Cotton Shirt\n" in back
    assert env.selected_options == {}
    *_, anew = walk(env, "click[Back to Search]", "search[x]")
    assert "clicked" not in anew.observation


def test_the_agents_rendering_has_three_products_and_no_instruction_after_the_first_page(catalogue):
    env = shop(catalogue, "simple", strict=True)
    asked = env.goal["instruction_text"]
    assert env.reset(0) == f"\nWebShop \nInstruction:  \n{asked} \n[Search] "
    results, item, said = walk(env, "search[x]", "click[B000000002]", "click[blue]")
    price = "$9.5 to $12.0"
    assert results.observation == (
        "\n[Back to Search] \nPage 1 (Total results: 6) \n[Next >] \n[B000000001] "
        f"\nBlue Cotton Shirt \n{price} \n[B000000002] \nShirt 2 \n{price} "
        f"\n[B000000003] \nShirt 3 \n{price} "
    )
    assert '\ncolor [blue][dark red]\nsize [small][x" large]\nShirt 2 ' in item.observation
    assert said.observation == "You have clicked blue."
    walk(env, "click[Features]")
    assert "color [[blue]][dark red]" in env.step("click[< Prev]").observation
    bought = env.step("click[Buy Now]")
    assert bought.observation == f"Your score (min 0.0, max 1.0): {bought.reward}"


@pytest.mark.parametrize(
    "action", ["search[x]", "click[blue]", "click[BLUE]", "click[buy now]", "think[hm]", "buy", ""]
)
def test_strict_is_as_the_harness(catalogue, action):
    """Search on the first page only, and names as they stand on the page."""
    env = shop(catalogue, "simple", strict=True)
    walk(env, "search[x]")
    page = env.observation
    assert env.step(action) == (INVALID, 0.0, False, {"valid": False})
    assert env.observation == page


def test_pages_of_results_have_no_end(catalogue):
    env = shop(catalogue, hits=["B000000001"] * 11 + ["unknown"])
    *_, second, third, again = walk(env, "search[x]", *["click[Next >]"] * 2, "click[< Prev]")
    assert second.observation.count("B000000001") == 1
    assert "Page 2 (Total results: 11) [SEP] < Prev [SEP] Next > [SEP] B0" in second.observation
    assert third.observation.endswith("Page 3 (Total results: 11) [SEP] < Prev [SEP] Next >")
    assert again.observation == second.observation


@pytest.mark.parametrize("texts", [[], ["the"], ["!?", "—"], ["茶杯", "the"]])
def test_a_shop_whose_texts_have_no_word_is_searched_in_vain(tmp_path, texts):
    made = [product(f"B{i}", Title=text, Description="", BulletPoints=[], options={})
            for i, text in enumerate(texts)]  # fmt: skip
    search = Bm25Search(Catalogue(made), tmp_path)
    assert search("the") == search("") == search("shirt") == []
    assert search("茶杯") == ["B0"] * ("茶杯" in texts)


def test_a_purchase_pays_once_and_ends(catalogue):
    env = shop(catalogue)
    index = next(
        i
        for i, goal in enumerate(synthetic_goals(catalogue))
        if goal["goal_options"] == {"color": "blue", "size": "small"}
    )
    env.reset(index)
    right = ["search[x]", f"click[{env.goal['asin']}]", "click[blue]", "click[small]"]
    *shopping, bought = walk(env, *right, "click[Buy Now]")
    assert {result.reward for result in shopping} == {0.0}
    assert (bought.reward, bought.done) == (1.0, True)
    assert bought.info["valid"] and bought.info["r_option"] == 1.0
    assert 'options [SEP] {"color": "blue", "size": "small"} [SEP]' in bought.observation
    assert env.clickables == []
    assert env.step("search[x]") == (bought.observation, 0.0, True, {"valid": False})
    env.reset(index)
    *_, half = walk(env, *right[:2], "click[Buy Now]")
    assert half.reward == pytest.approx(2 / 4)  # the attribute and the price, of four


def test_a_step_limit_ends_an_episode_unsold(catalogue):
    env = shop(catalogue, step_limit=2)
    assert [result.done for result in walk(env, "nonsense", "search[x]")] == [False, True]
    assert not env.step("click[B000000001]").info["valid"]
    env.reset(1)
    assert not env.step("search[x]").done


def test_goals_and_modes_are_checked(catalogue):
    with pytest.raises(IndexError, match="expected 0 to 23"):
        shop(catalogue).reset(24)
    with pytest.raises(ValueError, match="mode"):
        shop(catalogue, "html")


@pytest.mark.parametrize(
    ("action", "name", "arg"),
    [
        ("search[red shoes]", "search", "red shoes"),
        ("click[a[b]", "click[a", "b"),
        ("click[x] and more", "click", "x"),
        ("click[x]]", "click", "x]"),
        ("click[]", "click[]", None),
        ("[x]", "[x]", None),
        ("click[x", "click[x", None),
        ("click]x[", "click]x[", None),
        ("click[x\n]", "click[x\n]", None),
        ("", "", None),
    ],
)
def test_actions_are_parsed_as_the_official_pattern_does(action, name, arg):
    assert parse_action(action) == (name, arg)


@given(st.text(alphabet="ab[]\n", max_size=12))
def test_any_action_is_parsed_as_the_official_pattern_does(action):
    import re

    match = re.match(r"(.+)\[(.+)\]", action)
    assert parse_action(action) == (match.groups() if match else (action, None))


def test_ten_thousand_odd_actions_raise_nothing_and_change_nothing(catalogue):
    """Random, malformed, huge: the page and what is chosen stay, and reward is 0."""
    rng = random.Random(0)
    env = shop(catalogue)
    walk(env, "search[x]", "click[B000000001]", "click[blue]")
    before = (env.observation, env.clickables, env.selected_options)
    signs = ["click", "search", "[", "]", "é", "\u202e", "😀", "\0", "\n", " ", "Buy", "{{x}}"]
    odd = ["click[" * 200_000, "[" * 1_000_000, "click[" + "a" * 2_000_000 + "]"]
    odd += ["\ud800", "click[search]"]
    odd += ["".join(rng.choices(signs, k=rng.randrange(8))) for _ in range(10_000)]
    for action in odd:
        name, arg = parse_action(action)
        if name == "search" and arg:
            continue  # a search is possible everywhere
        assert env.step(action)[1:] == (0.0, False, {"valid": False}), action[:50]
        assert (env.observation, env.clickables, env.selected_options) == before


@pytest.mark.long
def test_huge_searches_find_nothing_and_end(catalogue):
    env = WebShopEnv(catalogue, synthetic_goals(catalogue), Bm25Search(catalogue))
    began = time.monotonic()
    for words in ("a" * 1_000_000, "é " * 300_000, " ", "\0", "shirt " * 100_000):
        result = env.step(f"search[{words}]")
        assert result.info["valid"] and "Page 1 (Total" in result.observation
    assert time.monotonic() - began < 20


def test_the_same_episode_gives_the_same_bytes(catalogue):
    rng = random.Random(3)
    some = ["click[next >]", "click[b000000003]", "click[blue]", "click[< prev]", "search[shirt 4]"]
    actions = ["search[cotton shirt]", *rng.choices([*some, "click[features]"], k=60)]
    goals = synthetic_goals(catalogue)
    one, two = (WebShopEnv(catalogue, goals, mode="text_rich") for _ in range(2))
    assert walk(one, *actions) == walk(two, *actions)


def test_search_ranks_by_words_and_ties_by_asin(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search = Bm25Search(catalogue)
    assert search("blue cotton")[0] == "B000000001"
    tied = search("the machine")[:5]  # all but the first have titles of one length
    assert tied == [f"B00000000{i}" for i in range(2, 7)]
    assert search("of the") == [] == search("zebra")
    (folder,) = (tmp_path / ".cache/webshop").iterdir()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert Bm25Search(catalogue)("shirt 4") == search("shirt 4")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == kept
    (folder / "vocab.index.json").write_text("{")
    assert Bm25Search(catalogue)("shirt 4") == search("shirt 4")


def test_words_are_stems_without_stop_words():
    text = "The women's running shoes, 10.5 in. - e.g. U.S.A 😀"
    assert tokenise(text) == ["women", "run", "shoe", "10.5", "e.g", "u.s.a", "😀"]


@pytest.mark.parametrize(
    ("text", "prices", "shown"),
    [
        ("", [100.0], "$100.0"),
        ("$9.50", [9.5], "$9.5"),
        ("$1,299.00", [1299.0], "$1299.0"),
        ("$2.99 to $7.99", [2.99, 7.99], "$2.99 to $7.99"),
        ("$1 $2 $3", [1.0, 2.0], "$1.0 to $2.0"),
        ("7.99", [100.0], "$100.0"),
    ],
)
def test_prices_are_read_as_the_official_loader_does(text, prices, shown):
    assert read_prices(text) == (prices, shown)


def test_goals_are_all_choices_of_options_the_same_in_every_process(catalogue):
    goals = synthetic_goals(catalogue)
    assert len(goals) == 6 * 2 * 2 and goals == synthetic_goals(catalogue)
    one = next(g for g in goals if g["goal_options"] == {"color": "dark red", "size": "small"})
    assert one["price_upper"] in (30.0, 40.0, 50.0)  # the larger of two of 20 to 50
    assert one["instruction_text"] == (
        "Find me shirts with color: dark red, and size: small, and price lower than "
        f"{one['price_upper']:.2f} dollars"
    )
    assert one["weight"] == pytest.approx(1 / 24)
    assert {g["asin"]: g["price_upper"] for g in goals}.items() == {
        (g["asin"], g["price_upper"]) for g in goals
    }


def write_official(folder: Path, items, **files) -> Path:
    (folder / "items_shuffle_1000.json").write_text(json.dumps(items))
    extras = {"A1": {"attributes": ["soft"], "instruction": "Find me socks",
                     "instruction_attributes": ["soft"]}}  # fmt: skip
    for name, content in {"items_ins_v2_1000": extras, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


ITEM = {
    "asin": "A1", "category": "fashion", "query": " Socks ", "product_category": "Men › Socks",
    "name": "Socks", "full_description": "Warm", "small_description": "one text", "pricing": "$5",
    "customization_options": {"Color": [{"value": " Red/Blue "}], "Size": None},
}  # fmt: skip


def test_official_files_are_read_as_the_loader_does(tmp_path):
    items = [ITEM, ITEM | {"name": "again"}, ITEM | {"asin": "nan"}, ITEM | {"asin": "A" * 11}]
    items.append(ITEM | {"asin": "A2", "customization_options": ""})
    socks, plain = read_official(write_official(tmp_path, items))
    assert socks["query"] == "socks" and socks["BulletPoints"] == ["one text"]
    assert socks["options"] == {"color": ["red | blue"]} and socks["Attributes"] == ["soft"]
    assert plain["options"] == {} and plain["Attributes"] == ["DUMMY_ATTR"]
    assert not plain["instructions"]


def test_human_goals_have_lists_of_options(tmp_path):
    said = {"instruction": "i want socks.", "instruction_attributes": ["soft"],
            "instruction_options": ["red"]}  # fmt: skip
    folder = write_official(
        tmp_path, [ITEM], items_human_ins={"A1": [said, said | {"instruction_attributes": []}]}
    )
    (goal,) = human_goals(read_official(folder, human=True))
    assert goal["instruction_text"].startswith("i want socks, and price lower than ")
    assert goal["goal_options"] == ["red"] and goal["weight"] == 1.0
    with pytest.raises(UserError, match="items_human_ins"):
        (folder / "items_human_ins.json").unlink()
        read_official(folder, human=True)


@pytest.mark.parametrize("content", ['[{"asin": "A1"}]', "[{", '{"a": 1}x', '["text"]', ""])
def test_broken_official_files_are_named(tmp_path, content):
    with pytest.raises(UserError, match=r"items_shuffle\.json, items_ins_v2\.json"):
        read_official(tmp_path)
    write_official(tmp_path, [])
    (tmp_path / "items_shuffle_1000.json").write_text(content)
    with pytest.raises(UserError, match="items_shuffle_1000"):
        read_official(tmp_path)


@official
def test_official_pages_character_for_character():
    prices = json.loads((OFFICIAL / "golden_prices.json").read_text())
    read = read_official(OFFICIAL)
    catalogue = Catalogue([item | {"price": prices[item["asin"]]} for item in read], read.nouns)
    checked = 0
    for line in (OFFICIAL / "golden_pages.jsonl").open():
        episode = json.loads(line)
        index, hits = episode["goal_index"], []
        goals: list[ShoppingGoal] = [episode["goal"]] * (index + 1)
        for mode in ("text", "text_rich"):
            env = WebShopEnv(catalogue, goals, lambda query: hits, mode)  # noqa: B023
            for step in episode["steps"]:
                hits = step["search_asins"] or hits
                if step["action"] is None:
                    seen = (env.reset(index), 0, False)
                else:
                    seen = env.step(step["action"])[:3]
                assert seen == (step[mode], step["reward"], step["done"]), step["action"]
                assert env.clickables == step["clickables"]
                assert step["url"].endswith(env.page.url)
                checked += 1
    assert checked == 284


@official
def test_official_goals():
    goals = synthetic_goals(read_official(OFFICIAL))
    assert len(goals) == 6910
    given = json.loads((OFFICIAL / "golden_goals20.json").read_text())
    for goal, same in zip(goals, given, strict=False):
        for key in ("asin", "attributes", "goal_options"):
            assert goal[key] == same[key]
        assert goal["weight"] == pytest.approx(same["weight"], abs=1e-12)


@official
def test_official_rewards_exactly():
    rows = [json.loads(line) for line in (OFFICIAL / "reward_cases.jsonl").open()]
    cases = [row for row in rows if not row.get("meta")]
    assert len(cases) == 105
    for case in cases:
        given = (case[key] for key in ("purchased", "goal", "price", "options"))
        nouns = (case["nouns_purchased"], case["nouns_goal"])
        assert rewards.get_reward(*given, *nouns) == (case["reward"], case["info"]), case["id"]


def close(value, expected, tolerance):
    """Whether a value is as a conformance case expects it."""
    if isinstance(expected, dict) and "approx" in expected:
        return value == pytest.approx(expected["approx"], abs=tolerance or expected["abs_tol"])
    if isinstance(expected, dict) and "less_than" in expected:
        return value < expected["less_than"] + (tolerance or 0)
    if isinstance(expected, dict):
        return all(close(value[key], wanted, tolerance) for key, wanted in expected.items())
    if isinstance(expected, list):
        return list(value) == expected or list(value) == pytest.approx(expected)
    return value == expected


@official
def test_conformance_cases():
    cases = json.loads((OFFICIAL / "conformance.json").read_text())["cases"]
    checked = 0
    for case in cases:
        function = getattr(rewards, case["fn"], None)
        if function is None:
            continue  # helpers that the environment does not use
        given = case["input"]
        value = function(**given) if isinstance(given, dict) else function(given)
        value = value[0] if case["fn"] == "get_reward" else value
        assert close(value, case["expected"], case.get("suggested_abs_tol")), case["id"]
        checked += 1
    assert checked == 30
