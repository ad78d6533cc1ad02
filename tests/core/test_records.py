"""Records: what is written comes back, equal records are equal bytes, the rest is refused."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from records_of import episode_of

from hintdistill.core.errors import UserError
from hintdistill.core.files import dumps, read_jsonl, write_jsonl
from hintdistill.core.records import Episode, Hint, Message, TrainingRow, normalise, short_hash

# Lone surrogates can't be UTF-8, so no record can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
messages = st.builds(
    Message, role=st.sampled_from(["system", "user", "assistant"]), content=texts, own=st.booleans()
)
rows = st.builds(
    TrainingRow,
    row_id=texts, messages=st.lists(messages, max_size=4), task_id=texts, episode_id=texts,
    arm=texts, unlocked=st.booleans(),
)  # fmt: skip
hints = st.builds(
    Hint,
    hint_id=texts, env=texts, type=texts, text=texts, mentions=st.integers(1, 99), writer=texts,
    source_task_ids=st.lists(texts, max_size=3), source_episode_ids=st.lists(texts, max_size=3),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(rows, max_size=5))
def test_rows_come_back_as_written(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_jsonl(path, records)
    assert read_jsonl(path, TrainingRow) == records
    assert not list(path.parent.glob("*.partial"))


@given(hints)
def test_a_line_is_one_line_with_sorted_keys_and_its_schema(hint):
    line = dumps(hint)
    assert "\n" not in line
    fields = json.loads(line)
    assert list(fields) == sorted(fields)
    assert fields["schema"] == "hint/1"
    assert dumps(Hint.model_validate(fields)) == line


def test_unknown_fields_and_infinite_floats_are_refused():
    fields = episode_of("t").model_dump(by_alias=True)
    assert Episode.model_validate(fields) == episode_of("t")
    with pytest.raises(ValidationError, match="host"):
        Episode.model_validate({**fields, "host": "here"})
    for value in (math.nan, math.inf):
        with pytest.raises(ValidationError, match="reward"):
            Episode.model_validate({**fields, "reward": value})


@pytest.mark.parametrize(
    "content, said",
    [
        ("{", "line 1"),
        ('{"schema": "hint/2"}', "schema"),
        ("[]", "line 1"),
        ("\n", "line 1"),
        ("\udcff", "line 1"),
    ],
)
def test_a_broken_line_is_named(tmp_path, content, said):
    path = tmp_path / "hints.jsonl"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(UserError, match=said) as error:
        read_jsonl(path, Hint)
    assert str(path) in str(error.value) and "dvc" in str(error.value)


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="dvc repro"):
        read_jsonl(tmp_path / "none.jsonl", Hint)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "hints.jsonl"
    path.write_text("old\n")

    def broken():
        yield Hint(
            hint_id="h", env="e", type="t", text="x", mentions=1, writer="w",
            source_task_ids=[], source_episode_ids=[],
        )  # fmt: skip
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_jsonl(path, broken())
    assert path.read_text() == "old\n"


@given(texts)
def test_normalise_is_idempotent(text):
    assert normalise(normalise(text)) == normalise(text)


def test_short_hash_tells_its_parts_apart():
    assert short_hash("a", "bc") != short_hash("ab", "c")
    assert short_hash("a", 1) == short_hash("a", 1)
