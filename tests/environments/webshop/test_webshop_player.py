"""WebShop in the pipeline: panel, shopper, habits, diagnosis, on the generated catalogue."""

import json
import random
import re
import statistics
from collections import Counter

import pytest
from conftest import ROOT
from test_webshop_game import ITEM, write_official

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import ArmSetup, GivenHints, Limits, play_cohort
from hintdistill.agents.stateact import FIELDS
from hintdistill.core.errors import UserError
from hintdistill.core.panel import Panel, PanelParams, load_panel
from hintdistill.core.records import SPLITS, HintRef, normalise
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.common.registry import games_of, hint_rules_of
from hintdistill.environments.scripted.habits import IRRELEVANT
from hintdistill.environments.webshop.game.env import WebShopEnv
from hintdistill.environments.webshop.game.panel import Shop, build_panel, read_source
from hintdistill.environments.webshop.hints.rules import (
    CAUSES,
    FIRST_RESULT,
    INVALID_CLICK,
    MALFORMED,
    OPENED_TWICE,
    OPTION_NOT_CHOSEN,
    PRICE,
    QUERY,
    RAN_OUT,
    REPEATED,
    RULES,
    WRONG_OPTION,
    WRONG_PRODUCT,
)
from hintdistill.environments.webshop.player.habits import HABITS
from hintdistill.environments.webshop.player.reading import read_options, read_results, read_wish
from hintdistill.environments.webshop.player.shopper import Shopper
from hintdistill.hints.write.form import form_error, written_form_error
from hintdistill.llm.engine import Turn
from hintdistill.llm.engines.scripted import ScriptedEngine

SIZES = {"warmstart": 90, "train": 20, "dev": 5, "eval": 20}
EVERYTHING = [habit.hints[0] for habit in HABITS.habits]
TEXTS = [
    *INVALID_CLICK.values(), *OPTION_NOT_CHOSEN.values(), *WRONG_OPTION.values(), PRICE,
    FIRST_RESULT, *QUERY.values(), OPENED_TWICE, *RAN_OUT.values(), WRONG_PRODUCT, MALFORMED,
    REPEATED,
]  # fmt: skip


def params(source="generated", **changes) -> PanelParams:
    return PanelParams(source=source, seed=0, panel_sha256=None, **{**SIZES, **changes})


@pytest.fixture(scope="module")
def built():
    return list(build_panel(params()))


@pytest.fixture(scope="module")
def panel(built) -> Panel:
    return load_panel([task for task, _ in built if task], [game for _, game in built])


@pytest.fixture
def shop(panel, at_root, tmp_path, monkeypatch):
    """Shop for goals with an engine, and get (task, episode) pairs."""

    def play(tasks, engine, agent="react", hints=(), steps=14):
        protocol = make_agent(agent, "webshop", {"examples": 0, "fields": FIELDS})
        refs = [HintRef(hint_id=str(i), text=text) for i, text in enumerate(hints)]
        limits = Limits(turn_limit=45, repeat_limit=5)
        arm = ArmSetup(
            "base", protocol, GivenHints(lambda starts: [refs for _ in starts]), limits, steps, 0
        )
        engine = engine or DemonstratorEngine(Shopper, protocol.turns, 0.0, 0)
        with games_of("webshop").open_envs(panel, len(tasks)) as envs:
            return list(zip(tasks, play_cohort(tasks, envs, engine, arm), strict=True))

    return play


def tasks_of(panel, split="warmstart"):
    return [task for task, _ in panel.values() if task.split == split]


def test_the_panel_is_split_by_wish_and_holds_all_that_is_needed(built, panel):
    assert Counter(task.split for task in (t for t, _ in built if t)) == SIZES
    products = {split: {t.group for t in tasks_of(panel, split)} for split in SPLITS}
    assert sum(map(len, products.values())) == len(set().union(*products.values()))
    # Products have siblings that answer the same wish.
    wishes = {
        split: {read_wish(t.instruction).what for t in tasks_of(panel, split)} for split in SPLITS
    }
    assert sum(map(len, wishes.values())) == len(set().union(*wishes.values()))
    assert len({task.type for task, _ in panel.values()}) == 5
    assert list(panel.shared) == [built[0][1].task_id]
    again = list(build_panel(params()))
    assert [game for _, game in again] == [game for _, game in built]


def test_a_panel_shows_options_in_the_files_order(tmp_path, monkeypatch, at_root):
    monkeypatch.setenv("WEBSHOP_DATA", str(tmp_path))
    names = ("Size", "Fit Type", "Color")
    options = {name: [{"value": f"some {name}"}, {"value": "other"}] for name in names}
    items = [ITEM | {"asin": f"A{i}", "customization_options": options} for i in range(4)]
    asked = {"instruction": "Find me socks", "instruction_attributes": ["soft"]}
    write_official(tmp_path, items, items_ins_v2_1000={item["asin"]: asked for item in items})
    built = list(build_panel(params("official", **dict.fromkeys(SIZES, 1))))
    panel = load_panel([task for task, _ in built if task], [game for _, game in built])
    env = Shop(panel).make_env(*next(iter(panel.values())))
    env.reset()
    env.step("search[socks]")
    lines = env.step("click[A0]").observation.splitlines()
    assert lines[2:5] == [f"{n.lower()} [some {n.lower()}][other]" for n in names]


def test_products_that_do_not_belong_to_the_goals_are_refused(built, panel):
    changed = dict(built[0][1].content, nouns="{}")
    shared = {
        name: game.model_copy(update={"content": changed}) for name, game in panel.shared.items()
    }
    for other in ({}, shared):
        with pytest.raises(UserError, match="expected the products"):
            Shop(Panel(panel, other))
    task, game = next(iter(panel.values()))
    with pytest.raises(UserError, match="do not belong together"):
        Shop(panel).make_env(
            task, game.model_copy(update={"content": {**game.content, "goal": "{}"}})
        )


def test_wrong_sources_sizes_and_folders_are_errors(monkeypatch, tmp_path):
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    with pytest.raises(UserError, match="expected one of"):
        list(build_panel(params("amazon")))
    with pytest.raises(UserError, match="WEBSHOP_DATA"):
        list(build_panel(params("official")))
    with pytest.raises(UserError, match=r"webshop\.\w+: expected \d+ goals"):
        list(build_panel(params(eval=99_999)))
    monkeypatch.setenv("WEBSHOP_DATA", str(tmp_path))
    with pytest.raises(UserError, match="items_shuffle"):
        list(build_panel(params("official_index")))


def test_official_index_splits(monkeypatch, tmp_path):
    """By index as others split: eval of the first 500 goals, the rest of those after them."""
    from test_webshop_game import ITEM, write_official

    values = [{"value": f"v{i}"} for i in range(700)]
    write_official(tmp_path, [ITEM | {"customization_options": {"Color": values}}])
    monkeypatch.setenv("WEBSHOP_DATA", str(tmp_path))
    from hintdistill.environments.webshop.game.catalogue import read_official
    from hintdistill.environments.webshop.game.goals import synthetic_goals

    texts = [g["instruction_text"] for g in synthetic_goals(read_official(tmp_path))]
    tasks = [task for task, _ in build_panel(params("official_index")) if task]
    places = {
        split: [texts.index(t.instruction) for t in tasks if t.split == split] for split in SPLITS
    }
    assert max(places["eval"]) < 500 <= min(places["warmstart"] + places["train"] + places["dev"])
    assert len({place for some in places.values() for place in some}) == sum(SIZES.values())


def test_hints_are_well_formed_and_no_wording_stands_twice():
    placebos = read_yaml(ROOT / "prompts/webshop/placebos.yaml")
    elsewhere = {t for texts in placebos["placebo_wrong_type"].values() for t in texts}
    known = [text for habit in HABITS.habits for text in (*habit.hints, *habit.held_out)]
    known += [*HABITS.general, *IRRELEVANT]
    everywhere = [*known, *TEXTS, *sorted(elsewhere), *placebos["placebo_constant"]]
    assert len({normalise(text) for text in everywhere}) == len(everywhere)
    assert [text for text in everywhere if form_error(text)] == []
    held = RULES.placeholders
    assert [text for text in TEXTS if written_form_error(text, set(), held)] == []
    assert all(len(habit.hints) >= 6 and len(habit.held_out) >= 2 for habit in HABITS.habits)


@pytest.mark.long
def test_names_of_an_episode_are_names_and_no_words_of_a_hint(panel, shop):
    for task, episode in shop(tasks_of(panel), None):
        names, wish = RULES.names_of(episode), read_wish(task.instruction)
        assert wish.name in names and all(v in names for v in wish.options.values() if len(v) > 2)
        for page in (step.observation for step in episode.steps):
            assert {result.asin for result in read_results(page)} <= names
            values = {value for some in read_options(page).values() for value in some}
            assert {value for value in values if len(normalise(value)) > 2} <= names
        held = RULES.placeholders
        assert [text for text in TEXTS if written_form_error(text, names, held)] == []
        said = written_form_error(f"Buy the {wish.name} at once.", names, held)
        assert said == f"a name in place of a placeholder: {wish.name}"


@pytest.mark.long
def test_hints_make_the_shopper_earn_more_and_useless_ones_change_nothing(panel, shop):
    tasks = tasks_of(panel)
    plain, hinted = shop(tasks, None), shop(tasks, None, hints=EVERYTHING)
    useless = shop(tasks, None, hints=[*IRRELEVANT[:2], *HABITS.general[:2]])
    rewards = [statistics.fmean(e.reward for _, e in played) for played in (plain, hinted)]
    assert rewards[0] + 0.15 < rewards[1] > 0.9
    assert 0 < sum(e.success for _, e in plain) < 0.5 * len(tasks)
    said = [[[m.content for m in e.messages if m.own] for _, e in p] for p in (plain, useless)]
    assert said[0] == said[1]
    made = {name for task in tasks for name in HABITS.made(read_wish(task.instruction), "")}
    assert made == {habit.name for habit in HABITS.habits}  # the fixture's goals show all of them


def test_useless_hints_are_drawn_for_any_task(panel):
    """Also where every mistake could be made, so that there are no hints for other tasks."""
    for number, task in enumerate(tasks_of(panel)):
        drawn = HABITS.draw_useless(task.instruction, "", random.Random(number))
        wish = read_wish(task.instruction)
        prevented = HABITS.prevented_by("\n".join(drawn))
        assert drawn and not prevented & {h.name for h in HABITS.habits if h.concerns(wish)}


@pytest.mark.long
def test_each_mistake_is_diagnosed_with_the_hint_against_it(panel, shop):
    seen = 0
    for task, episode in shop(tasks_of(panel), None):
        texts = {diagnosis.text for diagnosis in hint_rules_of("webshop").causes_of(episode)}
        assert bool(texts) != bool(episode.success)
        wish = read_wish(task.instruction)
        asked = set(normalise(wish.what).split())
        if texts and 2 * len(asked & set(normalise(wish.name).split())) < len(asked):
            assert QUERY["short"] in texts, task.instruction
            seen += 1
    assert seen > 5


@pytest.mark.long
def test_slips_are_not_its_own_turns_and_it_recovers(panel, shop):
    protocol = make_agent("react", "webshop", {"examples": 0})
    tasks = tasks_of(panel)

    def slipping():
        engine = DemonstratorEngine(Shopper, protocol.turns, 0.3, 0)
        return [episode for _, episode in shop(tasks, engine, hints=EVERYTHING, steps=40)]

    episodes = slipping()
    slips = [m for e in episodes for m in e.messages if m.role == "assistant" and not m.own]
    assert len(slips) > len(episodes) / 2
    assert statistics.fmean(episode.reward for episode in episodes) > 0.85
    assert slipping() == episodes


def test_where_all_is_too_dear_it_takes_the_first(at_root):
    catalogue, goals = read_source("generated", seed=0)
    goal = next(goal for goal in goals if " and price lower" in goal["instruction_text"])
    text = re.sub(r"lower than [\d.]+", "lower than 0.50", goal["instruction_text"])
    dear = catalogue.asins[:2]
    env = WebShopEnv(
        catalogue, [goal | {"instruction_text": text}], lambda query: dear, "simple", strict=True
    )
    agent = make_agent("react", "webshop", {"examples": 0})
    prompt = agent.system_prompt(list(EVERYTHING), goal["category"])
    page, done, said = env.reset(0).strip(), False, []
    player = Shopper(agent.turns, prompt, page, 0.0, random.Random(0))
    while not done:
        said.append(player.turn(page).text)
        page, _, done, info = env.step(said[-1])
        assert info["valid"], said
    assert said[1:4] == ["click[Next >]", "click[< Prev]", f"click[{dear[0]}]"]


def test_stateact_restates_what_the_shopper_knows(panel, shop):
    played = shop(tasks_of(panel)[:5], None, agent="stateact", hints=EVERYTHING)
    assert any(episode.success for _, episode in played)
    for task, episode in played:
        for message in (m for m in episode.messages if m.own):
            assert [line.split(":")[0] for line in message.content.splitlines()] == FIELDS
            assert f"goal: {task.instruction}" in message.content


class Actions:
    """Says the given actions, and after the last one that again."""

    def __init__(self, *actions):
        self.actions = list(actions)
        self.said = -1

    def __call__(self, page):
        self.said += 1
        action = self.actions[min(self.said, len(self.actions) - 1)]
        return action(page) if callable(action) else action


def first(page):
    return f"click[{read_results(page)[0].asin}]"


class ActingEngine(ScriptedEngine):
    """Lets `Actions` speak, by what the page has."""

    def __init__(self, actions):
        self.actions = actions

    def start(self):
        pass

    def generate(self, requests):
        return [Turn(self.actions(r.messages[-1].content), True, 0, 0, 0) for r in requests]


def causes(shop, task, *actions):
    ((_, episode),) = shop([task], ActingEngine(Actions(*actions)))
    return dict(hint_rules_of("webshop").causes_of(episode))


def find_task(panel, wanted):
    return next(t for t, _ in panel.values() if wanted(read_wish(t.instruction)))


def test_causes_of_hand_made_failures(panel, shop):
    free = find_task(panel, lambda wish: not wish.options)
    search = f"search[{read_wish(free.instruction).what}]"
    around = ["click[< Prev]", first, "click[Features]", "click[< Prev]"]
    assert causes(shop, free, search, first, *around * 6) == {
        "opened_twice": OPENED_TWICE,
        "ran_out_of_steps": RAN_OUT["reading"],
    }
    whole = causes(shop, free, f"search[{free.instruction}]", "click[Next >]")
    assert whole["query"] == QUERY["price"]
    assert causes(shop, free, "click[Search]") == {"invalid_click": INVALID_CLICK["other"]}
    assert causes(shop, free, search, "search[again]") == {"invalid_click": INVALID_CLICK["search"]}
    assert causes(shop, free, "")["malformed"] == MALFORMED
    chosen = find_task(panel, lambda wish: "color" in wish.options and len(wish.options) == 1)
    wish = read_wish(chosen.instruction)
    search = f"search[{wish.what} color {wish.options['color']}]"

    unset = causes(shop, chosen, search, first, "click[Buy Now]")
    assert unset["option_not_chosen"] == OPTION_NOT_CHOSEN["none"]

    def other(page):
        return next(
            f"click[{value}]"
            for value in read_options(page)["color"]
            if value not in wish.options.values()
        )

    found = causes(shop, chosen, search, first, other, "click[Buy Now]")
    assert found["wrong_option"] in WRONG_OPTION.values()


def test_any_failure_has_a_cause(panel, shop):
    """Random shopping: every failed episode is diagnosed, whatever was clicked."""
    rng = random.Random(0)

    def anything(page):
        clicks = [f"click[{part.split(']')[0]}]" for part in page.split("[")[1:]]
        return rng.choice([*clicks, "search[shirt]", "search[]", "buy", "click[x]"])

    tasks = tasks_of(panel)[:30]
    for _, episode in shop(tasks, ActingEngine(anything)):
        found = [diagnosis.cause for diagnosis in hint_rules_of("webshop").causes_of(episode)]
        assert bool(found) != bool(episode.success) and set(found) <= set(CAUSES)
        json.dumps(episode.model_dump())
