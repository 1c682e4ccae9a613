"""Every saved file says what made it, and a saved picture opens its view again."""

import io
import json
import zipfile
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.runtime.state.query_params import process_query_params

from lessons_lib.errors import LessonsError
from lessons_lib.files.pictures import to_gif, to_png, with_text
from lessons_lib.ui import stamp
from tests.pages import opened, press
from tests.test_decoders import CORNER, saved

SAID = {
    "Software": stamp.SOFTWARE,
    "lesson": "inpainting",
    "model_name": "mnist",
    "seed": "7",
    "prompt": "a café ☕ *x*",
    "link": "http://elsewhere:8501/Inpainting?model=mnist&seed=7&inpainting_mask=bottom+half",
    "weights_sha256": "{}",
}


@pytest.fixture
def files(monkeypatch):
    """What the download buttons of a page would save: {file name: bytes or text}, made when asked for."""
    offered, real = {}, st.download_button

    def button(label, data, file_name=None, *more, **options):
        offered[file_name] = data
        return real(label, data, file_name, *more, **options)

    monkeypatch.setattr(st, "download_button", button)
    return lambda name: (lambda d: d() if callable(d) else d)(offered[next(n for n in offered if name in n)])


def text_of(png: bytes) -> dict:
    return Image.open(io.BytesIO(png)).text


def query_of(text: dict) -> dict:
    return {k: v[0] for k, v in parse_qs(urlsplit(text["link"]).query).items()}


def test_a_kept_inpainting_png_holds_all_that_made_it(files):
    at = opened("inpainting", model="mnist", seed="7", inpainting_mask="bottom half", inpainting_keep_mnist="3")
    press(at, "Run")
    assert not at.exception
    said = text_of(files("inpainting-keep"))
    assert said["picture"] == "digit 3a", "the source, and not what stands under the picture"
    assert said["caption"].startswith(f"seed {said['seed']}: ")
    assert int(said["seed"]) == int(said["batch_seed"]) + int(said["index"])
    assert said["mask"] == "bottom half"
    assert said["num_images"] == "5"
    assert 0 <= int(said["index"]) < 5
    assert {"seed", "prompt", "guidance_scale", "model", "saved"} <= said.keys()
    assert (said["lesson"], said["model_name"], said["Software"]) == ("inpainting", "mnist", stamp.SOFTWARE)
    [(file, digest)] = json.loads(said["weights_sha256"]).items()
    assert "class_conditioned" in file
    assert len(digest) == 64
    assert query_of(said)["model"] == "mnist"
    assert query_of(said)["inpainting_mask" if "inpainting_mask" in query_of(said) else "mask"] == "bottom half"


def test_the_whole_batch_and_the_walk_say_the_same(files):
    press(opened("inpainting", model="mnist", seed="7"), "Run")
    png, gif = text_of(files(".png")), json.loads(Image.open(io.BytesIO(files(".gif"))).info["comment"])
    batch = text_of(files("inpainting-mnist-"))
    assert {k: v for k, v in batch.items() if k != "saved"} == {k: v for k, v in gif.items() if k != "saved"}
    assert batch["num_images"] == "5"
    assert png["seed"] == batch["seed"] == "7"


def test_a_picture_with_a_seed_of_its_own_opens_alone(files):
    press(opened("anagrams", model="mnist", seed="7", anagrams_num_images="3"), "Run")
    said = text_of(files("anagrams-keep"))
    assert int(said["seed"]) == 7 + int(said["index"])
    assert (said["batch_seed"], said["num_images"]) == ("7", "3")
    assert query_of(said)["seed"] == said["seed"]


def test_a_cached_film_is_stamped_with_what_made_it_and_not_with_what_is_set(files):
    at = opened("inpainting", model="mnist", seed="99", inpainting_mask="left half")
    if not any("kept from an earlier run" in c.value for c in at.caption):
        pytest.skip("nothing cached for this model")
    said = text_of(files("inpainting-keep"))
    assert said["seed"] != "99"
    assert query_of(said).get("seed") == said["seed"]
    assert "left half" not in said["link"].replace("+", " ") or said["mask"] == "left half"


def test_a_saved_lesson_and_a_hand_in_name_their_networks(files):
    at = press(opened("guidance", model="mnist"), "Run")
    digest = next(iter(stamp.hashes("guidance", "mnist").values()))
    assert digest in files("guidance.html")
    from lessons_lib.catalogue import lesson

    at.switch_page(lesson("hand_in").file).run()
    with zipfile.ZipFile(io.BytesIO(files("hand-in.zip"))) as z:
        pictures = [n for n in z.namelist() if n.startswith("pictures/") and n.endswith(".png")]
        said = [text_of(z.read(n)) for n in pictures]
    assert all(digest in s["weights_sha256"] for s in said)
    assert any(s.get("guidance_scale") for s in said)
    assert all(s["lesson"] == "guidance" and s["Software"] == stamp.SOFTWARE for s in said)
    assert [s for s in said if s.get("seed") == "180" and s.get("prompt")]


# --- read back ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [to_png(CORNER, SAID), to_gif([CORNER], text=SAID), with_text(saved(CORNER), SAID)])
def test_a_saved_picture_is_read_back(data):
    found = stamp.read(data)
    assert found.lesson == "inpainting"
    assert found.query == {"model": "mnist", "seed": "7", "inpainting_mask": "bottom half"}
    assert found.settings["prompt"] == "a café ☕ *x*"
    assert np.abs(np.asarray(found.picture, int) - np.asarray(CORNER)).max() < 60


def test_other_networks_are_named():
    here = stamp.hashes("guidance", "mnist")
    name = next(iter(here))
    for weights, other in (
        (here, ()),
        ({name: "0" * 64}, (name,)),
        ({"../README.md": "0"}, ("../README.md",)),
        ({"a" * 5000: "0"}, ("a" * 5000,)),
        ({"a\0": "0"}, ("a\0",)),
    ):
        data = to_png(CORNER, {**SAID, "weights_sha256": json.dumps(weights)})
        assert stamp.read(data).other_weights == other


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Software": "GIMP"},
        {"Software": stamp.SOFTWARE},
        {**SAID, "lesson": "../../etc"},
        {**SAID, "lesson": "<b>"},
        {"comment": json.dumps(SAID)[:-9]},
    ],
)
def test_a_picture_from_elsewhere_is_one_sentence(said):
    with pytest.raises(LessonsError, match="says nothing about a lesson"):
        stamp.read(to_png(CORNER, said))


@pytest.mark.parametrize("comment", [b"[1]", b"7", b"{", b"seed 7", json.dumps({"Software": 7}).encode()])
def test_a_gif_from_elsewhere_is_one_sentence(comment):
    with pytest.raises(LessonsError, match="says nothing"):
        stamp.read(saved(CORNER, "GIF", comment=comment))


@pytest.mark.parametrize(
    "broken",
    [
        {"weights_sha256": "{"},
        {"weights_sha256": "7"},
        {"weights_sha256": '["a"]'},
        {"link": "javascript:alert(1)"},
        {"link": "::"},
        {"link": "http://[x"},
    ],
)
def test_broken_parts_of_a_stamp_do_not_matter(broken):
    assert stamp.read(to_png(CORNER, {**SAID, **broken})).lesson == "inpainting"


@pytest.mark.parametrize(
    ("query", "opens"),
    [
        ("prompt=&seed=7", {"prompt": "", "seed": "7"}),  # the empty prompt is one
        ("embed=true&EMBED_options=x&seed=7&key=secret&go=1-1", {"seed": "7"}),  # Streamlit refuses to link to its own
        ("a%20b=1&seed=7&seed=8", {"seed": "8"}),
        ("%E2%98%95=1&x=" + "y" * 9000, {"x": "y" * 500}),
        ("&".join(f"x{i}=1" for i in range(5000)), {f"x{i}": "1" for i in range(100)}),
    ],
    ids=["empty", "not ours", "twice", "long", "many"],
)
def test_an_edited_link_opens_what_a_page_can_hold(query, opens):
    read = stamp.read(to_png(CORNER, {**SAID, "link": f"http://x/Inpainting?{query}"}))
    assert read.query == opens
    process_query_params(read.query)  # raises for what st.page_link would refuse


def test_the_page_opens_a_saved_picture(files):
    at = press(opened("inpainting", model="mnist", seed="7", inpainting_mask="bottom half"), "Run")
    data = files("inpainting-keep")
    at = opened("hand_in")
    chosen = next(u for u in at.get("file_uploader") if u.label.startswith("A PNG or GIF"))
    chosen.upload("kept.png", data, "image/png")
    at.run()
    assert not at.exception
    assert not at.error
    link = next(p.proto for p in at.get("page_link") if p.proto.label.startswith("Open its view"))
    assert "Inpainting" in link.page
    assert "bottom+half" in link.query_string
    assert "seed=7" in link.query_string
    chosen = next(u for u in at.get("file_uploader") if u.label.startswith("A PNG or GIF"))
    chosen.upload("other.png", saved(CORNER), "image/png")
    at.run()
    assert not at.exception
    assert len(at.error) == 1


def test_text_goes_into_a_png_without_touching_its_pixels():
    data = with_text(saved(CORNER), {"a": "b", "é": "日本"})
    assert text_of(data) == {"a": "b", "é": "日本"}
    assert Image.open(io.BytesIO(data)).tobytes() == CORNER.tobytes()
    assert with_text(b"not a PNG", {"a": "b"}) == b"not a PNG"
    assert b"tEXt" in data
    assert b"iTXt" in data
