"""What people type is shown as they typed it: on the pages, in files, in the saved HTML; and nothing of it acts."""

import base64
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from lessons_lib.files.figures import Bars, Curves, Heat
from lessons_lib.files.typed import as_typed, quoted, sentence, visible
from lessons_lib.models.names import available
from lessons_lib.ui import hand_in, save
from lessons_lib.ui.pictures import in_lines
from tests.browsing import open_tab, visit
from tests.pages import captions, opened, press

TYPED = [
    "a cat", "*", "**a**", "a *red* cat", "_x_", "snake_case_words", "__x__", ":red[x]", ":red-background[a cat]", "![x](http://h/t.png)",
    "[a](http://b)", "[free](http://example.com)", "<http://example.com>", "http://example.com", "www.example.com", "a@example.com",
    "$x$", "$$x$$", "<b>", "<img src=http://h/t.png>", "&amp;", "&#60;", "Tom & Jerry", "`", "``", "`a`", "a ` b", "```\n#x", "😀 🐱", "👩‍👩‍👧",
    "שלום", "مرحبا: 5", "a\u202eb", "\u2067x", "- a", "+ a", "* a", "1. a", "2) a", "# a", "> a", "---", "a -- b", "-> b", "<- a", "a >= b", "~x~",
    "~~x~~", ":smile:", ":+1:", ":material/home:", ":streamlit:", "a | b", "[^1]", "[x]", "[ ] a", "\\*a\\*", "a\\", "a: b", "a: b: c",
    "10:30", "50% · 1", "日本語", "x" * 300, "(a) 'b' \"c\" d? e! f; g/h=i{j}^k", "    indented", "{{a}}", "%(a)s", "a#b",
]  # fmt: skip


class Text(HTMLParser):
    def __init__(self, source: str):
        super().__init__()
        self.words, self.tags, self.addresses = "", [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data):
        self.words += data


def plain(text: str) -> str:
    """As a browser shows it: white space is one space; what only steers the direction of reading is not seen."""
    return re.sub(r"\s+", " ", re.sub("[\u2060\u2066-\u2069]", "", text)).strip()


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("around", ["{}", "prompt {} · seed 3", "judge reads “{}”.", "**live** · {} · 3.0 s"])
def test_markdown_shows_it_as_it_was_typed(typed, around):
    markdown = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    shown = Text(markdown.render(around.format(as_typed(typed))))
    assert plain(shown.words) == plain(around.format(typed).replace("**live**", "live"))
    assert set(shown.tags) <= {"p", "code"} | ({"strong"} if "**live**" in around else set())


# what Streamlit replaces in the text of a page after it has read the markdown, found in its frontend of 1.67
REPLACED = re.compile(r":[\w+-]+:|https?://|www\.|\S@\S|(?:^|\s)(?:<->|<-|->|>=|<=|--|~=)(?:\s|$)|:material/", re.IGNORECASE)


@pytest.mark.parametrize("typed", TYPED)
def test_nothing_is_left_that_streamlit_replaces(typed):
    markdown = as_typed(typed)
    assert ":material/" not in markdown
    without_code = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", markdown)
    assert not REPLACED.search(without_code)
    assert not re.search(r"[*$<\[\]~]|:\w", without_code)


def test_ordinary_words_are_not_set_as_code():
    for words in (
        "a cat",
        "a man with a hat",
        "3",
        "Digits (MNIST), stage 1",
        "i_start 1 (t = 690)",
        "Tom & Jerry",
        "a: b",
        "été, 日本",
        "1. a",
    ):
        assert "`" not in as_typed(words), words


def test_right_to_left_does_not_turn_what_stands_beside_it():
    assert as_typed("שלום").startswith("\u2068")
    assert as_typed("שלום").endswith("\u2069")
    assert as_typed("a\u202eb") == "\u2068a\u202eb\u2069"
    assert as_typed("\u2069\u202ea").count("\u2069") == 1


def test_control_characters_and_halves_of_characters_are_seen_not_sent():
    assert as_typed("a\0b") == "a\ufffdb"
    assert as_typed("\ud83d") == "\ufffd"
    assert visible("\ud83d\ude00") == "😀"
    as_typed("".join(map(chr, range(0x3000)))).encode()


def test_a_message_keeps_its_own_code_and_nothing_else():
    said = sentence("There is no model called '![x](http://h/t.png)': run `git checkout cache` or choose emoji, mnist.")
    shown = Text(MarkdownIt("commonmark").render(said))
    assert (
        shown.words.strip() == "There is no model called '![x](http://h/t.png)': run git checkout cache or choose emoji, mnist."
    )
    assert set(shown.tags) == {"p", "code"}
    assert sentence("Train it anew.") == "Train it anew."


def test_captions_break_where_their_parts_end():
    assert in_lines("a cat: dog 83%") == "a cat:  \ndog 83%"
    assert in_lines("a: *b*: dog 83%") == "a: `*b*:`  \ndog 83%"
    assert in_lines("seed 3 · <b>: 1st · x") == "seed 3  \n`<b>:` 1st  \nx"
    assert quoted("*") == "`“*”`"


# --- in files -----------------------------------------------------------------------------------------------------------

URL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("typed", [*TYPED, "a\0b", "\ud83d", "</style><script>alert(1)</script>"])
def test_the_saved_page_shows_it_and_asks_for_nothing(typed):
    noted = [
        save.Noted("text", f"**live** · prompt {as_typed(typed)} · seed 3"),
        save.Noted("picture", URL, caption=typed, alt=typed),
        save.Noted("heading", typed),
        save.Noted("code", typed),
        save.Noted("equation", typed),
    ]
    document = save.as_html(typed, "http://here/?a=1", typed, noted)
    document.encode()
    shown = Text(document.replace('href="http://here/?a=1"', ""))
    assert set(shown.addresses) <= {URL}
    assert not set(shown.tags) & {"script", "iframe", "a", "b"} - ({"a"} if "this view" in document else set())
    assert plain(shown.words).count(plain(visible(typed))) >= 5 if typed.strip() else True


@pytest.mark.parametrize(
    "drawn",
    [
        Curves({"$a": ([1, 2, 4], [1.0, None, 3.0]), "b": ([1, 2, 4], [2, 3, 4])}, "t", "loss", log_x=True),
        Bars(["seed 1", "seed 2"], {"<a>": [0.2, 0.9], "b": [0.5, 0.1]}, {"<a>": ["1st", "2nd"], "b": ["3rd", "4th"]}, "sure"),
        Heat(np.array([[1.0, 2.0, 0.5], [0.0, np.nan, 3.0]]), [0, 10, 20], ["up", "down"], "t", "channel", 1.0, mark=15),
    ],
)
def test_the_saved_page_holds_its_plots_as_pictures_and_its_captions(drawn):
    noted = [save.Noted("plot", drawn, alt="loss <over> t"), save.Noted("caption", "the loss **falls** <b>")]
    shown = Text(document := save.as_html("A lesson", "http://here/?a=1", "", noted))
    assert "<strong>falls</strong>" in document
    assert "the loss falls" in plain(shown.words).replace("  ", " ")
    url = re.search(r'src="data:image/svg\+xml;base64,([^"]+)" alt="loss &lt;over&gt; t"', document)[1]
    drawing = ElementTree.fromstring(base64.b64decode(url))
    assert drawing.tag.endswith("svg")
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}path"))) > 5


def test_a_foreign_hand_in_asks_for_nothing():
    evil = "**live** · ![x](http://h/t.png) [free](http://example.com) <http://example.com> <img src=http://h/t.png>"
    record = {
        "slug": "flow",
        "model": "",
        "made": "![x](http://h/t.png)",
        "link": "",
        "notes": evil,
        "noted": [{"kind": "text", "content": evil}, {"kind": "picture", "content": URL, "caption": evil, "alt": evil}],
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr("hand_in.json", json.dumps({"author": evil, "records": [record]}))
    author, [taken] = hand_in.from_zip(buffer.getvalue())
    assert set(Text(hand_in.as_html(author, [taken], 2025)).addresses) <= {URL, "#flow", ""}
    at = opened("hand_in", year="2025")
    at.session_state["hand_in_records"] = {"flow": taken}
    at.run()
    assert not at.exception
    assert at.checkbox(key="hand_in_flow").value
    everything = [e.value for e in at.markdown] + [c.label for c in at.checkbox] + captions(at)
    for markdown in everything:
        assert "http" not in re.sub(r"(`+).+?\1", "", markdown), markdown
    assert "<img" not in "".join(re.sub(r"&lt;img", "", e.proto.body) for e in at.get("html") if "example.com" in e.proto.body)


@pytest.mark.parametrize("typed", [*TYPED, "a\0b"])
def test_a_png_holds_the_words_themselves(typed):
    from lessons_lib.files.pictures import to_png

    data = to_png(Image.new("L", (2, 2)), {"prompt": typed})
    assert Image.open(io.BytesIO(data)).text["prompt"] == typed


# --- on the pages -------------------------------------------------------------------------------------------------------

EVIL = [
    "a *red* cat",
    ":red[x]",
    "![x](http://h/t.png)",
    "[free](http://example.com)",
    "$x$ <b>bold</b>",
    "`a` \u202e שלום",
    "www.example.com",
]


@pytest.mark.skipif("emoji" not in available(), reason="the small text-to-image model is not here")
@pytest.mark.parametrize("slug", ["guidance", "inpainting", "anagrams", "hybrids", "prompts", "sdedit", "sampling"])
def test_a_page_shows_it_as_it_was_typed(slug):
    names = {
        "anagrams": ("prompt", "turned_prompt"),
        "hybrids": ("far_prompt", "near_prompt"),
        "sampling": ("prompts",),
        "prompts": ("from_prompt", "to_prompt", "logo_far", "search"),
    }.get(slug, ("prompt",))
    for typed in EVIL:
        link = {f"{slug}_{n}": typed for n in names} | ({"sdedit_with_prompt": "True"} if slug == "sdedit" else {})
        at = opened(slug, model="emoji", **link)
        assert not at.exception, (typed, at.exception)
        said = [e.value for kind in (at.markdown, at.caption, at.info, at.error, at.success) for e in kind] + captions(at)
        for markdown in said:
            acts = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", markdown)
            assert typed not in acts, (slug, typed, markdown)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif("emoji" not in available(), reason="the small text-to-image model is not here")
@pytest.mark.parametrize("typed", EVIL)
def test_a_shared_link_makes_no_browser_fetch_and_no_link(browser_page, app_url, typed):
    asked = []
    browser_page.on("request", lambda r: asked.append(r.url))
    visit(browser_page, app_url, "prompts", model="emoji", prompts_from_prompt=typed, prompts_search=typed)
    open_tab(browser_page, "What the model knows")
    assert not [u for u in asked if not u.startswith((app_url, "data:", "blob:", app_url.replace("http", "ws")))]
    main = browser_page.locator("[data-testid=stMain]")
    addresses = main.locator("a").evaluate_all("all => all.map(a => a.href)")
    assert not [a for a in addresses if not a.startswith(app_url)]
    assert not main.locator("img[src^=http]").count()
    pytest.importorskip("playwright.sync_api").expect(main.get_by_role("textbox", name="find a word")).to_have_value(typed)
    if typed not in EVIL[:2]:  # something is named nearly like the first two
        assert plain(f"“{typed}”") in plain(main.inner_text())


@pytest.mark.skipif("emoji" not in available(), reason="the small text-to-image model is not here")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("x" * 400, "has 400 characters here; the first 300 are used"),
        (" , ,", "Nothing is typed that can be drawn"),
        ("a cat, a dog, a fish, a bird, a cow, a pig", "The first 5 of 6 are drawn"),
    ],
)
def test_what_is_not_used_is_told(typed, said):
    at = opened("sampling", model="emoji", prompts=typed)
    assert not at.exception
    assert any(said in c.value for c in at.caption)


@pytest.mark.skipif("emoji" not in available(), reason="the small text-to-image model is not here")
@pytest.mark.parametrize("typed", ["x" * 300, "a\0cat", "😀" * 20, "שלום"])
def test_a_run_with_any_words_ends_in_a_picture_or_a_sentence(typed):
    at = press(opened("inpainting", model="emoji", prompt=typed), "Run")
    assert not at.exception, at.exception
    assert any("**live**" in c.value for c in at.caption) or len(at.error) == 1
