"""Hints: curation, placebos."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_of import episode_of, task

from hintdistill.core.errors import UserError
from hintdistill.core.records import normalise
from hintdistill.environments.alfworld.game.goal import TASK_TYPES
from hintdistill.hints.give.placebo import PlaceboHints
from hintdistill.hints.write.curate import DuplicateParams, RawHint, curate, leaders
from hintdistill.hints.write.form import MAX_CHARACTERS, form_error

BY_RATIO = DuplicateParams(duplicate_ratio=0.85, duplicate_cosine=None)
BY_COSINE = DuplicateParams(duplicate_ratio=0.85, duplicate_cosine=0.8)
words = st.sampled_from(["open", "every", "closed", "{container}", "second", "{object}", "lamp"])
raw_hints = st.builds(
    RawHint,
    type=st.sampled_from(["a", "b"]),
    text=st.lists(words, min_size=2, max_size=6).map(" ".join),
    writer=st.just("diagnose"),
    episode=st.sampled_from([episode_of(f"task-{i}") for i in range(4)]),
    subject=st.just(""),
)


@pytest.mark.parametrize("duplicates", [BY_RATIO, BY_COSINE])
@settings(max_examples=40)
@given(raw=st.lists(raw_hints, max_size=12), random=st.randoms())
@pytest.mark.long
def test_curation_ignores_order_and_keeps_every_source(duplicates, raw, random):
    bank = curate(raw, "alfworld", duplicates)
    shuffled = list(raw)
    random.shuffle(shuffled)
    assert curate(shuffled, "alfworld", duplicates) == bank
    assert sum(hint.mentions for hint in bank) == len(raw)
    assert {t for h in bank for t in h.source_task_ids} == {r.episode.task_id for r in raw}
    assert len({hint.hint_id for hint in bank}) == len(bank)
    assert bank == sorted(bank, key=lambda hint: (hint.type, hint.hint_id))


def test_curation_merges_near_duplicates_of_a_type_only():
    def raw(task_type, text):
        return RawHint(task_type, text, "diagnose", episode_of("t"))

    near = ["Open every closed {container}.", "open every closed {container}!"]
    assert len(curate([raw("a", t) for t in near], "alfworld", BY_RATIO)) == 1
    assert len(curate([raw("a", near[0]), raw("b", near[1])], "alfworld", BY_RATIO)) == 2
    assert len(curate([raw("a", near[0]), raw("a", "Use {lamp}.")], "alfworld", BY_RATIO)) == 2


def test_sentence_vectors_merge_what_is_worded_anew():
    anew = ["Put {object} into {container}.", "Place {object} inside {container}.", "Use {lamp}."]
    assert leaders(anew, BY_RATIO) == {text: normalise(text) for text in anew}
    _, place, lamp = map(normalise, anew)
    assert leaders(anew, BY_COSINE) == dict(zip(anew, (place, place, lamp), strict=True))
    raw = [RawHint("a", text, "diagnose", episode_of(text)) for text in anew]
    assert sorted(h.mentions for h in curate(raw, "alfworld", BY_COSINE)) == [1, 2]


def test_form():
    assert form_error("Open every {container}.") is None
    assert "120" in form_error("x" * (MAX_CHARACTERS + 1))
    assert form_error("two\nlines") and form_error(" ") and form_error("Open fridge 1.")
    assert form_error("Open\x1b[2J it.") and form_error("Open\u2028it.")


def test_a_merged_hint_names_all_its_writers():
    writers = ["extract:small", "diagnose", "extract:small"]
    raw = [RawHint("a", "Use {lamp}.", writer, episode_of(writer)) for writer in writers]
    (merged,) = curate(raw, "alfworld", BY_RATIO)
    assert (merged.writer, merged.mentions) == ("diagnose+extract:small", 3)


def test_placebos_have_nine_sentences_of_hint_form_for_each_type(at_root):
    for arm in ("placebo_constant", "placebo_wrong_type"):
        placebo = PlaceboHints(arm, "alfworld", 9)
        for task_type in TASK_TYPES:
            wanted = task("1", "x").model_copy(update={"type": task_type})
            refs, again = placebo([(wanted, ""), (wanted, "a room")])
            assert refs == again
            assert len({ref.text for ref in refs}) == 9
            assert [form_error(ref.text) for ref in refs] == [None] * 9
    with pytest.raises(UserError, match="at least"):
        PlaceboHints("placebo_constant", "alfworld", 10)([(task("1", "x"), "")])
