"""Torch has a door: with a torch that refuses to be imported every page shows its title, the list and a cached picture."""

import json
import os
import subprocess
import sys

import pytest

from lessons_lib.catalogue import HOME, written
from lessons_lib.places import ROOT

PAGES = [HOME, *written()]
NO_TORCH = ("home", "hand_in", "what")
OPEN_ALL = """
import json
from tests.pages import opened
from lessons_lib.catalogue import written
seen = {}
for slug in ("home", *(x.slug for x in written())):
    at = opened(slug)
    seen[slug] = {
        "title": [e.value for e in at.title], "alts": [one.alt for image in at.image for one in image.proto.imgs],
        "links": len(at.sidebar.get("page_link")), "exceptions": [e.message for e in at.exception],
        "errors": [e.value for e in at.error],
    }
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each page shows in a process where `import torch` raises."""
    stub = tmp_path_factory.mktemp("stub")
    (stub / "torch").mkdir()
    (stub / "torch" / "__init__.py").write_text('raise ImportError("torch refuses to be imported")\n')
    paths = os.pathsep.join((str(stub), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL], cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.slug)
def test_title_list_and_picture_need_no_torch(seen, page):
    shown = seen[page.slug]
    assert not shown["exceptions"]
    assert shown["title"] == [page.title]
    assert shown["links"] == 1 + len(written())
    if page.slug not in ("hand_in", "plane"):  # a list of what was made, and a picture that the browser draws, need no torch
        assert shown["alts"]
        assert all(shown["alts"])


@pytest.mark.parametrize("page", [p for p in PAGES if p.slug not in NO_TORCH], ids=lambda p: p.slug)
def test_a_broken_install_is_one_sentence(seen, page):
    (sentence,) = seen[page.slug]["errors"]
    assert "torch refuses to be imported" in sentence
    assert "pip install" in sentence


@pytest.mark.parametrize("slug", NO_TORCH)
def test_these_need_no_torch_at_all(seen, slug):
    assert not seen[slug]["errors"]
