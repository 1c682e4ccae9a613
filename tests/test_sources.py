"""What you gave is what is used: an upload as its lesson gets it, what is told about it, and that nothing stands in for it."""

import os
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lessons_lib.files.pictures import from_data_url, is_dark_on_light, light_on_dark
from lessons_lib.places import ROOT
from tests.browsing import visit, wait
from tests.pages import opened
from tests.test_decoders import CORNER, as_held, saved


def upload(at, content: bytes, name="cat.png"):
    at.get("file_uploader")[0].upload(name, content, "application/octet-stream")
    return at.run()


def told(at) -> str:
    return " ".join(c.value for c in at.caption)


def run_button(at):
    return next(b for b in at.button if b.label == "Run")


def original(at) -> np.ndarray:
    """The picture as the page shows it, on the inpainting page, at its own size."""
    url = next(one.url for i in at.image for one in i.proto.imgs if one.caption == "original")
    return np.asarray(from_data_url(url).resize((28, 28), Image.Resampling.NEAREST).convert("L"))


def handwritten(paper=230, ink=40, size=(300, 400)) -> Image.Image:
    """A seven in pen on a sheet that a lamp lights from the left."""
    light = np.linspace(0, -30, size[0])[None].repeat(size[1], 0)
    page = Image.fromarray((paper + light).clip(0, 255).astype(np.uint8)).convert("RGB")
    ImageDraw.Draw(page).line((100, 120, 200, 120, 140, 290), (ink, ink, ink + 60), 18)
    return page


def test_a_missing_upload_is_asked_for_and_run_waits():
    at = opened("inpainting", model="mnist", inpainting_picture_du="upload")
    assert not at.exception
    assert any("Choose a picture first" in i.value for i in at.info)
    assert run_button(at).disabled
    assert np.unique(original(at)).tolist() in ([127], [128]), "grey, and no other picture"


def test_a_bad_upload_is_one_sentence_and_no_other_picture():
    at = upload(opened("inpainting", model="mnist", inpainting_picture_du="upload"), b"Dear sir or madam", "home*work*.jpg")
    assert not at.exception
    assert len(at.error) == 1
    assert "not a picture" in at.error[0].value
    assert run_button(at).disabled
    assert np.unique(original(at)).size == 1


def test_a_photo_is_told_about_in_one_line_and_named_in_the_result():
    exif = Image.Exif()
    exif[0x0112] = 6
    at = upload(opened("sdedit", model="mnist", sdedit_picture_dud="upload"), saved(as_held(6), "JPEG", exif=exif), "IMG_*1*.jpg")
    assert not at.exception
    line = next(c.value for c in at.caption if "turned upright" in c.value)
    for said in ("`IMG_*1*.jpg:`", "cut to its middle square (40 of 60 x 40)", "made 28 x 28"):
        assert said in line
    run_button(at).click().run()
    assert not at.exception
    assert "picture `your picture IMG_*1*.jpg`" in told(at) or "your picture `IMG_*1*.jpg`" in told(at)


def test_a_digit_of_mnists_own_is_used_as_it_is():
    pixels = np.zeros((28, 28), np.uint8)
    pixels[6:22, 12:16] = 255
    at = upload(opened("inpainting", model="mnist", inpainting_picture_du="upload"), saved(Image.fromarray(pixels)), "one.png")
    assert "one.png: used as it is." in told(at)
    assert np.array_equal(original(at), pixels)


def test_dark_ink_on_light_paper_is_inverted_and_can_be_inverted_back():
    at = upload(opened("inpainting", model="mnist", inpainting_picture_du="upload"), saved(handwritten(), "HEIF"), "seven.heic")
    assert not at.exception
    assert "inverted, dark ink on light paper" in told(at)
    seen = original(at)
    assert np.median(seen) < 10
    assert seen.max() > 200
    switch = next(t for t in at.toggle if t.label == "invert")
    assert switch.value
    switch.set_value(False).run()
    assert "inverted" not in told(at)
    assert np.median(original(at)) > 180


def test_another_upload_has_its_own_switch():
    at = opened("inpainting", model="mnist", inpainting_picture_du="upload")
    upload(at, saved(handwritten()), "paper.png")
    next(t for t in at.toggle if t.label == "invert").set_value(False).run()
    upload(at, saved(handwritten(ink=0)), "other.png")
    assert next(t for t in at.toggle if t.label == "invert").value


def test_an_upload_is_there_again_after_another_page():
    at = upload(opened("inpainting", model="mnist", inpainting_picture_du="upload"), saved(CORNER, "PNG"), "flag.png")
    from lessons_lib.catalogue import lesson

    at.switch_page(lesson("flow").file).run()
    at.switch_page(lesson("inpainting").file)
    at.query_params["inpainting_picture_du"] = "upload"
    at.run()
    assert not at.exception
    assert not run_button(at).disabled
    assert "flag.png" in told(at)


@pytest.mark.parametrize(
    ("picture", "found"),
    [
        (handwritten(), True),
        (handwritten(150, 60), True),
        (Image.fromarray(255 - np.asarray(handwritten().convert("L"))), False),
        (Image.new("L", (9, 9), 0), False),
        (Image.new("L", (1, 1), 0), False),
        (Image.fromarray(np.eye(40, dtype=np.uint8) * 255), False),
        (Image.fromarray(255 - np.eye(40, dtype=np.uint8) * 255), True),
    ],
)
def test_what_is_dark_on_light(picture, found):
    assert is_dark_on_light(picture) == found
    light = np.asarray(light_on_dark(picture))
    assert light.shape == picture.size[::-1]
    if found:
        assert np.median(light) < 10
        assert light.max() == 255


def test_shadows_on_the_paper_become_black():
    light = np.asarray(light_on_dark(handwritten(200, 50)))
    assert (light < 30).mean() > 0.9


def test_the_plain_negative_of_what_is_not_ink_on_paper():
    pixels = np.random.default_rng(0).integers(0, 100, (20, 20), np.uint8)
    pixels[8:12, 8:12] = 255
    assert np.array_equal(np.asarray(light_on_dark(Image.fromarray(pixels))), 255 - pixels)


def served(port: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    for _ in range(300):
        try:
            urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.2)
    server.kill()
    pytest.fail("the app did not start")


@pytest.mark.browser
@pytest.mark.slow
def test_after_a_restart_of_the_server_an_upload_is_asked_for_again(browser_page):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = served(port)
    try:
        visit(browser_page, f"http://127.0.0.1:{port}", "inpainting", inpainting_picture_du="upload")
        browser_page.get_by_text("Choose a picture first").wait_for()
        browser_page.locator("input[type=file]").first.set_input_files(
            {"name": "flag.png", "mimeType": "image/png", "buffer": saved(CORNER)}
        )
        browser_page.get_by_text("flag.png: ").first.wait_for()
        browser_page.get_by_text("Choose a picture first").wait_for(state="detached")
        server.terminate()
        server.wait(30)
        server = served(port)
        browser_page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
        browser_page.get_by_role("button", name="Run").first.click()  # the page still shows what it had; the server knows nothing
        browser_page.get_by_text("Choose a picture first").wait_for()
        wait(browser_page)
        assert browser_page.get_by_text("live ·").count() == 0
        assert browser_page.get_by_role("button", name="Run").first.is_disabled()
        browser_page.locator("input[type=file]").first.set_input_files(
            {"name": "flag.png", "mimeType": "image/png", "buffer": saved(CORNER)}
        )
        browser_page.get_by_text("Choose a picture first").wait_for(state="detached")
    finally:
        server.terminate()
        server.wait(30)
