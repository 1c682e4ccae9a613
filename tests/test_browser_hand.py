"""Pictures under the hand, in a real browser: what is seen turned is what the view says, and no server is asked."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lessons_lib.files.film import Film, opening_path
from tests.browsing import open_tab, run_to_the_end, visit, wait

pytestmark = pytest.mark.browser
HAND = {"anagrams": "Turn it yourself", "hybrids": "Step back", "prompts": "From one to the other"}  # the tab that it lies in


def seen_in(page, size=224) -> np.ndarray:
    """The middle of the hand's stage (a filmstrip has one too) as the browser paints it, grey, (size, size)."""
    stage = page.locator(".hand .stage").first
    stage.scroll_into_view_if_needed()
    shot = Image.open(io.BytesIO(stage.screenshot())).convert("L")
    left, top = (shot.width - size) / 2, (shot.height - size) / 2
    return np.asarray(shot.crop((round(left), round(top), round(left) + size, round(top) + size)), float)


def picture_called(page, caption: str, size=224) -> np.ndarray:
    """The page's own picture with that caption, grey, enlarged without smoothing."""
    src = page.locator(f'[data-testid="stImage"] img[alt*="{caption}"]').first.get_attribute("src")
    picture = Image.open(io.BytesIO(base64.b64decode(src.split(",")[1]))).convert("L")
    return np.asarray(picture.resize((size, size), Image.Resampling.NEAREST), float)


def apart(seen: np.ndarray, wanted: np.ndarray) -> float:
    """Mean difference in grey levels, wherever on the stage to a pixel the browser laid the picture."""
    size = len(wanted) - 2
    corners = [(y, x) for y in range(3) for x in range(3)]
    return min(np.abs(seen[y : y + size, x : x + size] - wanted[1:-1, 1:-1]).mean() for y, x in corners)


@pytest.mark.parametrize("view", ["turn 180", "quarter turn", "flip", "negative"])
def test_the_picture_under_the_hand_becomes_what_the_view_shows(browser_page, app_url, view):
    page = browser_page
    visit(page, app_url, "anagrams", anagrams_view=view, anagrams_num_images="1")
    run_to_the_end(page)
    open_tab(page, HAND["anagrams"])
    page.locator(".hand").first.focus()
    page.keyboard.press("End")
    wanted = picture_called(page, f"{view}: ")
    for _ in range(20):  # a busy machine paints late
        page.wait_for_timeout(200)
        difference = apart(seen_in(page), wanted)
        if difference < 2:
            break
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    before = apart(seen_in(page), wanted)
    assert difference < 2, "the browser shows something else than the view"
    assert before > 2 * difference + 4, "nothing moved"


def test_turning_asks_no_server_and_stays_where_it_is_left(browser_page, app_url):
    if Film.load(opening_path("anagrams", "mnist")) is None:
        pytest.skip("nothing kept to turn")
    page = browser_page
    visit(page, app_url, "anagrams")
    open_tab(page, HAND["anagrams"])
    sent = []
    page.on("websocket", lambda ws: sent.append(ws.url))
    hand, slider = page.locator(".hand").first, page.locator(".hand input").first
    hand.focus()
    page.evaluate(
        "() => { window.runs = 0; new MutationObserver((all) => { for (const m of all) window.runs += 1; })"
        ".observe(document.querySelector('[data-testid=stApp]'), { attributes: true, attributeFilter: ['data-test-script-state'] }); }"
    )
    page.keyboard.press(" ")
    assert slider.input_value() == "100"
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "95"
    assert "171 degrees" in page.locator(".hand output").first.inner_text()
    box = page.locator(".hand .stage").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - box["width"] * 0.4, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert 40 <= int(slider.input_value()) <= 50
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.runs") == 0
    assert not sent
    page.get_by_role("button", name="Before you look").click()
    page.get_by_text("yes", exact=True).first.click()  # the page runs again
    wait(page)
    page.wait_for_timeout(300)
    assert 40 <= int(page.locator(".hand input").first.input_value()) <= 50


def test_the_hybrid_shrinks_and_the_blend_steps(browser_page, app_url):
    page = browser_page
    for slug in ("hybrids", "prompts"):
        if Film.load(opening_path(slug, "mnist")) is None:
            pytest.skip("nothing kept")
    visit(page, app_url, "hybrids")
    open_tab(page, HAND["hybrids"])
    image, hand = page.locator(".hand .a").first, page.locator(".hand").first
    near = image.bounding_box()["width"]
    hand.focus()
    page.keyboard.press(" ")
    assert image.bounding_box()["width"] < near / 10
    assert "from afar" in page.locator(".hand output").first.inner_text()
    visit(page, app_url, "prompts")
    open_tab(page, HAND["prompts"])
    hand, image = page.locator(".hand").first, page.locator(".hand .a").first
    hand.focus()
    page.keyboard.press("Home")
    pictures = [image.get_attribute("src")]
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        pictures.append(image.get_attribute("src"))
    assert len(set(pictures)) == 7
    assert page.locator(".hand output").first.inner_text().startswith("100%")


@pytest.mark.parametrize("slug", HAND)
def test_nothing_is_wider_than_a_phone(browser_page, app_url, slug):
    page = browser_page
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, app_url, slug)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    open_tab(page, HAND[slug])
    stage = page.locator(".hand .stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
