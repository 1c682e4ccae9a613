"""Drawing by mouse, finger and keyboard: what is seen in the browser is what the lesson gets, and a wrong stroke can go."""

import numpy as np
import pytest
import torch
from PIL import Image

from lessons_lib.errors import LessonsError
from lessons_lib.files.strokes import DIGIT_PRESETS, MAX_STROKES, PRESETS, checked, drawn
from tests.browsing import open_tab, visit, wait
from tests.pages import opened

DOT = ["pen", "#ffffff", 100, 500, 500]
BOX = ["rectangle", "#ff3b81", 100, 100, 200, 600, 400]


def ink(strokes) -> np.ndarray:
    return np.asarray(drawn(strokes).getchannel("A")) > 127


# --- strokes ------------------------------------------------------------------------------------------------------------


def test_a_dot_a_line_and_a_rectangle_have_their_sizes():
    assert ink([DOT]).sum() == pytest.approx(np.pi * (0.05 * 512) ** 2, rel=0.05)
    line = ["pen", "#ffffff", 100, 200, 500, 800, 500]
    assert ink([line]).sum() == pytest.approx((0.6 * 0.1 + np.pi * 0.05**2) * 512**2, rel=0.05)
    assert ink([BOX]).sum() == pytest.approx(0.5 * 0.2 * 512**2, rel=0.02)
    turned = ["rectangle", "#ff3b81", 100, 600, 400, 100, 200]
    assert np.array_equal(ink([BOX]), ink([turned]))


def test_the_eraser_takes_away_what_came_before_it():
    eraser = ["eraser", "#ffffff", 200, 300, 300]
    assert not ink([BOX, eraser])[150, 153]
    assert ink([eraser, BOX])[150, 153]
    assert ink([BOX, eraser])[200, 290]


def test_colours_lie_over_each_other():
    red, blue = ["pen", "#d62828", 300, 500, 500], ["pen", "#1d6fd6", 100, 500, 500]
    assert drawn([red, blue]).getpixel((256, 256)) == (0x1D, 0x6F, 0xD6, 255)
    assert drawn([blue, red]).getpixel((256, 256)) == (0xD6, 0x28, 0x28, 255)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        {},
        [1],
        [[]],
        [["pen"]],
        [["pen", "#ffffff", 10]],
        [["pen", "#ffffff", 10, 1]],
        [["brush", "#ffffff", 10, 1, 1]],
        [["pen", "red", 10, 1, 1]],
        [["pen", 7, 10, 1, 1]],
        [["pen", "#ffffff", 10, 1, "1"]],
        [["pen", "#ffffff", 10, 1, 10**9]],
        [["pen", "#ffffff", 10, 1, float("nan")]],
        [["pen", "#ffffff", 10, 1, float("inf")]],
        [["pen", "#ffffff", True, 1, 1]],
        [DOT] * (MAX_STROKES + 1),
        [["pen", "#ffffff", 9, *[1] * 50_000]],
    ],
)
def test_what_is_no_drawing_is_said(bad):
    with pytest.raises(LessonsError, match="drawing"):
        checked(bad)


def test_presets_are_drawings():
    for preset in (*PRESETS.values(), *DIGIT_PRESETS.values()):
        assert checked(preset) == preset
        assert 0.01 < ink(preset).mean() < 0.9


def test_the_judge_reads_the_digits_to_begin_with():
    from lessons_lib.files.pictures import square
    from lessons_lib.maths.images import to_tensor
    from lessons_lib.models.opening import open_model

    judge = open_model("mnist").judge
    for digit, strokes in DIGIT_PRESETS.items():
        paper = Image.new("RGBA", (512, 512), "black")
        x = to_tensor(square(Image.alpha_composite(paper, drawn(strokes)).convert("RGB"), 28), 1)
        assert judge.classes[int(judge.read(x).argmax())] == digit


# --- pages --------------------------------------------------------------------------------------------------------------


def run_button(at):
    return next(b for b in at.button if b.label == "Run")


def test_run_waits_for_a_drawing_and_nothing_stands_in_for_it():
    at = opened("sdedit", model="mnist", sdedit_picture_dud="draw")
    assert not at.exception
    assert run_button(at).disabled
    assert any("Draw something first" in i.value for i in at.info)
    at.session_state["sdedit_canvas_strokes"] = [DOT]
    at.run()
    assert not run_button(at).disabled
    assert not at.info
    run_button(at).click().run()
    assert not at.exception
    assert any("picture your drawing, 1 stroke" in c.value for c in at.caption)


def test_a_drawing_is_the_lessons_picture():
    at = opened("one_step", one_step_input="your drawing")
    at.session_state["one_step_canvas_strokes"] = [["rectangle", "#ffffff", 10, 0, 0, 500, 1000]]
    at.run()
    assert not at.exception
    assert any("your drawing, 1 stroke" in i.proto.imgs[0].alt for i in at.image)


def test_a_painted_mask_is_the_region():
    at = opened("inpainting", model="mnist", inpainting_mask="paint it")
    at.session_state["inpainting_mask_canvas_strokes"] = [["rectangle", "#ff3b81", 10, 0, 0, 1000, 500]]
    at.run()
    assert not at.exception
    from lessons_lib.files.pictures import from_data_url

    mask = next(one.url for i in at.image for one in i.proto.imgs if one.caption.startswith("mask"))
    pixels = torch.from_numpy(np.array(from_data_url(mask).convert("L").resize((28, 28), Image.Resampling.NEAREST)))
    assert (pixels > 127).float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert (pixels[:13] > 127).all()


# --- in the browser -----------------------------------------------------------------------------------------------------

in_browser = [pytest.mark.browser, pytest.mark.slow]


def canvas_of(page):
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    return canvas, canvas.bounding_box()


def strokes_seen(page) -> int:
    """How much of the canvas is not its paper or picture, in pixels, as the browser has painted it."""
    return page.locator("canvas").first.evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        "for (let i = 0; i < d.length; i += 4) n += d[i] > 127; return n / (c.width * c.height); }"
    )


def drag(page, box, *points):
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


class TestByMouse:
    pytestmark = in_browser

    def test_pen_undo_and_clear(self, browser_page, app_url):
        visit(browser_page, app_url, "sdedit", sdedit_picture_dud="draw")
        assert browser_page.get_by_role("button", name="Run").first.is_disabled()
        _, box = canvas_of(browser_page)
        drag(browser_page, box, (0.2, 0.5), (0.8, 0.5))
        wait(browser_page)
        one = strokes_seen(browser_page)
        assert 0.04 < one < 0.12
        browser_page.get_by_role("button", name="Run").first.and_(browser_page.locator(":enabled")).wait_for()
        drag(browser_page, canvas_of(browser_page)[1], (0.5, 0.2), (0.5, 0.8))
        assert strokes_seen(browser_page) > one
        browser_page.get_by_role("button", name="Undo").click()
        assert strokes_seen(browser_page) == pytest.approx(one)
        browser_page.get_by_role("button", name="Clear").click()
        assert strokes_seen(browser_page) == 0
        browser_page.get_by_text("Draw something first").wait_for()
        browser_page.get_by_role("button", name="Undo").click()
        assert strokes_seen(browser_page) == pytest.approx(one)

    def test_the_eraser_and_a_drawing_to_begin_with(self, browser_page, app_url):
        visit(browser_page, app_url, "one_step", one_step_input="your drawing")
        browser_page.get_by_role("button", name="8", exact=True).first.click()
        wait(browser_page)
        before = strokes_seen(browser_page)
        assert before > 0.05
        browser_page.get_by_role("button", name="eraser").click()
        browser_page.get_by_role("button", name="thick").click()
        drag(browser_page, canvas_of(browser_page)[1], (0.2, 0.3), (0.8, 0.3))
        assert strokes_seen(browser_page) < before - 0.01

    def test_a_drawing_is_there_again_after_another_page(self, browser_page, app_url):
        visit(browser_page, app_url, "one_step", one_step_input="your drawing")
        drag(browser_page, canvas_of(browser_page)[1], (0.2, 0.5), (0.8, 0.5))
        wait(browser_page)
        browser_page.get_by_test_id("stSidebar").get_by_text("Out of its depth").click()
        browser_page.get_by_role("heading", name="Out of its depth").wait_for()
        wait(browser_page)
        browser_page.get_by_test_id("stSidebar").get_by_text("One-step denoiser").click()
        browser_page.get_by_role("heading", name="One-step denoiser").wait_for()
        wait(browser_page)
        if not browser_page.locator("canvas").count():
            browser_page.get_by_role("radio", name="your drawing").click()
        browser_page.locator("canvas").first.wait_for()
        assert strokes_seen(browser_page) > 0.04


class TestByFinger:
    pytestmark = in_browser

    @pytest.fixture
    def phone(self, chromium):
        context = chromium.new_context(
            viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
        )
        context.set_default_timeout(60_000)
        yield context.new_page()
        context.close()

    def swipe(self, page, *points):
        """Touches go to the browser itself, which decides whether the page scrolls."""
        cdp = page.context.new_cdp_session(page)
        send = lambda kind, at: cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})  # noqa: E731
        (x, y), *others = points
        send("touchStart", [{"x": x, "y": y}])
        for to_x, to_y in others:
            for k in range(1, 9):
                send("touchMove", [{"x": x + (to_x - x) * k / 8, "y": y + (to_y - y) * k / 8}])
                page.wait_for_timeout(16)
            x, y = to_x, to_y
        send("touchEnd", [])
        page.wait_for_timeout(300)

    def test_a_rectangle_and_its_undoing(self, phone, app_url):
        visit(phone, app_url, "inpainting", inpainting_mask="paint it")
        phone.get_by_role("button", name="rectangle").tap()
        canvas, box = canvas_of(phone)
        scrolled = phone.locator("[data-testid=stMain]").evaluate("e => e.scrollTop")
        before = strokes_seen(phone)
        x, y, side = box["x"], box["y"], box["width"]
        self.swipe(phone, (x + 0.1 * side, y + 0.1 * side), (x + 0.9 * side, y + 0.5 * side))
        wait(phone)
        assert strokes_seen(phone) > before + 0.1
        assert phone.locator("[data-testid=stMain]").evaluate("e => e.scrollTop") == scrolled, "drawing does not scroll"
        undo = phone.get_by_role("button", name="Undo")
        assert undo.is_visible()
        undo.tap()
        assert strokes_seen(phone) == pytest.approx(before)

    def test_a_swipe_that_begins_on_a_slider_scrolls_and_changes_nothing(self, phone, app_url):
        visit(phone, app_url, "inpainting")
        slider = phone.locator(".stSlider").first
        slider.scroll_into_view_if_needed()
        value = slider.locator("input").input_value()
        main = phone.locator("[data-testid=stMain]")
        for place in ("track", "thumb"):
            before = main.evaluate("e => e.scrollTop")
            box = slider.locator("[role=group] > [data-orientation]").bounding_box()
            thumb = slider.locator("[role=group] > [data-orientation] > [data-rac]").bounding_box()
            x = thumb["x"] + thumb["width"] / 2 if place == "thumb" else box["x"] + 0.9 * box["width"]
            y = thumb["y"] + thumb["height"] / 2
            self.swipe(phone, (x, y), (x + 4, y - 180))
            assert main.evaluate("e => e.scrollTop") > before + 60, place
            assert slider.locator("input").input_value() == value, place
        phone.wait_for_timeout(1000)  # the page still glides
        slider.scroll_into_view_if_needed()
        phone.wait_for_timeout(500)
        thumb = slider.locator("[role=group] > [data-orientation] > [data-rac]").bounding_box()
        x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
        self.swipe(phone, (x, y), (x + 60, y))
        assert slider.locator("input").input_value() != value, "the thumb follows a finger"

    def test_a_swipe_that_begins_on_a_plot_scrolls(self, phone, app_url):
        visit(phone, app_url, "forward")
        open_tab(phone, "Two schedules")
        plot = phone.locator(".js-plotly-plot").locator("visible=true").first
        plot.scroll_into_view_if_needed()
        phone.wait_for_timeout(500)
        main = phone.locator("[data-testid=stMain]")
        before, box = main.evaluate("e => e.scrollTop"), plot.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.swipe(phone, (x, y), (x + 3, y - 200))
        assert main.evaluate("e => e.scrollTop") > before + 60


class TestByKeyboard:
    pytestmark = in_browser

    def test_a_stroke_from_arrow_keys(self, browser_page, app_url):
        visit(browser_page, app_url, "sdedit", sdedit_picture_dud="draw")
        canvas, _ = canvas_of(browser_page)
        canvas.focus()
        for key in ["ArrowLeft"] * 5 + ["Space"] + ["ArrowRight"] * 8 + ["Space"]:
            browser_page.keyboard.press(key)
        browser_page.get_by_role("button", name="Run").first.and_(browser_page.locator(":enabled")).wait_for()
        canvas.blur()
        assert 0.02 < strokes_seen(browser_page) < 0.1
        canvas.focus()
        browser_page.keyboard.press("Delete")
        canvas.blur()
        assert strokes_seen(browser_page) == 0


COLUMN = """c => {
  let e = c.getRootNode().host.closest(".stColumn");
  while (!e.getBoundingClientRect().width) e = e.parentElement; // on a phone the columns' boxes give way to one list
  return e.getBoundingClientRect().toJSON();
}"""


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 700, 800, 1000, 1280, 1900])
def test_the_canvas_fits_its_column(browser_page, app_url, width):
    browser_page.set_viewport_size({"width": width, "height": 800})
    for slug, link in (("inpainting", {"inpainting_mask": "paint it"}), ("one_step", {"one_step_input": "your drawing"})):
        visit(browser_page, app_url, slug, **link)
        canvas, box = canvas_of(browser_page)
        column = canvas.evaluate(COLUMN)
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["width"] > 100
        assert column["left"] - 1 <= box["x"]
        assert box["x"] + box["width"] <= column["right"] + 1
