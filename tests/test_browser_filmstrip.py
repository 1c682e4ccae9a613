"""The filmstrip in a real browser: keys, speed, small pictures, a pixel chosen by a click, and a walk too long to send at once."""

import re

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect

from tests.browsing import visit, wait
from tests.conftest import served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def long_walk(tmp_path_factory):
    with served("tests/long_walk.py", tmp_path_factory.mktemp("strip") / "log") as url:
        yield url


@pytest.fixture
def strip(browser_page, long_walk):
    """The page of the long walk, and what came from the server, counted in bytes."""
    received = []
    browser_page.on("websocket", lambda ws: ws.on("framereceived", lambda data: received.append(len(data))))
    browser_page.goto(long_walk)
    browser_page.locator(".film img.frame[src^='blob:']").wait_for()
    wait(browser_page)
    browser_page.wait_for_timeout(500)
    return browser_page, received


def test_a_long_walk_comes_as_it_is_looked_at(strip):
    page, received = strip
    film, caption = page.locator(".film"), page.locator(".film figcaption")
    expect(caption).to_have_text("after step 300 of 300 · the clean picture")
    assert sum(received) < 1_500_000
    received.clear()
    film.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(caption).to_have_text("step 296 of 300 · t = 4")
    assert 10_000 < sum(received) < 1_000_000, "the frames around it, and no more"
    received.clear()
    page.get_by_label("My notes").fill("seen")
    page.get_by_label("My notes").press("Enter")
    wait(page)
    page.wait_for_timeout(500)
    assert sum(received) < 100_000, "a widget touched elsewhere sends no frame again"
    expect(caption).to_have_text("step 296 of 300 · t = 4")


def test_it_plays_to_the_end_and_slower_where_that_is_asked_for(strip):
    page, _ = strip
    film, caption = page.locator(".film"), page.locator(".film figcaption")
    film.focus()
    page.keyboard.press("Home")
    expect(caption).to_have_text("step 1 of 300 · t = 299")
    page.keyboard.press(" ")
    expect(film.get_by_role("button", name="pause")).to_be_visible()
    expect(caption).to_have_text("after step 300 of 300 · the clean picture", timeout=60_000)
    expect(film.get_by_role("button", name="play")).to_be_visible()
    film.get_by_label("speed").select_option("step by step")
    film.focus()
    page.keyboard.press("Home")
    expect(caption).to_have_text("step 1 of 300 · t = 299")
    page.keyboard.press(" ")
    expect(caption).to_contain_text("step 2 of 300")
    page.wait_for_timeout(800)
    expect(caption).to_contain_text("step 2 of 300")  # one step a press
    film.get_by_role("button", name="next step").click()
    expect(caption).to_contain_text("step 3 of 300")


def test_keys_belong_to_it_only_while_it_has_the_focus(strip):
    page, _ = strip
    caption = page.locator(".film figcaption")
    notes = page.get_by_label("My notes")
    notes.click()
    for key in ("ArrowLeft", " ", "Home"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    expect(caption).to_have_text("after step 300 of 300 · the clean picture")
    expect(notes).to_have_value(" ")
    thumbs = page.locator(".thumbs")
    thumbs.focus()
    assert page.evaluate("() => document.activeElement.shadowRoot.activeElement.className") == "thumbs"
    page.keyboard.press("ArrowLeft")
    expect(caption).to_contain_text("step 300 of 300 · t = 0")
    page.keyboard.press("Control+ArrowLeft")  # the browser's own
    expect(caption).to_contain_text("step 300 of 300 · t = 0")
    thumbs.locator("button").first.click()
    expect(caption).to_have_text("step 1 of 300 · t = 299")
    assert "step 1 of 300" in page.locator(".film img.frame").get_attribute("alt")


def test_a_click_on_a_picture_chooses_the_microscopes_pixel_and_marks_it(strip):
    page, _ = strip
    film, frame = page.locator(".film"), page.locator(".film img.frame")
    film.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".film figcaption")).to_contain_text("step 2 of 300")
    box = frame.bounding_box()

    def at(column: int, row: int) -> None:  # in the second picture of the first row
        frame.click(position={"x": box["width"] * (29 + column + 0.5) / 289, "y": box["height"] * (row + 0.5) / 115})

    at(20, 9)
    page.get_by_text("row 9, column 20 of the first picture").wait_for()
    expect(page.get_by_test_id("stSliderThumbValue").filter(has_text="2 of 300")).to_be_visible()
    expect(film.locator(".mark")).to_be_visible()
    left, top = film.locator(".mark").evaluate("(e) => [parseFloat(e.style.left), parseFloat(e.style.top)]")
    assert (left, top) == pytest.approx((100 * 20 / 289, 100 * 9 / 115), abs=0.01)
    left, top = page.locator(".pictures .mark").first.evaluate("(e) => [parseFloat(e.style.left), parseFloat(e.style.top)]")
    assert (left, top) == pytest.approx((100 * 20 / 28, 100 * 9 / 28), abs=0.01)
    small = page.locator(".pictures img").nth(2)
    side = small.bounding_box()["width"]
    small.click(position={"x": side * 3.5 / 28, "y": side * 25.5 / 28})
    page.get_by_text("row 25, column 3 of the first picture").wait_for()
    expect(page.get_by_role("slider", name=re.compile("^row"))).to_have_value("25")
    wait(page)
    left, top = film.locator(".mark").evaluate("(e) => [parseFloat(e.style.left), parseFloat(e.style.top)]")
    assert (left, top) == pytest.approx((100 * 3 / 289, 100 * 25 / 115), abs=0.01)


def test_a_kept_walk_is_scrubbed_without_the_server(browser_page, app_url):
    sent = []
    browser_page.on("websocket", lambda ws: ws.on("framesent", lambda data: sent.append(data)))
    visit(browser_page, app_url, "guidance")
    film = browser_page.locator(".film").first
    caption = film.locator("figcaption")

    def seen() -> str:
        """What stands over the row's first picture: the strip scrubs the row itself."""
        browser_page.wait_for_timeout(150)
        canvas = "[data-testid=stImageContainer] > canvas"
        return browser_page.evaluate(f"() => document.querySelector('{canvas}')?.toDataURL() ?? 'the clean picture'")

    expect(caption).to_have_text(re.compile(r"^after step (\d+) of \1 · the clean picture$"))
    film.focus()
    before, sources = len(sent), {seen()}
    for _ in range(3):
        browser_page.keyboard.press("ArrowLeft")
        sources.add(seen())
    assert len(sources) == 4, "frames did not change"
    browser_page.keyboard.press("Home")
    expect(caption).to_contain_text(re.compile(r"^step 1 of \d+"))
    noisy = seen()
    film.get_by_role("tab", name="x0_hat, the clean guess").click()
    expect(film.get_by_role("tab", name="x0_hat, the clean guess")).to_have_attribute("aria-selected", "true")
    assert seen() != noisy
    film.focus()
    browser_page.keyboard.press("End")
    browser_page.keyboard.press(" ")  # plays from the start, since the end was reached
    expect(film.get_by_role("button", name="pause")).to_be_visible()
    browser_page.wait_for_timeout(1500)
    assert len(sent) == before, "scrubbing asked the server"
