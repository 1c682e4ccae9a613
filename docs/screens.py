"""The six screenshots of README.md: `python docs/screens.py [--url URL]`, of an app that it serves or that runs at URL."""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image

from lessons_lib.catalogue import HOME, lesson
from tests.browsing import wait
from tests.conftest import PATIENCE, QUIET, served

HERE = Path(__file__).parent
SHOTS = {  # file -> (slug, (width, height), link, colour scheme)
    "home": ("home", (1280, 800), "", "light"),
    "plane": ("plane", (1280, 800), "", "dark"),
    "guidance": ("guidance", (1280, 800), "", "light"),
    "sdedit": ("sdedit", (1280, 800), "", "light"),
    "projector": ("guidance", (1920, 1080), "present=1", "dark"),
    "phone": ("forward", (390, 844), "", "light"),
}
COLOURS = 200  # of a file: a screenshot has few, and is a third as large


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", help="of an app that runs")
    url = parser.parse_args().url
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        own = nullcontext(url) if url else served("Home.py", Path(folder) / "log")
        with own as url:
            browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET.split())
            for name, (slug, (width, height), link, scheme) in SHOTS.items():
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.set_default_timeout(PATIENCE)
                page.goto(f"{url}/{(HOME if slug == 'home' else lesson(slug)).page}?{link}".replace("/Home?", "/?"))
                page.locator("[data-testid=stMain] h1").wait_for()
                page.locator("[data-testid=stMain] :is(img, canvas)").first.wait_for()
                wait(page)
                page.wait_for_timeout(3000)  # pictures are decoded, and the strip stands
                shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                shot.quantize(COLOURS, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)
                page.close()
            browser.close()


if __name__ == "__main__":
    main()
