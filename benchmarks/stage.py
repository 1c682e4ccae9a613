"""What each lesson shows on one screen: `python benchmarks/stage.py [PAGE ...] [--url URL]`, all lessons by default.

Serves the app (or takes one that runs at URL), opens each lesson once in Chromium and prints a Markdown table, one line a lesson:
- its height at rest, in screens of a laptop (1280 x 800) and of a phone (390 x 844);
- laptop: whether all settings but those behind "more settings", Run and the pictures they change end above the fold;
- phone: whether the first setting and the first picture do;
- the share of a projector's screen (1920 x 1080) that the box around the stage's pictures covers in present mode;
- how long from a live slider's key, or from Run, to the first new picture.
tests/test_browser_stage.py holds the lessons to the aims below.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lessons_lib.catalogue import Lesson, written
from tests.browsing import wait
from tests.conftest import PATIENCE, QUIET, served

LAPTOP, PHONE, PROJECTOR = (1280, 800), (390, 844), (1920, 1080)
SCREENS_AT_MOST = {LAPTOP: 2.5, PHONE: 5.0}
SHARE_AT_LEAST = 0.4
NO_STAGE = ("hand_in", "check")  # lessons without a picture
MEASURE = """() => {
  const main = document.querySelector("[data-testid=stMain]"), top = main.getBoundingClientRect().top - main.scrollTop;
  const all = (what, root = main) => [...root.querySelectorAll("*")].flatMap((e) =>
    [...(e.matches(what) && e.checkVisibility() ? [e] : []), ...(e.shadowRoot ? all(what, e.shadowRoot) : [])]);
  const boxes = (elements) => elements.map((e) => e.getBoundingClientRect()).filter((b) => b.width > 16 && b.height > 16)
    .map((b) => ({ left: b.left, right: b.right, top: b.top - top, bottom: b.bottom - top }));
  const staged = main.querySelector(".st-key-stage_picture");
  const own = all(".stBidiComponent, [data-testid=stBidiComponentRegular]").find((e) => e.getBoundingClientRect().height > 250);
  const picture = staged ?? own ?? document.createElement("p");
  const settings = staged ? all(".st-key-stage_settings [class*='st-key-'].stElementContainer") : [...all(".stButtonGroup"), ...all("button, input, select", picture)];
  const run = staged ? all("[class*=_shortcuts] [class*=_run] button") : [];
  const what = staged ? "img, canvas, .main-svg, svg.drawing, figure svg" : ".lanes img, canvas";
  const narrow = (e) => !e.closest(".thumbs") && !e.closest(".film") && !(e.getRootNode().host && e.closest(".pixels"));
  return { height: main.scrollHeight, wide: main.scrollWidth, settings: boxes(settings), run: boxes(run),
    pictures: boxes(all(what, picture).filter(narrow)) };
}"""
WATCH = """() => {
  const images = () => [...document.querySelectorAll(".st-key-stage_picture :is(img, canvas)")].map((e) => e.src ?? e.dataset.id).join();
  const before = images();
  window.took = new Promise((done) => {
    const begin = () => {
      const from = performance.now();
      const look = () => {
        const ms = performance.now() - from;
        if (images() !== before) done(ms);
        else if (ms > 60000) done(null);
        else requestAnimationFrame(look);
      };
      look();
    };
    for (const event of ["keydown", "click"]) window.addEventListener(event, begin, { capture: true, once: true });
  });
}"""
LIVE, RUN = "[class*=st-key-stage_live] input[type=range]", "[class*=_shortcuts] [class*=_run] button"


def bottom(boxes: list[dict]) -> float:
    return max((b["bottom"] for b in boxes), default=0)


def seen(page, size: tuple[int, int]) -> dict:
    """MEASURE of the open page on a screen of this size."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(1000)
    return page.evaluate(MEASURE)


def share(found: dict) -> float:
    """Of a projector's screen, the part that the box around the pictures covers, as far as it is to be seen."""
    boxes = [b for b in found["pictures"] if b["top"] < PROJECTOR[1]]
    if not boxes:
        return 0.0
    wide = min(max(b["right"] for b in boxes), PROJECTOR[0]) - max(min(b["left"] for b in boxes), 0)
    high = min(bottom(boxes), PROJECTOR[1]) - min(b["top"] for b in boxes)
    return wide * high / (PROJECTOR[0] * PROJECTOR[1])


def on_one_laptop_screen(found: dict) -> bool:
    return bool(found["pictures"]) and bottom(found["settings"] + found["run"] + found["pictures"]) <= LAPTOP[1]


def on_one_phone_screen(found: dict) -> bool:
    first = [sorted(found[what], key=lambda b: (b["top"], b["left"]))[:1] for what in ("settings", "pictures")]
    return all(first) and bottom(first[0] + first[1]) <= PHONE[1]


def open_lesson(page, url: str, lesson: Lesson) -> None:
    page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
    page.goto(f"{url}/{lesson.page}")
    page.get_by_text("My notes").wait_for()
    wait(page)


def present(page) -> dict:
    """The open lesson on a projector."""
    page.set_viewport_size({"width": PROJECTOR[0], "height": PROJECTOR[1]})
    page.get_by_role("link", name="Present", exact=True).click()
    page.locator(".st-key-present_bar").wait_for()
    wait(page)
    return seen(page, PROJECTOR)


def seconds_to_a_picture(page) -> str:
    """From a live slider's key, or else from Run, to the first new picture: "0.12 s, slider"; "-" where there is neither."""
    for what, how in ((LIVE, "slider"), (RUN, "Run")):
        control = page.locator(what).first
        if control.count():
            control.focus()
            page.evaluate(WATCH)
            page.keyboard.press("ArrowRight" if how == "slider" else "Enter")
            took = page.evaluate("() => window.took")
            return "over a minute" if took is None else f"{took / 1000:.2f} s, {how}"
    return "-"


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", help='of pages/, without ".py"')
    parser.add_argument("--url", help="of an app that runs")
    asked = parser.parse_args()
    lessons = [x for x in written() if not asked.pages or x.page in asked.pages]
    print(
        "| lesson | screens, 1280 x 800 | settings and picture on the first | screens, 390 x 844 | first of both on the first |",
        end="",
    )
    print(" picture's share, 1920 x 1080 | to the first new picture |\n| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        own = nullcontext(asked.url) if asked.url else served("Home.py", Path(folder) / "log")
        with own as url:
            browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET.split())
            for x in lessons:
                page = browser.new_page()
                page.set_default_timeout(PATIENCE)
                open_lesson(page, url, x)
                laptop, phone = seen(page, LAPTOP), seen(page, PHONE)
                page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
                took = seconds_to_a_picture(page)
                wait(page)
                wide = present(page)
                page.close()
                pictured = x.slug not in NO_STAGE
                said = [
                    f"{laptop['height'] / LAPTOP[1]:.1f}",
                    ("yes" if on_one_laptop_screen(laptop) else "no") if pictured else "-",
                    f"{phone['height'] / PHONE[1]:.1f}",
                    ("yes" if on_one_phone_screen(phone) else "no") if pictured else "-",
                    f"{share(wide):.0%}" if pictured else "-",
                    took,
                ]
                print(f"| {x.title} | {' | '.join(said)} |", flush=True)
            browser.close()


if __name__ == "__main__":
    main()
