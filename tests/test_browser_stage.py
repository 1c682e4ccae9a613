"""The stage in a real browser: what matters is on one screen, and the picture follows the slider while it is dragged."""

import base64
import io
from statistics import median

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect

from benchmarks import stage
from lessons_lib.catalogue import written
from lessons_lib.files.pictures import picture_of
from lessons_lib.lessons import forward
from lessons_lib.maths.images import to_uint8
from lessons_lib.sources import clean_picture
from tests.browsing import visit, wait

pytestmark = pytest.mark.browser

CANVAS = ".st-key-forward_row canvas"
WATCH = """() => {
  const canvas = document.querySelector(".st-key-forward_row canvas");
  window.drawn = [];
  new MutationObserver(() => window.drawn.push([performance.now(), Number(canvas.dataset.t), Number(canvas.dataset.took)]))
    .observe(canvas, { attributes: true, attributeFilter: ["data-t"] });
}"""


def pixels(page, what: str) -> np.ndarray:
    """(H, W, 3) of a canvas."""
    url = page.locator(what).evaluate("(e) => e.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def noised(t: int) -> np.ndarray:
    """What the lesson computes at its defaults, as the picture's bytes."""
    about = forward.about(t=t)
    x0 = clean_picture("photo", "cat", (3, about["size"], about["size"]))
    return np.asarray(picture_of(to_uint8(forward.walk(about, x0, [t])).numpy()).convert("RGB"))


@pytest.mark.parametrize("t", [0, 500, 999])
def test_what_the_browser_mixes_is_what_add_noise_gives(browser_page, app_url, t):
    visit(browser_page, app_url, "forward", t=str(t))
    expect(browser_page.locator(CANVAS)).to_have_attribute("data-t", str(t))
    assert np.array_equal(pixels(browser_page, CANVAS), noised(t))


def drag(page, slider: str) -> None:
    """Take a slider's thumb and move it 60 pixels to the right, one at a time; it is not let go."""
    box = page.locator(f".st-key-{slider} [data-testid=stSliderThumbValue]").locator("..").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(60):
        page.mouse.move(x + i, y)


@pytest.mark.alone
def test_the_picture_follows_the_slider_while_it_is_dragged(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "forward")
    expect(page.locator(CANVAS)).to_have_attribute("data-t", "500")
    page.evaluate(WATCH)
    drag(page, "forward_t")
    drawn = page.evaluate("() => window.drawn")
    dragged = [t for _, t, _ in drawn]
    assert len(set(dragged)) >= 30, f"{len(drawn)} pictures in 60 moves of the mouse"
    # by the clock: one picture may have waited for another process, half of them have not
    assert median(took for _, _, took in drawn) < 1000 / 60, "slower than 60 frames a second"
    assert "t=500" in page.url, "the address waits until the slider is let go"
    last = int(page.locator(CANVAS).get_attribute("data-t"))
    assert np.array_equal(pixels(page, CANVAS), noised(last))
    page.mouse.up()
    page.wait_for_url(lambda url: f"t={last}" in url)
    wait(page)
    expect(page.get_by_text(f"x_t at t = {last}", exact=True)).to_be_visible()
    assert np.array_equal(pixels(page, CANVAS), noised(last))


@pytest.mark.parametrize("lesson", written(), ids=lambda lesson: lesson.slug)
def test_a_lesson_keeps_to_one_screen(browser_page, app_url, lesson):
    page = browser_page
    stage.open_lesson(page, app_url, lesson)
    laptop, phone = stage.seen(page, stage.LAPTOP), stage.seen(page, stage.PHONE)
    assert laptop["height"] <= stage.SCREENS_AT_MOST[stage.LAPTOP] * stage.LAPTOP[1]
    assert phone["height"] <= stage.SCREENS_AT_MOST[stage.PHONE] * stage.PHONE[1]
    assert phone["wide"] <= stage.PHONE[0], "wider than a phone"
    if lesson.slug in stage.NO_STAGE:
        return
    assert stage.on_one_laptop_screen(laptop), laptop
    assert stage.on_one_phone_screen(phone), phone
    assert stage.share(stage.present(page)) >= stage.SHARE_AT_LEAST


SAME = """(row) => { const img = document.querySelectorAll(`.st-key-${row} img`)[1], canvas = img.parentElement.querySelector("canvas");
  const other = document.createElement("canvas"); other.width = canvas.width; other.height = canvas.height;
  other.getContext("2d").drawImage(img, 0, 0);
  return img.naturalWidth === canvas.width && other.toDataURL() === canvas.toDataURL(); }"""


@pytest.mark.parametrize("model", ["mnist", "emoji"])
def test_noisy_follows_in_three_ways_and_is_what_the_server_draws(browser_page, app_url, model):
    page = browser_page
    visit(page, app_url, "denoise", model=model, t_fraction="0.5")
    canvas = page.locator(".st-key-denoise_four canvas").first  # the second is the blur's
    expect(canvas).to_have_attribute("data-t", "150" if model == "mnist" else "510")
    assert page.evaluate(SAME, "denoise_four")


APART = """(row) => { const img = document.querySelectorAll(`.st-key-${row} img`)[2], canvas = img.parentElement.querySelector("canvas");
  const pixels = (e) => { const c = document.createElement("canvas"); c.width = canvas.width; c.height = canvas.height;
    const context = c.getContext("2d"); context.drawImage(e, 0, 0); return context.getImageData(0, 0, c.width, c.height).data; };
  const [a, b] = [pixels(img), pixels(canvas)].map((data) => [...data]);
  return [canvas.dataset.sigma, img.naturalWidth === canvas.width, Math.max(...a.map((v, i) => Math.abs(v - b[i])))]; }"""


@pytest.mark.parametrize("model", ["mnist", "emoji"])
def test_the_blur_follows_its_slider_while_it_is_dragged_and_is_what_the_server_draws(browser_page, app_url, model):
    page = browser_page
    visit(page, app_url, "denoise", model=model, sigma="1.5")
    canvas = page.locator(".st-key-denoise_four canvas").nth(1)
    expect(canvas).to_have_attribute("data-sigma", "1.5")
    sigma, same, apart = page.evaluate(APART, "denoise_four")
    assert (sigma, same) == ("1.5", True)
    assert apart <= 1, "grey levels"  # of a value between two, the sums' order may choose the other
    page.evaluate(SEEN)
    drag(page, "denoise_sigma")
    drawn = page.evaluate("() => window.sigmas")
    assert len(set(drawn)) >= 10, drawn
    assert "sigma=1.5" in page.url, "the address waits until the slider is let go"
    page.mouse.up()
    page.wait_for_url(lambda url: f"sigma={drawn[-1]}" in url)
    wait(page)
    assert page.evaluate(APART, "denoise_four")[2] <= 1


SEEN = """() => { const canvas = document.querySelectorAll(".st-key-denoise_four canvas")[1]; window.sigmas = [];
  new MutationObserver(() => window.sigmas.push(canvas.dataset.sigma)).observe(canvas, { attributes: true, attributeFilter: ["data-sigma"] }); }"""


def test_the_strip_scrubs_the_row_and_ends_at_the_clean_pictures(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "guidance", model="mnist")
    canvases = page.locator("[class*='st-key-guidance_film'][class*=_row_of] canvas")
    caption = page.locator(".film figcaption").first
    expect(caption).to_contain_text("the clean picture")
    expect(canvases).to_have_count(0)
    page.locator(".film").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(canvases).to_have_count(6)
    page.keyboard.press("End")
    expect(canvases).to_have_count(0)
    page.locator(".film .thumbs button").first.click()
    expect(caption).to_contain_text("step 1 of")
    expect(canvases).to_have_count(6)
    page.get_by_role("button", name="Run").first.click()  # what streams is never covered
    expect(canvases).to_have_count(0)
