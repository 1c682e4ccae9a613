"""Every page at its defaults, after Run, and with a link full of nonsense."""

import re
import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from lessons_lib.catalogue import LESSONS, lesson, written
from lessons_lib.places import ROOT
from tests.pages import opened

PAGES = [lesson("home"), *written()]


def sentences(at: AppTest) -> list[str]:
    return [e.value for e in at.error]


def test_every_page_in_the_folder_is_in_the_list_of_lessons():
    files = {f"pages/{p.name}" for p in (ROOT / "pages").glob("*.py")}
    assert files == {x.file for x in written()}
    assert len({x.slug for x in LESSONS}) == len(LESSONS)


def test_every_lesson_has_a_card_with_a_picture_that_says_what_it_shows():
    alts = [one.alt for image in opened("home").image for one in image.proto.imgs]
    assert len(alts) == len(set(alts)) == len(written())


def test_the_contents_page_draws_its_cards_without_torch():
    code = """
import sys
from lessons_lib.catalogue import written
from lessons_lib.ui.pictures import card
assert all(card(x.slug) for x in written())
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.slug)
def test_page_at_its_defaults(page):
    at = opened(page.slug)
    assert not at.exception, at.exception
    assert not sentences(at)
    assert at.title[0].value == page.title
    for image in at.image:  # alt text, and pixels that no media server has to hold
        for one in image.proto.imgs:
            assert one.url.startswith(("data:image/png", "data:image/svg+xml;base64")), page.slug
            assert one.alt, page.slug


@pytest.mark.parametrize("page", [p for p in PAGES if p.part], ids=lambda p: p.slug)
def test_page_survives_a_link_full_of_nonsense(page):
    source = (ROOT / page.file).read_text()
    names = {"model", "seed", *re.findall(r"controls\.\w+\(\s*(?:lesson\.slug|page|\"\w+\"),\s*\"(\w+)\"", source)}
    link = {
        (n if n in ("model", "seed") else f"{page.slug}_{n}"): bad for n, bad in zip(sorted(names), NONSENSE * 9, strict=False)
    }
    at = opened(page.slug, **link, lock="seed,nothing,<b>", present="2")
    assert not at.exception, (link, at.exception)
    assert len(sentences(at)) <= 1


NONSENSE = ("NaN", "-1", "1e999", "<script>", "99999999999999999999", "", "é" * 300, "None", "[1,2]", "inf")
