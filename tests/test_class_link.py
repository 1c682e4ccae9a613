"""What a lecturer hands out: short addresses, what is hidden from a class, and the way onto the projector's stage and off it."""

import re

import pytest

from lessons_lib.catalogue import written
from lessons_lib.files import links
from lessons_lib.ui import controls
from tests.pages import address, follow, opened

QUICK = ("forward", "one_step", "flow", "check")
PAGES = [pytest.param(x.slug, marks=[] if x.slug in QUICK else pytest.mark.slow) for x in written()]
FORMULAS = re.compile(r"sqrt\(|eps_cond|eps_uncond|\(1 - t\) x|x_1 - x_0|x \+ sigma")


def test_a_code_gives_back_the_link_and_the_same_link_has_the_same_code(tmp_path):
    path = tmp_path / "links.json"
    query = "t=500&seed=7&lock=t%2Cseed&solutions=0"
    code = links.keep("forward", query, path)
    assert re.fullmatch(rf"[{links.LETTERS}]{{6}}", code)
    assert links.keep("forward", query, path) == code
    assert links.keep("forward", "t=501", path) != code
    assert links.find(code, path) == links.find(f" {code.upper()} ", path) == ("forward", query)


@pytest.mark.parametrize("bad", ["", "aaaaaa", "../../x", "a" * 500, "ABC", "é23456"])
def test_a_code_that_is_none_finds_nothing(tmp_path, bad):
    path = tmp_path / "links.json"
    assert links.find(bad, path) is None
    for broken in ('{"aaaaaa": 5}', "[" * 100_000):
        path.write_text(broken)
        assert links.find(bad, path) is None


def test_old_links_make_room_and_too_long_ones_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "links.json"
    monkeypatch.setattr(links, "MOST", 3)
    codes = [links.keep("forward", f"t={t}", path) for t in range(5)]
    assert [links.find(c, path) is not None for c in codes] == [False, False, True, True, True]
    with pytest.raises(ValueError, match="too long"):
        links.keep("forward", "x" * 5000, path)


@pytest.mark.parametrize(
    ("kept", "opens"),
    [
        (("a lesson of before", "t=1"), None),
        (("forward", "embed=true&EMBED_options=x&t=1&go=1-1&key=k"), ("forward", {"t": "1"})),  # Streamlit refuses its own
        (("forward", "prompt="), ("forward", {"prompt": ""})),
        (("forward", "%ff=%00"), ("forward", {"\ufffd": "\0"})),
    ],
)
def test_a_short_address_of_another_version(monkeypatch, kept, opens):
    monkeypatch.setattr(links, "find", lambda code: kept)
    assert controls.follow("abcdef") == opens


def test_a_short_address_opens_the_lesson_as_it_was_set(tmp_path, monkeypatch):
    monkeypatch.setattr(links, "find", lambda code: ("forward", "t=321&lock=t&present=1") if code == "abcdef" else None)
    assert controls.follow("abcdef") == ("forward", {"t": "321", "lock": "t", "present": "1"})
    assert controls.follow("nothing") is None
    at = opened("home", c="abcdef")
    assert not at.exception
    assert at.title[0].value == "Forward noising"
    assert at.slider(key="forward_t").value == 321


@pytest.mark.parametrize("slug", PAGES)
def test_where_solutions_are_hidden_no_formula_and_no_code_is_printed(slug):
    at = opened(slug, solutions="0")
    assert not at.exception
    assert not at.get("latex")
    assert not [c.value for c in at.code if "def " in c.value and "check_my_code" not in c.value]
    assert [tab.label for tab in at.tabs if not tab.children] == [], "an empty tab"
    for e in [*at.caption, *at.markdown]:
        assert not FORMULAS.search(e.value), e.value


def test_onto_the_projectors_stage_and_off_it():
    at = opened("forward", t="321")
    pages = {p.proto.label: p.proto.query_string for p in at.get("page_link")}
    assert "present=1" in pages["Present"]
    assert "t=321" in pages["Present"]
    at = follow(at, dict(pair.split("=") for pair in pages["Present"].split("&")))
    labels = {p.proto.label: p.proto.query_string for p in at.get("page_link")}
    assert "present=1" in labels["Three ways to denoise"]
    assert address(at)["present"] == "1"
    assert at.slider(key="forward_t").value == 321
    at = follow(at, dict(pair.split("=") for pair in labels["Exit"].split("&")))
    assert "present" not in address(at)
    assert at.slider(key="forward_t").value == 321
