"""In a real browser: the address bar tells the view, keys destroy nothing, and the browser keeps a learner's work."""

import re

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect

from tests.browsing import run_to_the_end, visit, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]
T = "how much noise: t"


def query(page) -> str:
    return page.evaluate("() => window.location.search")


def settled(page) -> None:
    page.wait_for_timeout(500)
    wait(page)
    page.wait_for_timeout(200)


def t_of(page) -> str:
    return page.get_by_role("slider", name=T).input_value()


def step_t(page) -> None:
    page.get_by_role("slider", name=T).focus()
    page.keyboard.press("ArrowRight")
    settled(page)


def in_main(page, text: str):
    return page.get_by_test_id("stMain").get_by_text(text)


def in_list(page, text: str):
    return page.get_by_test_id("stSidebar").get_by_text(text)


def test_the_address_bar_tells_the_view_and_back_brings_it_back(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "forward")
    step_t(page)
    step_t(page)
    assert "t=502" in query(page)
    assert "size=64" in query(page)  # defaults, too
    in_main(page, "More pixels at t = 600").click()
    expect(page.get_by_role("slider", name=T)).to_have_value("600")
    page.wait_for_url(re.compile("size=128"))
    assert "go=" not in query(page)
    in_main(page, "A digit at t = 400").click()
    page.wait_for_url(re.compile("picture=digit"))
    assert "size=64" in query(page)  # nothing of the link before
    page.go_back()
    expect(page.get_by_role("slider", name=T)).to_have_value("600")
    page.go_back()
    expect(page.get_by_role("slider", name=T)).to_have_value("502")
    settled(page)
    assert "t=502" in query(page)
    in_list(page, "One-step denoiser").click()
    page.wait_for_url(re.compile("One_step_denoiser"))
    settled(page)
    in_list(page, "Forward noising").click()
    page.wait_for_url(re.compile("Forward_noising"))
    settled(page)
    assert t_of(page) == "502"
    page.go_back()
    page.wait_for_url(re.compile("One_step_denoiser"))
    settled(page)
    page.go_back()
    page.wait_for_url(re.compile(r"Forward_noising.*t=502"))
    page.get_by_role("button", name="Reset").click()
    page.wait_for_url(re.compile("t=500"))


@pytest.mark.parametrize(("slug", "sentence"), [("forward", "More pixels at t = 600"), ("train", "A narrow network")])
def test_copy_link_opens_the_view_elsewhere(browser_page, app_url, slug, sentence):
    page = browser_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, app_url, slug)
    before = query(page)
    in_main(page, sentence).click()
    page.wait_for_function("before => window.location.search !== before", arg=before)
    settled(page)
    page.get_by_role("button", name="Copy link to this view").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.url
    values = "() => [...document.querySelectorAll('[data-testid=stMain] input')].map(e => [e.ariaLabel, e.value, e.checked])"
    here = page.evaluate(values)
    other = page.context.new_page()
    other.goto(copied)
    other.get_by_text("My notes").wait_for()
    settled(other)
    assert other.evaluate(values) == here
    assert other.url == copied


def test_a_thing_to_try_scrolls_to_the_pictures_and_runs(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "guidance")
    link = in_main(page, "No clipping of x0_hat")
    link.scroll_into_view_if_needed()
    link.click()
    page.get_by_test_id("stProgress").first.wait_for()
    page.get_by_text("live ·").first.wait_for()
    expect(page.get_by_test_id("stImage").first).to_be_in_viewport()
    settled(page)
    assert "clip_x0=false" in query(page)
    assert "go=" not in query(page)
    page.reload()
    page.get_by_text("My notes").wait_for()
    settled(page)
    assert page.get_by_text("live ·").count() == 0  # it ran once


def test_keys_act_only_where_nothing_has_the_focus(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "guidance")
    notes = page.get_by_label("My notes")
    notes.fill("I saw it")
    notes.press("Control+Enter")
    settled(page)
    field = page.get_by_label("seed of the noise").first
    field.press("Control+Enter")
    settled(page)
    page.get_by_role("combobox").first.press("Control+Enter")
    settled(page)
    assert page.get_by_text("live ·").count() == 0
    page.keyboard.press("Escape")
    settled(page)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Control+Enter")
    page.get_by_test_id("stProgress").first.wait_for()
    field.press("Escape")
    page.keyboard.press("Escape")  # still in the field
    page.wait_for_timeout(300)
    assert page.get_by_test_id("stProgress").count() or page.get_by_text("live ·").count()
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("r")  # Streamlit's own: it would run the page again and end the walk
    page.get_by_text("live ·").first.wait_for()
    assert page.get_by_text("stopped after").count() == 0
    expect(notes).to_have_value("I saw it")


def test_streamlits_own_stop_is_not_to_be_seen(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "guidance")
    page.get_by_role("button", name="Run").first.click()
    page.get_by_test_id("stProgress").first.wait_for()
    for _ in range(5):
        assert not page.get_by_test_id("stHeader").get_by_text("Stop").is_visible()
        page.wait_for_timeout(150)
    page.get_by_text("live ·").first.wait_for()


def test_a_reload_a_closed_tab_and_a_new_link_lose_nothing(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "guidance")
    page.get_by_label("My notes").fill("seven says it all")
    run_to_the_end(page)
    settled(page)
    expect(in_list(page, "check_circle")).to_have_count(1)
    page.reload()
    expect(page.get_by_label("My notes")).to_have_value("seven says it all")
    expect(in_list(page, "check_circle")).to_have_count(1)
    page.close()
    other = page.context.new_page()
    other.goto(f"{app_url}/Hand_in")
    other.get_by_text(re.compile(r"\b1 of \d+ lessons on your hand-in")).wait_for()
    other.get_by_text("hand in what was made").wait_for()
    other.get_by_text("Forget all of it").click()
    other.get_by_role("button", name="Forget my work").click()
    other.get_by_text(re.compile(r"\b0 of \d+ lessons on your hand-in")).wait_for()
    settled(other)
    other.goto(f"{app_url}/Classifier_free_guidance?model=mnist")
    other.get_by_text("My notes").wait_for()
    settled(other)
    expect(other.get_by_label("My notes")).to_have_value("")
    expect(in_list(other, "check_circle")).to_have_count(0)
