"""How long the lessons are: `python benchmarks/heights.py [PAGE ...]`, pages/*.py without ".py"; all lessons by default.

Serves the app, opens each lesson in Chromium on a laptop's screen (1280 x 800) and a phone's (390 x 844), and prints one line of a
Markdown table a lesson: its height in screens on both, and whether the first setting and the first picture are on one screen.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lessons_lib.catalogue import written
from tests.browsing import wait
from tests.conftest import QUIET, served

SCREENS = {"laptop": (1280, 800), "phone": (390, 844)}
MEASURE = """() => {
  const main = document.querySelector("[data-testid=stMain]"), top = main.getBoundingClientRect().top - main.scrollTop;
  const place = (what) => { const e = [...main.querySelectorAll(what)].find((e) => e.checkVisibility());
    return e && e.getBoundingClientRect(); };
  const label = place(".st-key-stage_settings [data-testid=stWidgetLabel]");
  const picture = place(".st-key-stage_picture :is(img, canvas)");
  const span = label && picture && Math.max(label.bottom, picture.bottom) - Math.min(label.top, picture.top);
  return [main.scrollHeight, span, label && picture && Math.max(label.bottom, picture.bottom) - top];
}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    wanted = sys.argv[1:]
    lessons = [x for x in written() if not wanted or x.page in wanted]
    print("| lesson | screens, 1280 x 800 | seen without scrolling | screens, 390 x 844 | seen together |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, served("Home.py", Path(folder) / "log") as url, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET.split())
        for x in lessons:
            said = []
            for name, (width, height) in SCREENS.items():
                page = browser.new_page(viewport={"width": width, "height": height})
                page.set_default_timeout(120_000)
                page.goto(f"{url}/{x.page}")
                page.get_by_text("My notes").wait_for()
                wait(page)
                page.wait_for_timeout(1500)
                whole, span, bottom = page.evaluate(MEASURE)
                seen = "-" if not span else "yes" if (bottom if name == "laptop" else span) <= height else "no"
                said += [f"{whole / height:.1f}", seen]
                page.close()
            print(f"| {x.title} | {' | '.join(said)} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
