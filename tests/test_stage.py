"""The stage without a browser: A beside what comes next, the tabs, the groups of settings."""

import pytest

from lessons_lib.ui.pictures import said_with
from tests.pages import captions, opened, press

MOVED = ("forward", "denoise", "sampling", "guidance", "sdedit", "inpainting", "anagrams", "hybrids", "prompts")


def test_what_differs_is_bold():
    said = said_with({"prompt": "3", "seed": 7, "steps": 20, "empty": ""}, {"prompt": "3", "seed": 180, "steps": 20})
    assert said.count("**") == 2
    assert said.split(" · ")[1].startswith("**seed")


def test_a_result_kept_as_a_stands_beside_the_next_with_what_differs_in_bold():
    at = press(opened("sdedit", model="mnist"), "Run")
    before = captions(at)
    at = press(at, "Keep as A")
    assert len(captions(at)) == len(before) + 6  # the same again, as A
    at.number_input(key="seed").set_value(7).run()
    at = press(at, "Run")
    assert not at.exception
    (a,) = [c.value for c in at.caption if c.value.startswith("**A**")]
    (live,) = [c.value for c in at.caption if c.value.startswith("**live**")]
    assert "**seed " in a
    assert "180" in a
    assert "**seed " in live
    assert "7" in live
    assert "**picture" not in a
    shown = [one.url for image in at.image for one in image.proto.imgs if one.alt.startswith("A, ")]
    assert len(shown) == 6
    assert not set(shown) & {one.url for image in at.image for one in image.proto.imgs if not one.alt.startswith("A, ")}
    at = press(at, "Forget A")
    assert not [c for c in at.caption if c.value.startswith("**A**")]


@pytest.mark.parametrize("slug", MOVED)
def test_a_lesson_on_the_stage_says_what_is_live_and_what_needs_run(slug):
    at = opened(slug)
    assert not at.exception
    said = [c.value for c in at.caption if "needs Run" in c.value or "live: " in c.value]
    assert said
    assert at.tabs[0].label == "Things to try"


def test_a_link_that_runs_a_walk_in_a_tab_opens_the_tab(monkeypatch):
    from lessons_lib.ui import view

    monkeypatch.setattr(view, "wants_to_run", lambda name: False)
    at = opened("guidance", model="mnist", guidance_scale="0", go="five-1")
    assert not at.exception
    assert at.session_state["_stage_tab_guidance"] == "Five pictures"
