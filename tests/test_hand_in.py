"""Hand in: what the lessons leave there, the files it makes, and taking them back."""

import base64
import io
import json
import zipfile

import pytest

from lessons_lib.catalogue import YEARS, lesson, written
from lessons_lib.errors import LessonsError
from lessons_lib.ui import hand_in
from lessons_lib.ui.hand_in import DELIVERABLES, Record, as_html, as_zip, from_zip
from lessons_lib.ui.save import Noted, Work
from tests.pages import opened, press

DOT = "data:image/png;base64," + base64.b64encode(b"not really a picture").decode()


def record(slug="guidance", model="mnist", **changed):
    noted = (
        Noted("heading", "A <b>heading</b>"),
        Noted("text", "**live** · prompt 3 · seed 7 · 1.0 s"),
        Noted("picture", DOT, caption="guidance 5: 3 <99%>", alt="a three", width=96),
        Noted("equation", "x_t"),
    )
    return Record(
        **{
            "slug": slug,
            "model": model,
            "made": "2026-11-24 10:00",
            "link": "http://here/?seed=7",
            "notes": "I saw <it>",
            "noted": noted,
            "works": (Work("ran", "**live** · prompt 3 · seed 7 · 1.0 s"),),
            "weights": {"mnist/class_conditioned/epoch-20.safetensors": "ab" * 32},
        }
        | changed
    )


COURSE = {
    *("forward", "denoise", "sampling", "guidance", "sdedit", "inpainting", "anagrams", "hybrids", "prompts"),
    *("one_step", "out_of_its_depth", "time", "class", "unet", "train", "flow", "bugs", "check"),
}
"""What the course asks for; a lesson of our own need not be on a checklist."""


def test_every_lesson_of_the_course_is_on_a_checklist():
    assert set().union(*DELIVERABLES.values()) >= COURSE


def test_the_years_differ_as_the_course_does():
    """FACTS, Part B: the two DDPM networks in 2024; in 2025 two flows, pure noise, and a run without the scheduler."""
    only = {year: set(DELIVERABLES[year]) - set(DELIVERABLES[other]) for year, other in (YEARS, YEARS[::-1])}
    assert only == {2024: {"time", "class"}, 2025: {"flow"}}
    for slug in ("forward", "guidance", "hybrids", "one_step"):
        assert DELIVERABLES[2024][slug] == DELIVERABLES[2025][slug]
    new = " ".join((*DELIVERABLES[2025]["flow"], *DELIVERABLES[2025]["out_of_its_depth"]))
    assert all(word in new for word in ("time-conditioned flow", "class-conditioned flow", "scheduler", "pure noise"))
    assert not any("pure noise" in w for w in DELIVERABLES[2024]["out_of_its_depth"])


def test_the_page_holds_everything_and_no_script():
    text = as_html("Ada <script>", [record(), record("class", "")])
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
    assert text.count("&#9675; not handed in") == len(DELIVERABLES[2024]) - 2


def test_the_hashes_are_of_the_weights_that_were_asked():
    weights = {"mnist/class_conditioned/epoch-20.safetensors": "ab" * 32}
    text = as_html("", [record(weights=weights), record("check", "")])
    assert "ab" * 32 in text
    assert text.count("safetensors") == 1


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
        b"",
        b"PK\x03\x04 cut short",
        b"<html>",
        zipped(other="x"),
        zipped(hand_in_json="{"),
        zipped(hand_in_json="[]"),
        zipped(hand_in_json="{}"),
        with_record(slug="no such lesson"),
        with_record(link="javascript:alert(1)"),
        with_record(noted=[{"kind": "picture", "content": "http://elsewhere/x.png"}]),
        with_record(noted=[{"kind": 3, "content": "x"}]),
        with_record(noted=[{"other": 1}]),
        with_record(noted=7),
    ],
)
def test_what_is_no_hand_in_is_said(data):
    with pytest.raises(LessonsError, match="no hand-in|is empty"):
        from_zip(data)


def test_a_hand_in_that_unpacks_to_too_much(monkeypatch):
    monkeypatch.setattr(hand_in, "MAX_BYTES", 100)
    with pytest.raises(LessonsError, match="unpacks to"):
        from_zip(as_zip("", [record()]))


def test_a_walk_gathers_and_a_kept_picture_does_not():
    at = opened("guidance", model="mnist")
    assert not at.session_state["hand_in_records"]
    at = press(at, "Run")
    made = at.session_state["hand_in_records"]["guidance"]
    assert [w.kind for w in made.works] == ["ran"]
    assert made.model == "mnist"
    (name,) = made.weights  # the last epoch's, and no other network's
    assert name.startswith("mnist/class_conditioned/epoch-")
    assert "seed=180" in made.link
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
    for year in YEARS:
        at.segmented_control(key="hand_in_year").set_value(str(year)).run()
        wanted = [s for s in DELIVERABLES[year] if lesson(s) in written()]
        assert len([c for c in at.caption if c.value.startswith("not made yet: ")]) == len(wanted)


def test_the_other_year_s_work_is_kept_and_left_out():
    at = opened("forward")
    at.slider(key="forward_t").set_value(750).run()
    at.session_state["hand_in_records"]["flow"] = record("flow", "")
    at.switch_page(lesson("hand_in").file).run()
    assert any("Kept, but not on the list of 2024: Flow matching" in c.value for c in at.caption)
    assert [r.slug for r in chosen_in(at, 2024)] == ["forward"]
    at.segmented_control(key="hand_in_year").set_value("2025").run()
    assert not any("Kept, but not on the list" in c.value for c in at.caption)
    assert {r.slug for r in chosen_in(at, 2025)} == {"forward", "flow"}


def chosen_in(at, year):
    records = at.session_state["hand_in_records"]
    return [r for slug, r in records.items() if slug in DELIVERABLES[year] and at.checkbox(key=f"hand_in_{slug}").value]


QUICK = ("forward", "one_step", "check")
OPENED = [pytest.param(x.slug, marks=[] if x.slug in QUICK else pytest.mark.slow, id=x.slug) for x in written()]


@pytest.mark.parametrize("slug", OPENED)
def test_opening_a_page_is_no_work(slug):
    at = opened(slug)
    assert not at.session_state["hand_in_records"]
    assert not at.run().session_state["hand_in_records"]


def test_a_control_that_was_moved_is_work_where_nothing_is_to_be_run():
    at = opened("forward", t="300")  # a teacher's link is no work either
    assert not at.session_state["hand_in_records"]
    at.slider(key="forward_t").set_value(750).run()
    made = at.session_state["hand_in_records"]["forward"]
    assert [w.kind for w in made.works] == ["set"]
    assert "t=750" in made.link
    assert not made.weights  # no network was asked
    at = opened("guidance", model="mnist")
    at.slider(key="guidance_guidance_scale").set_value(3.0).run()
    assert not at.session_state["hand_in_records"]  # it changes nothing before Run


def test_notes_written_after_the_work_are_handed_in():
    at = opened("forward")
    at.slider(key="forward_t").set_value(750).run()
    at.text_area(key="forward_notes").set_value("half of it is left").run()
    at.switch_page(lesson("hand_in").file).run()
    assert "forward" in at.session_state["hand_in_records"]
    assert "half of it is left" in at.session_state["hand_in_records"]["forward"].notes


@pytest.mark.slow
def test_stage_2_is_named_only_where_it_ran():
    at = press(opened("sampling", model="emoji"), "Run")
    made = at.session_state["hand_in_records"]["sampling"]
    assert any("stage1/unet" in name for name in made.weights)
    assert not any("stage2" in name for name in made.weights)
