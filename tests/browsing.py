"""How a browser test opens a lesson, waits for it, and watches what it shows."""

import re
from contextlib import suppress
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, TimeoutError

from lessons_lib.catalogue import lesson

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def wait(page: Page) -> None:
    """Until the script has run to its end."""
    page.wait_for_selector(IDLE)


def keys_are_heard(page: Page) -> None:
    """Until the page listens to its keys: the browser fetches what listens after the rest."""
    page.locator("html[data-keys=heard]").wait_for(state="attached")


def visit(page: Page, app_url: str, slug: str, **link: str) -> None:
    """Open a lesson with the link's parameters, and wait until it stands."""
    name = lesson(slug).page
    page.goto(f"{app_url}/{name}?{urlencode({'model': 'mnist', **link})}")
    page.get_by_text("My notes").wait_for()  # the footer: the script came to its end
    wait(page)


def open_tab(page: Page, name: str) -> None:
    """Open a tab below the stage."""
    page.get_by_test_id("stMain").get_by_role("tab", name=name, exact=True).click()


def press_run(page: Page) -> Locator:
    """Press the first Run; returns the walk's progress bar, which stands there as long as it runs."""
    page.get_by_role("button", name="Run").first.click()
    progress = page.get_by_test_id("stProgress").first
    progress.wait_for()
    return progress


def run_to_the_end(page: Page) -> None:
    """Press the first Run and wait until its walk is done; a short one may be over before the browser paints its progress."""
    page.get_by_role("button", name="Run").first.click()
    progress = page.get_by_test_id("stProgress").first
    with suppress(TimeoutError):
        progress.wait_for(timeout=5_000)
    progress.wait_for(state="detached")
    wait(page)
    page.get_by_text("live ·").first.wait_for()


WATCH = """() => {
  const main = document.querySelector("[data-testid=stMain]");
  const seen = [];
  const look = () => {
    const visible = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const pictures = [...main.querySelectorAll("[data-testid=stImage] img")].filter(visible);
    const strip = main.querySelector("[class*=_strip]");
    seen.push({ pictures: pictures.map((e) => ({ src: e.src, alt: e.alt })), height: main.scrollHeight,
      strip: Boolean(strip) && visible(strip) });
  };
  look();
  new MutationObserver(look).observe(main, { subtree: true, childList: true, attributes: true });
  window.seen = seen;
}"""


def watch(page: Page) -> None:
    """From now on note down the visible pictures at every change of the page."""
    page.evaluate(WATCH)


def seen(page: Page) -> list[dict]:
    """What was noted: per change the visible pictures' src and alt, the page's height, whether a filmstrip was visible."""
    return page.evaluate("() => window.seen")


def steps_of(moment: dict) -> list[int]:
    """The steps of a running walk that one moment's pictures show."""
    return [int(m[1]) for p in moment["pictures"] if (m := re.search(r"step (\d+) of \d+ ·", p["alt"]))]
