"""Hand in: what the lessons leave there, the files it makes, and taking them back."""

import base64
import hashlib
import io
import json
import zipfile

import pytest

from lessons_lib.catalogue import LESSONS, lesson, written
from lessons_lib.errors import LessonsError
from lessons_lib.ui import hand_in
from lessons_lib.ui.hand_in import DELIVERABLES, Record, as_html, as_zip, from_zip, is_work
from lessons_lib.ui.save import Noted
from lessons_lib.ui.stamp import weights_of
from tests.pages import opened, press

DOT = "data:image/png;base64," + base64.b64encode(b"not really a picture").decode()


def record(slug="guidance", model="mnist", **changed):
    noted = (
        Noted("heading", "A <b>heading</b>"), Noted("text", "**live** · prompt 3 · seed 7 · 1.0 s"),
        Noted("picture", DOT, caption="guidance 5: 3 <99%>", alt="a three", width=96), Noted("equation", "x_t"),
    )  # fmt: skip
    return Record(
        **{
            "slug": slug,
            "model": model,
            "made": "2026-11-24 10:00",
            "link": "http://here/?seed=7",
            "notes": "I saw <it>",
            "noted": noted,
        }
        | changed
    )


def test_every_lesson_is_on_the_checklist():
    assert set(DELIVERABLES) == {x.slug for x in LESSONS if x.part} - {"hand_in"}


@pytest.mark.parametrize(
    ("texts", "picture", "work"),
    [
        (["**live** · seed 1"], True, True),
        (["**stopped after 3 of 9 steps** · seed 1"], True, True),
        (["**kept from an earlier run (2026)** · seed 1"], True, False),
        (["**kept from an earlier run (2026)** · seed 1", "**live** · seed 2"], True, True),
        (["some words"], True, True),
        (["some words"], False, False),
        (["agrees: forward"], False, True),
        ([], False, False),
    ],
)
def test_what_counts_as_work(texts, picture, work):
    noted = [Noted("text", t) for t in texts] + ([Noted("picture", DOT)] if picture else [])
    assert is_work(noted) == work


def test_the_page_holds_everything_and_no_script():
    text = as_html("Ada <script>", [record(), record("flow", "")])
    for there in (
        "Ada &lt;script&gt;",
        "seed 7",
        "I saw &lt;it&gt;",
        "A &lt;b&gt;heading",
        DOT,
        'alt="a three"',
        "<math",
        "http://here/?seed=7",
    ):
        assert there in text
    assert "<script" not in text
    assert text.count("&#10003; handed in") == 2
    assert text.count("&#9675; not handed in") == len(DELIVERABLES) - 2


def test_the_hashes_are_of_the_weights_that_made_it():
    files = weights_of("guidance", "mnist")
    assert files
    for f in files:
        assert "class_conditioned" in str(f)
        assert hashlib.sha256(f.read_bytes()).hexdigest() in as_html("", [record(model="mnist")])
    assert any("stage1" in str(f) for f in weights_of("guidance", "emoji"))
    assert weights_of("guidance", "IF-I-M") == []
    assert any("time_conditioned" in str(f) for f in weights_of("time", ""))


def test_the_zip_and_back():
    made = [record(), record("time", "")]
    data = as_zip("Ada", made)
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        names = z.namelist()
        assert "index.html" in names
        assert "pictures/guidance-01-guidance-5-3-99.png" in names
        assert z.read("pictures/guidance-01-guidance-5-3-99.png") == b"not really a picture"
        about = json.loads(z.read("hand_in.json"))
    assert about["records"][0]["settings"] == ["**live** · prompt 3 · seed 7 · 1.0 s"]
    assert about["hashes"]
    assert from_zip(data) == ("Ada", made)


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for name, text in files.items():
            z.writestr(name.replace("_json", ".json"), text)
    return buffer.getvalue()


def with_record(**changed):
    about = json.loads(zipfile.ZipFile(io.BytesIO(as_zip("Ada", [record()]))).read("hand_in.json"))
    about["records"][0].update(changed)
    return zipped(hand_in_json=json.dumps(about))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK\x03\x04 cut short", b"<html>", zipped(other="x"), zipped(hand_in_json="{"), zipped(hand_in_json="[]"),
        zipped(hand_in_json="{}"), with_record(slug="no such lesson"), with_record(link="javascript:alert(1)"),
        with_record(noted=[{"kind": "picture", "content": "http://elsewhere/x.png"}]), with_record(noted=[{"kind": 3, "content": "x"}]),
        with_record(noted=[{"other": 1}]), with_record(noted=7),
    ],
)  # fmt: skip
def test_what_is_no_hand_in_is_said(data):
    with pytest.raises(LessonsError, match="no hand-in|is empty"):
        from_zip(data)


def test_a_hand_in_that_unpacks_to_too_much(monkeypatch):
    monkeypatch.setattr(hand_in, "MAX_BYTES", 100)
    with pytest.raises(LessonsError, match="unpacks to"):
        from_zip(as_zip("", [record()]))


def test_a_walk_gathers_and_a_kept_picture_does_not():
    at = opened("guidance", model="mnist")
    assert "hand_in_records" not in at.session_state
    at = press(at, "Run")
    assert "guidance" in at.session_state["hand_in_records"]
    at.switch_page(lesson("hand_in").file).run()
    assert not at.exception
    assert not at.error
    assert at.checkbox(key="hand_in_guidance").value
    at.checkbox(key="hand_in_guidance").uncheck().run()
    assert any("Nothing yet" in e.value for e in at.info)


def test_empty_it_says_what_to_do():
    at = opened("hand_in")
    assert not at.exception
    assert any("Nothing yet" in e.value for e in at.info)
    assert len([c for c in at.markdown if "not made yet" in c.value]) == len([s for s in DELIVERABLES if lesson(s) in written()])
