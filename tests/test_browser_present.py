"""A lecturer's browser: the projector's stage by keyboard alone, the link for a class, and numbers under another language."""

import re

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect

from tests.browsing import keys_are_heard, visit, wait
from tests.conftest import fresh_page

pytestmark = pytest.mark.browser


def at_rest(page, name: str) -> None:
    """On a projector there is no footer: wait for this lesson's title and the script's end."""
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    page.locator(".st-key-present_bar").wait_for()
    wait(page)
    keys_are_heard(page)


def test_a_projector_is_led_by_keys_alone(browser_page, app_url):
    page = browser_page
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{app_url}/Forward_noising?t=321&present=1")
    at_rest(page, "Forward noising")
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.keyboard.press("PageDown")
    at_rest(page, "Three ways to denoise")
    page.keyboard.press("PageUp")
    at_rest(page, "Forward noising")
    assert "present=1" in page.url
    expect(page.locator(".st-key-forward_t input[type=range]")).to_have_value("321")
    page.keyboard.press("q")
    body = page.get_by_test_id("stPopoverBody")
    expect(body.get_by_role("img")).to_be_visible()
    expect(body.get_by_text(re.compile(r"https?://"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(body).to_be_hidden()
    page.wait_for_timeout(1000)  # closing it runs the page again, and a link pressed meanwhile may be overtaken
    wait(page)
    page.keyboard.press("e")
    page.get_by_text("My notes").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    assert "present" not in page.url


def test_on_a_projector_a_key_runs_the_walk(browser_page, app_url):
    page = browser_page
    page.goto(f"{app_url}/Classifier_free_guidance?model=mnist&present=1")
    at_rest(page, "Classifier-free guidance")
    page.keyboard.press("Control+Enter")
    page.get_by_text("live ·").first.wait_for()


def test_a_class_finds_locked_what_the_link_locks_and_nothing_that_gives_it_away(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "guidance", prompt="3", seed="7", lock="seed", solutions="0", notes="1")
    expect(page.locator(".st-key-seed input")).to_be_disabled()
    expect(page.locator(".st-key-seed input")).to_have_value("7")
    tabs = page.get_by_test_id("stMain").get_by_role("tab")
    expect(tabs.filter(has_text="Things to try")).to_have_count(1)
    expect(tabs.filter(has_text="Code")).to_have_count(0)  # no empty tab either
    expect(page.get_by_test_id("stCode")).to_have_count(0)
    expect(page.locator(".katex")).to_have_count(0)
    expect(page.get_by_text("Notes for the lecturer")).to_be_visible()
    page.goto(f"{page.url}&present=1")
    at_rest(page, "Classifier-free guidance")
    expect(page.get_by_text("Notes for the lecturer")).to_have_count(0)


def test_on_a_projector_every_caption_of_guidance_is_on_the_screen_and_no_tab_is_empty(browser_page, app_url):
    page = browser_page
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{app_url}/Classifier_free_guidance?present=1")
    at_rest(page, "Classifier-free guidance")
    captions = page.locator(".st-key-stage_picture [data-testid=stImageCaption]")
    expect(captions).to_have_count(6)
    bottoms = captions.evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().bottom)")
    assert max(bottoms) <= 1080
    assert page.get_by_test_id("stMain").get_by_role("tab", name="One pixel").count()
    for name in ("Things to try", "Code"):
        expect(page.get_by_test_id("stMain").get_by_role("tab", name=name, exact=True)).to_have_count(0)


@pytest.fixture
def german(chromium):
    with fresh_page(chromium, locale="de-DE") as page:
        yield page


def test_numbers_keep_their_points_under_another_language(german, app_url):
    page = german
    visit(page, app_url, "denoise", t_fraction="0.5", seed="12345")
    assert page.evaluate("() => [navigator.language, document.documentElement.lang]") == ["de-DE", "en"]
    seed, fraction = page.locator(".st-key-seed input"), page.locator(".st-key-denoise_t_fraction")
    expect(seed).to_have_value("12345")
    expect(fraction.get_by_test_id("stSliderThumbValue")).to_have_text("0.50")
    page.wait_for_url(lambda url: "t_fraction=0.5" in url)
    fraction.locator("input[type=range]").press("ArrowRight")
    page.wait_for_url(lambda url: "t_fraction=0.51" in url)
    wait(page)
    seed.fill("54321")
    seed.press("Enter")
    page.wait_for_url(lambda url: "seed=54321" in url)
    wait(page)
    expect(seed).to_have_value("54321")
    page.reload()
    page.get_by_text("My notes").wait_for()
    wait(page)
    expect(seed).to_have_value("54321")
    expect(fraction.get_by_test_id("stSliderThumbValue")).to_have_text("0.51")
    words = page.get_by_test_id("stMain").inner_text()
    assert not re.search(r"\d,\d{1,2}\b", words), "a number with a comma"


def test_the_saved_lesson_holds_its_plots_and_captions(browser_page, app_url, tmp_path):
    page = browser_page
    visit(page, app_url, "forward")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save this lesson (HTML)").click()
    saving.value.save_as(tmp_path / "forward.html")
    page.goto((tmp_path / "forward.html").as_uri())
    plots = page.locator("img.plot")
    expect(plots).to_have_count(4)
    assert plots.evaluate_all("(all) => all.every((e) => e.complete && e.naturalWidth > 100)")
    expect(page.get_by_alt_text(re.compile("density over pixel value"))).to_be_visible()
    expect(page.get_by_text("lets alpha_bar fall nearly evenly")).to_be_visible()
