"""The address is the view: whatever link is pressed, its address opened afresh shows the same widgets."""

import pytest

from lessons_lib.catalogue import LESSONS, written
from lessons_lib.ui import view
from tests.pages import address, follow, opened, press, things_to_try, widgets

QUICK = ("forward", "guidance", "out_of_its_depth", "train")
TRIED = [pytest.param(x.slug, marks=[] if x.slug in QUICK else pytest.mark.slow, id=x.slug) for x in written()]


@pytest.fixture
def still(monkeypatch):
    """Links set the widgets, and no walk runs."""
    monkeypatch.setattr(view, "wants_to_run", lambda name: False)


def shows_the_same(slug, at):
    """The page's address, opened in another browser, against the page itself."""
    afresh = opened(slug, **address(at))
    assert not afresh.exception
    assert widgets(afresh) == widgets(at)
    assert address(afresh) == address(at)
    return afresh


@pytest.mark.parametrize("slug", TRIED)
def test_every_link_in_a_page(slug, still):
    at = opened(slug)
    defaults, links = widgets(at), things_to_try(at, slug)
    if slug not in ("check", "hand_in", "bugs"):
        assert len(links) >= 2
    shows_the_same(slug, at)
    after_defaults = {}
    for sentence, query in links:
        at = follow(opened(slug), query)
        shows_the_same(slug, at)
        after_defaults[sentence] = widgets(at)
        if sentence != "Home ground, sigma 0.5":
            assert after_defaults[sentence] != defaults, f"{sentence!r} changes nothing"
    if slug == "bugs":
        return  # its one link leads on from the case in view
    for i in range(len(links)):  # one after the other in one browser, backwards: nothing of the one before stays
        sentence, query = things_to_try(at, slug)[-1 - i]
        at = follow(at, query)
        assert widgets(at) == after_defaults[sentence], sentence
        assert "go" not in address(at)


def test_a_value_equal_to_the_default_is_set(still):
    at = opened("forward")
    at.slider(key="forward_t").set_value(851).run()
    assert address(at)["t"] == "851"
    at = follow(at, {"t": "500", "go": "1-99"})
    assert at.slider(key="forward_t").value == 500


def test_a_default_that_depends_on_another_control_is_in_the_link():
    at = opened("inpainting", model="emoji")
    emoji = at.slider(key="inpainting_guidance_scale").value
    at.selectbox(key="model").set_value("mnist").run()
    digits = at.slider(key="inpainting_guidance_scale").value
    assert digits != emoji  # it stood at its default, and goes along
    assert address(at)["guidance_scale"] == view.as_text(digits)
    shows_the_same("inpainting", at)
    at.slider(key="inpainting_guidance_scale").set_value(9.0).run()
    at.selectbox(key="model").set_value("emoji").run()
    assert at.slider(key="inpainting_guidance_scale").value == 9.0  # chosen by hand, it stays


def test_coming_back_finds_what_was_set():
    at = opened("forward")
    at.slider(key="forward_t").set_value(123).run()
    at.number_input(key="seed").set_value(7).run()
    left = widgets(at)
    at.query_params.clear()
    at.switch_page(next(x.file for x in LESSONS if x.slug == "one_step")).run()
    assert at.number_input(key="seed").value == 7
    links = {p.proto.label: p.proto.query_string for p in at.sidebar.get("page_link")}
    assert "t=123" in links["Forward noising"]
    at.switch_page(next(x.file for x in LESSONS if x.slug == "forward")).run()
    assert widgets(at) == left
    assert address(at)["t"] == "123"


def test_reset_goes_to_the_defaults_and_keeps_what_is_locked():
    defaults = widgets(opened("forward", size="128"))  # row and column have widgets of their own at each size
    at = opened("forward", t="800", size="128", seed="7", lock="size")
    assert at.select_slider(key="forward_size").disabled
    at = press(at, "Reset")
    assert widgets(at) == defaults
    assert address(at)["lock"] == "size"


def test_what_is_locked_is_locked_in_every_link_of_the_page(still):
    at = opened("forward", size="32", lock="size,seed", seed="7")
    links = things_to_try(at, "forward")
    assert not [sentence for sentence, _ in links if "pixels" in sentence]  # it would change the size
    for sentence, query in links:
        assert (query["size"], query["lock"], query["seed"]) == ("32", "size,seed", "7"), sentence
        assert follow(at, query).select_slider(key="forward_size").value == 32


def test_links_of_before_still_open():
    at = opened("denoise", model="mnist", denoise_stride_mnist="15", denoise_t_fraction="0.5")
    assert at.select_slider(key="denoise_stride_mnist").value == 15
    assert at.slider(key="denoise_t_fraction").value == 0.5


def test_a_link_runs_once():
    at = opened("guidance", model="mnist")
    sentence, query = things_to_try(at, "guidance")[0]
    at = follow(at, query)
    assert any("live" in c.value for c in at.caption), sentence
    assert not at.session_state["_view"].go
    assert "go" not in address(at)


def test_a_browser_that_sends_the_address_with_a_changed_widget_keeps_the_change():
    at = opened("forward")
    for t in (501, 502):
        for key, value in address(at).items():  # what the bar says, which was told after the last run
            at.query_params[key] = value
        at.slider(key="forward_t").set_value(t).run()
        assert at.slider(key="forward_t").value == t
        assert address(at)["t"] == str(t)
