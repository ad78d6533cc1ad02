"""Diagnosis: scripted failures in real games, each with its cause; every failure has one."""

import random
from itertools import combinations

import pytest
from conftest import envs_of
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz
from records_of import told

from hintdistill.agents.episode.rollout import play_cohort
from hintdistill.core.records import normalise
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.alfworld.game.goal import (
    STATIONS,
    TASK_TYPES,
    class_of,
    is_closed,
    parse_goal,
    things_in,
)
from hintdistill.environments.alfworld.hints import rules, texts
from hintdistill.environments.alfworld.hints.trace import HouseTrace, parse_command
from hintdistill.environments.common.registry import hint_rules_of
from hintdistill.hints.audit import MIN_WORDS
from hintdistill.hints.write.form import form_error
from hintdistill.llm.engines.scripted import ScriptedEngine

SIMPLE, TWO, LOOK = "pick_and_place_simple", "pick_two_obj_and_place", "look_at_obj_in_light"
IDLE = ["look", "inventory"] * 20  # until the step limit, with nothing done


def game_of(games, task_type):
    return next((t, g) for t, g in games if t.type == task_type and t.split == "train")


def play(games, arm, task_type, turns):
    task, game = game_of(games, task_type)
    engine = ScriptedEngine(lambda messages: turns[sum(m.own for m in messages)])
    return play_cohort([task], envs_of({task.task_id: (task, game)}), engine, arm)[0]


def plan_of(games, task_type):
    return list(game_of(games, task_type)[1].content["walkthrough"])


def play_edited(games, arm, task_type, edit):
    """Play a game's walkthrough as `edit` changes it; then idle until the limit."""
    return play(games, arm, task_type, [*edit(plan_of(games, task_type)), *IDLE])


def diagnosed(episode):
    return hint_rules_of("alfworld").causes_of(episode)


def causes(episode):
    return [diagnosis.cause for diagnosis in diagnosed(episode)]


def the_hint(episode):
    """The text of an episode that has one cause only, with the cause."""
    (diagnosis,) = diagnosed(episode)
    return tuple(diagnosis)


def without(*verbs):
    return lambda plan: [step for step in plan if step.split()[0] not in verbs]


def replaced(verb, form):
    """Steps with the verb, written in another form: a template of the verb's two names."""

    def edit(plan):
        for step in plan:
            words = step.split()
            if words[0] == verb:
                yield form.format(" ".join(words[1:3]), " ".join(words[4:6]))
            else:
                yield step

    return edit


def until_first(verb):
    """The plan up to and with the first step of a verb."""
    return lambda plan: plan[: next(i for i, s in enumerate(plan) if s.startswith(verb)) + 1]


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_a_success_has_no_cause_and_its_trace_is_sound(games, base_arm, task_type):
    episode = play_edited(games, base_arm, task_type, lambda plan: plan)
    assert episode.success and causes(episode) == []
    trace = HouseTrace(episode)
    assert trace.found and trace.takes and not any(m.failed for m in trace.moments)
    for moment in trace.moments:
        if moment.verb in ("take", "move", "clean", "heat", "cool"):
            assert moment.command.place == moment.here
        if moment.verb in ("move", "clean", "heat", "cool"):
            assert moment.command.object == moment.held


@pytest.mark.parametrize(
    "task_type, form",
    [
        (SIMPLE, "put {} on {}"),
        (SIMPLE, "put {} in/on {}"),
        (SIMPLE, "place {}"),
        (TWO, "put {} in {}"),
        ("pick_clean_then_place_in_recep", "put {} in {}"),
    ],
)
def test_the_old_put(games, base_arm, task_type, form):
    episode = play_edited(games, base_arm, task_type, replaced("move", form))
    assert ("grammar", texts.GRAMMAR["move"]) in diagnosed(episode)
    assert causes(episode) == ["grammar"] or task_type == TWO  # there the hands stay full


@pytest.mark.parametrize(
    "task_type, verb, form, key",
    [
        (SIMPLE, "take", "pick up {}", "take"),
        (SIMPLE, "take", "take {}", "take"),
        (SIMPLE, "take", "Take {} from {}.", "take"),
        (SIMPLE, "move", "dance", "other"),
    ],
)
def test_other_forms_that_the_games_do_not_know(games, base_arm, task_type, verb, form, key):
    episode = play_edited(games, base_arm, task_type, replaced(verb, form))
    assert ("grammar", texts.GRAMMAR[key]) in diagnosed(episode)


@pytest.mark.parametrize("verb", ["clean", "heat", "cool"])
def test_missed_transformation(games, base_arm, verb):
    kind = f"pick_{verb}_then_place_in_recep"
    hint = ("missed_transformation", texts.TRANSFORMATION[verb])
    assert the_hint(play_edited(games, base_arm, kind, without(verb))) == hint
    assert the_hint(play_edited(games, base_arm, kind, until_first("take"))) == hint
    # Written without "with": both the form and the step are missing.
    episode = play_edited(games, base_arm, kind, replaced(verb, f"{verb} {{}}"))
    assert diagnosed(episode)[:2] == [("grammar", texts.GRAMMAR[verb]), hint]


def test_another_change_or_object_is_not_the_one_asked_for():
    steps = [
        ("take pen 1 from desk 1", "You pick up the pen 1 from the desk 1."),
        ("heat pen 1 with microwave 1", "You heat the pen 1 using the microwave 1."),
        ("move pen 1 to shelf 1", "You move the pen 1 to the shelf 1."),
        ("take cup 1 from desk 1", "You pick up the cup 1 from the desk 1."),
        ("clean cup 1 with sinkbasin 1", "You clean the cup 1 using the sinkbasin 1."),
    ]
    episode = told("put a clean pen in shelf.", steps)
    assert the_hint(episode) == ("missed_transformation", texts.TRANSFORMATION["clean"])


def test_second_object(games, base_arm):
    episode = play_edited(games, base_arm, TWO, until_first("move"))
    assert the_hint(episode) == ("second_object", texts.SECOND_OBJECT["missing"])


def test_two_objects_in_two_places():
    """Two moved, each to another place of the wanted class."""
    steps = [
        ("go to desk 1", "You arrive at desk 1. On the desk 1, you see a pen 1, and a pen 2."),
        ("take pen 1 from desk 1", "You pick up the pen 1 from the desk 1."),
        ("move pen 1 to shelf 1", "You move the pen 1 to the shelf 1."),
        ("take pen 2 from desk 1", "You pick up the pen 2 from the desk 1."),
        ("move pen 2 to shelf 2", "You move the pen 2 to the shelf 2."),
    ]
    assert the_hint(told("put two pen in shelf.", steps))[1] == texts.SECOND_OBJECT["apart"]


def test_lamp(games, base_arm):
    plan = plan_of(games, LOOK)
    lamp_place, use = plan[-2:]
    obj = plan[-3].split(" from ")[0].removeprefix("take ")

    def hint(*turns):
        return the_hint(play(games, base_arm, LOOK, [*turns, *IDLE]))

    before = plan[:-2]
    assert hint(*before) == ("lamp", texts.LAMP["find"])
    assert hint(*before, lamp_place) == ("lamp", texts.LAMP["use"])
    assert hint(*before, lamp_place, f"examine {obj}") == ("lamp", texts.LAMP["examine"])
    assert hint(lamp_place, use) == ("lamp", texts.LAMP["first"])


def test_unmet_precondition(games, base_arm):
    plan = plan_of(games, SIMPLE)
    take, move = (next(s for s in plan if s.startswith(verb)) for verb in ("take", "move"))
    source, target = take.split(" from ")[1], move.split(" to ")[1]

    def hint(*turns):
        return the_hint(play(games, base_arm, SIMPLE, [*turns, *IDLE]))

    def text(key):
        return ("unmet_precondition", texts.PRECONDITION[key])

    assert hint(take) == text("take")
    assert hint(f"go to {target}", move) == text("move")
    assert hint("go to teapot 1") == text("go")
    assert hint(f"open {source}") == text("open")
    assert hint("use desklamp 1") == text("use")
    assert hint(f"go to {source}", take, take) != text("take")  # the second is no loss


def test_unmet_precondition_at_a_closed_container(games, base_arm):
    kind = "pick_clean_then_place_in_recep"
    episode = play_edited(games, base_arm, kind, without("open"))
    assert ("unmet_precondition", texts.PRECONDITION["take, shut"]) in diagnosed(episode)


@pytest.mark.parametrize("verb", ["clean", "heat", "cool"])
def test_unmet_precondition_of_a_device(games, base_arm, verb):
    kind = f"pick_{verb}_then_place_in_recep"
    device = f"go to {dict(STATIONS.values())[verb]}"
    episode = play_edited(
        games, base_arm, kind, lambda plan: [s for s in plan if not s.startswith(device)]
    )
    assert ("unmet_precondition", texts.PRECONDITION[verb]) in diagnosed(episode)


def test_hands_full(games, base_arm):
    plan = [step for step in plan_of(games, TWO) if not step.startswith("move")]
    found = diagnosed(play(games, base_arm, TWO, [*plan, *IDLE]))
    assert ("unmet_precondition", texts.PRECONDITION["take, hands full"]) in found


def test_a_slip_that_was_made_good_is_no_cause(games, base_arm):
    plan = plan_of(games, SIMPLE)
    take = next(step for step in plan if step.startswith("take"))
    mended = [take, *plan[:-1]]
    assert the_hint(play(games, base_arm, SIMPLE, [*mended, *IDLE]))[0] == "budget"
    often = [take, "look", take, "look", take, *plan[:-1]]
    assert the_hint(play(games, base_arm, SIMPLE, [*often, *IDLE]))[0] == "unmet_precondition"


def survey(games, task_type):
    """What is seen at each place of a game."""
    task, game = game_of(games, task_type)
    env = AlfworldEnv(task, game)
    seen = {place: env.step(f"go to {place}").observation for place in things_in(env.reset())}
    env.close()
    return parse_goal(task.instruction), seen


@pytest.mark.parametrize("task_type", [SIMPLE, TWO, "pick_cool_then_place_in_recep"])
def test_places_visited_and_not_searched(games, base_arm, task_type):
    goal, seen = survey(games, task_type)
    closed = [f"go to {place}" for place in seen if is_closed(seen[place])]
    empty = [
        f"go to {place}"
        for place in seen
        if not is_closed(seen[place])
        and goal.object not in {class_of(thing) for thing in things_in(seen[place])}
    ]
    assert closed and len(empty) >= 2
    assert the_hint(play(games, base_arm, task_type, [*closed, *IDLE])) == (
        "skipped_container",
        texts.SKIPPED_CONTAINER,
    )
    assert the_hint(play(games, base_arm, task_type, empty[:2] * 20)) == (
        "repeated_search",
        texts.REPEATED_SEARCH,
    )


def test_malformed(games, base_arm):
    episode = play(games, base_arm, SIMPLE, ["two\nlines"] * 40)
    assert the_hint(episode) == ("malformed", texts.MALFORMED["turn"])
    full = episode.model_copy(update={"stop_reason": "context_full", "n_invalid": 0})
    assert the_hint(full) == ("malformed", texts.MALFORMED["context"])
    few = play(games, base_arm, SIMPLE, ["two\nlines", *IDLE])
    assert "malformed" not in causes(few)


def test_repeated_action(games, base_arm):
    episode = play(games, base_arm, SIMPLE, ["look"] * 40)
    assert the_hint(episode) == ("repeated_action", texts.REPEATED_ACTION)
    # A repeated command that was not possible has its own, more specific cause.
    assert causes(play(games, base_arm, SIMPLE, ["dance"] * 40)) == ["grammar"]


def test_budget(games, base_arm):
    plan = plan_of(games, SIMPLE)
    take = next(i for i, step in enumerate(plan) if step.startswith("take"))
    for turns, key in [
        (IDLE, "not found"),
        ([*plan[:take], *IDLE], "not taken"),
        ([*plan[: take + 1], *IDLE], "not placed"),
        ([*IDLE[: 20 - take - 1], *plan[: take + 1], *IDLE], "late"),
        ([f"think: hm {i}" for i in range(40)], "not found"),
    ]:
        episode = play(games, base_arm, SIMPLE, turns)
        assert the_hint(episode) == ("budget", texts.BUDGET[key])


def test_a_sentence_of_no_known_form_is_diagnosed_all_the_same():
    episode = told("juggle.", [("dance", "Nothing happens.")])
    assert causes(episode) == ["grammar"]
    assert causes(told("juggle.", [])) == ["budget"]


@pytest.mark.parametrize("seed", range(len(TASK_TYPES)))
def test_every_failure_of_random_play_has_a_cause(games, base_arm, seed):
    """A player that mixes the plan with commands drawn from what it sees, right and wrong ones."""
    rng = random.Random(seed)
    task, game = game_of(games, TASK_TYPES[seed])
    plan = list(game.content["walkthrough"])

    def turn(messages):
        if rng.random() < 0.4 and plan:
            return plan.pop(0)
        things = things_in(messages[1].content) + things_in(messages[-1].content)
        one, other = rng.choice(things), rng.choice(things)
        forms = "go to {0}|open {0}|take {1} from {0}|move {1} to {0}|put {1} in {0}|use {1}|"
        forms += "heat {1} with {0}|look|think: {0}|clean {1}|two\nlines|examine {1}|close {0}"
        return rng.choice(forms.split("|")).format(one, other)

    envs = envs_of({task.task_id: (task, game)})
    episode = play_cohort([task], envs, ScriptedEngine(turn), base_arm)[0]
    found = causes(episode)
    assert bool(found) != bool(episode.success)
    assert len(found) == len(set(found)) and set(found) <= set(texts.TEXTS)
    assert {"budget", "repeated_action"}.isdisjoint(found) or len(found) == 1
    order = list(texts.TEXTS)
    assert found == sorted(found, key=order.index)
    assert [form_error(d.text) for d in diagnosed(episode)] == [None] * len(found)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=20)), max_size=6), st.text())
def test_any_text_is_diagnosed(steps, task):
    assert causes(told(task, steps))


def test_commands_are_read_as_the_game_reads_them():
    assert parse_command("take apple 1 from desk 2") == ("take", "apple 1", "desk 2")
    assert parse_command("go to desk 2") == ("go", "", "desk 2")
    assert parse_command("use desklamp 1") == ("use", "desklamp 1", "")
    assert parse_command("look") == ("look", "", "")
    for text in ("put apple 1 in desk 2", "Go to desk 2", "take apple 1", "go to desk 2.", ""):
        assert parse_command(text) is None


def test_hint_texts():
    assert list(texts.TEXTS)[: len(rules._RULES)] == list(rules._RULES)
    every = [text for forms in texts.TEXTS.values() for text in forms.values()]
    assert len(set(every)) == len(every)
    assert [form_error(text) for text in every] == [None] * len(every)
    assert all(len(normalise(text).split()) >= MIN_WORDS for text in every)  # the leak audit's
    stations = [station for _, station in STATIONS.values()]
    for one, other in combinations(every, 2):
        # A type has one station, so hints that differ by it never meet in curation.
        if not (any(s in one for s in stations) and any(s in other for s in stations)):
            assert fuzz.ratio(normalise(one), normalise(other)) < 85, (one, other)
