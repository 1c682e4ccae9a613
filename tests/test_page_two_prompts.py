"""Visual anagrams, hybrid images, prompt lab: opened, run, and given links that make no sense."""

import io

import pytest
import torch
from PIL import Image

from lessons_lib.lessons._readings import Readings, read_both
from lessons_lib.models.names import available
from lessons_lib.ui import pictures
from lessons_lib.ui.lessons import prompts
from tests.pages import opened, press

MODELS = [m for m in ("mnist", "emoji") if m in available()]
SLUGS = ("anagrams", "hybrids", "prompts")


def texts(at):
    return " ".join(e.value for kind in (at.markdown, at.caption, at.info) for e in kind)


def fine(at):
    assert not at.exception, at.exception
    assert not at.error, [e.value for e in at.error]
    return at


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("slug", SLUGS)
def test_opens_without_running_anything(slug, model):
    at = fine(opened(slug, model=model))
    assert len(at.latex) >= 1 or "No picture was kept" in texts(at)


@pytest.mark.parametrize("slug", ["anagrams", "hybrids"])
def test_run_makes_as_many_pictures_as_asked_each_of_its_own_seed(slug):
    at = press(opened(slug, model="mnist", seed="7", **{f"{slug}_num_images": "2"}), "Run")
    fine(at)
    said = texts(at)
    captions = [i.proto.imgs[0].caption.replace("\\", "") for i in at.image]  # which keeps "1." from beginning a list
    assert "**live**" in said
    assert any(c.startswith("1. seed ") for c in captions)
    assert {c.split("seed ")[1][0] for c in captions if c[1:6] == ". see"} == {"7", "8"}
    assert "Both prompts are among its first five" in said


def test_the_choice_of_the_contact_sheet_stands_in_the_link_and_can_be_locked():
    at = fine(opened("anagrams", model="mnist"))
    if "No picture was kept" in texts(at):
        pytest.skip("nothing kept for this model")

    def shown(at) -> tuple[str, str]:
        saved = next(b.label for b in at.get("download_button") if b.label.startswith("Keep number"))
        return saved, next(i.proto.imgs[0].alt for i in at.image if "as it is" in i.proto.imgs[0].alt)

    first = shown(at)
    link = {"model": "mnist", "anagrams_keep_mnist": "2"}
    second = fine(opened("anagrams", **link, lock="keep"))
    assert first[0] == "Keep number 1 (PNG)"
    assert shown(second)[0] == "Keep number 2 (PNG)"
    assert shown(second)[1] != first[1], "another picture of another seed"
    assert next(b for b in second.button_group if b.label == "which to keep").disabled
    assert shown(fine(opened("anagrams", **link, present="1"))) == shown(second)
    for bad in ("99", "0", "-1", "x", "1.5"):
        assert shown(fine(opened("anagrams", **{**link, "anagrams_keep_mnist": bad}))) == first


def test_anagram_of_another_view_and_prompt_says_what_it_shows():
    at = press(opened("anagrams", model="mnist", anagrams_num_images="1", anagrams_view="negative"), "Run")
    captions = [i.proto.imgs[0].caption for i in fine(at).image]
    assert any(c.startswith("negative: ") for c in captions)


def test_changed_settings_are_named_until_run_again():
    at = opened("hybrids", model="mnist", hybrids_sigma_mnist="2.5")
    if "No picture was kept" in texts(at):
        pytest.skip("nothing kept for this model")
    assert "sigma changed since" in texts(fine(at))


def test_blend_runs_between_the_shares_in_the_link():
    at = press(opened("prompts", model="mnist", prompts_first_share="0.4", prompts_last_share="0.7"), "Run")
    captions = [i.proto.imgs[0].caption for i in fine(at).image]
    assert any(c.startswith("40%") for c in captions)
    assert any(c.startswith("70%") for c in captions)
    assert not any(c.startswith("100%") for c in captions)


def test_digits_offer_the_text_to_image_model_in_one_sentence():
    assert "made for the text-to-image model" in texts(fine(opened("prompts", model="mnist")))


@pytest.mark.skipif("emoji" not in MODELS, reason="the small text-to-image model is not here")
def test_search_shows_what_the_model_learned_and_what_was_kept_from_it():
    at = fine(opened("prompts", model="emoji", prompts_search="rocket"))
    captions = [i.proto.imgs[0].caption for i in at.image]
    assert {"rocket, noto", "rocket, fluent", "rocket, twemoji"} <= {c.replace(" (kept from it)", "") for c in captions}
    from lessons_lib.things import STYLES, concepts, pictures

    held = pictures().held_out.nonzero()[0].item()
    name = concepts()[held // len(STYLES)].name
    at = fine(opened("prompts", model="emoji", prompts_search=name))
    assert any("kept from it" in i.proto.imgs[0].caption for i in at.image)


@pytest.mark.skipif("emoji" not in MODELS, reason="the small text-to-image model is not here")
def test_unknown_words_are_named_with_near_ones():
    at = fine(opened("prompts", model="emoji", prompts_from_prompt="a strawbery", prompts_search="qqqq"))
    assert "never taught] “strawbery”" in texts(at)
    assert "**strawberry**" in texts(at)
    assert "Nothing like “qqqq”" in texts(at)


def test_search_ranks_the_name_itself_first_then_keywords_then_near_names():
    names, keywords = ["caterpillar", "cat", "dog"], [("worm",), ("kitty",), ("puppy",)]
    assert prompts.found_among("cat", names, keywords) == [1, 0]
    assert prompts.found_among("pup", names, keywords) == [2]
    assert prompts.found_among("caterpilar", names, keywords) == [0]
    assert prompts.found_among("  ", names, keywords) == []
    assert prompts.found_among("qqqq", names, keywords) == []


def upload(at, content: bytes, name="mine.pt"):
    at.get("file_uploader")[0].upload(name, content, "application/octet-stream")
    return at.run()


def saved(what) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer)
    return buffer.getvalue()


def test_embeddings_are_checked_in_one_sentence():
    good = {p: torch.randn(1, 77, 4096).half() for p in ("", "a rocket")}
    assert "as DeepFloyd needs them" in " ".join(
        s.value for s in fine(upload(opened("prompts", model="mnist"), saved(good))).success
    )
    for bad, sentence in (
        (saved({"": torch.zeros(1, 77, 4096)[:, :5]}), "needs a (1, 77, 4096) tensor"),
        (saved({"a": torch.zeros(1, 77, 4096)}), "empty prompt"),
        (saved({"": torch.full((1, 77, 4096), float("nan"))}), "NaN"),
        (b"no such file", "cannot be opened as prompt embeddings"),
    ):
        at = upload(opened("prompts", model="mnist"), bad)
        assert not at.exception
        assert len(at.error) == 1
        assert sentence in at.error[0].value, at.error[0].value
        assert "mine.pt" in at.error[0].value


@pytest.mark.skipif("emoji" not in MODELS, reason="the small text-to-image model is not here")
def test_own_embeddings_speak_for_this_session_alone():
    from lessons_lib.models.folder import with_embeddings
    from lessons_lib.models.opening import open_model

    model = open_model("emoji")
    cat, nothing = (model.denoiser(p).condition for p in ("a cat", ""))
    own = with_embeddings(model, {"my cat": cat, "": nothing})
    assert torch.equal(own.denoiser("my cat").condition, cat)
    assert own.denoiser("my cat").network is model.denoiser("").network
    assert "my cat" not in model.prompts
    with pytest.raises(Exception, match="has no 'a dog'; it has 'my cat'|has no 'a dog'"):
        own.denoiser("a dog")
    at = fine(
        upload(opened("prompts", model="emoji"), saved({"my cat": cat.clone(), "my nothing": nothing, "": nothing.clone()}))
    )
    assert {s.label: s.value for s in at.selectbox if s.label.startswith("from")} == {"from this prompt": "my cat"}
    at = press(at, "Run")
    assert any(i.proto.imgs[0].caption.startswith("100%") for i in fine(at).image)


def test_print_size_is_sharp_and_says_what_made_it():
    picture = (torch.rand(1, 3, 32, 32) * 255).to(torch.uint8).numpy()
    from lessons_lib.ui.lessons.prompts import logo_png

    png = Image.open(io.BytesIO(logo_png(picture, {"seed": 183, "logo_far": "a café"})))
    assert png.size == (2400, 2400)
    assert png.text["seed"] == "183"
    assert png.text["logo_far"] == "a café"
    assert png.getpixel((0, 0)) == png.getpixel((74, 74)) == tuple(picture[0, :, 0, 0])
    assert png.getpixel((75, 0)) == tuple(picture[0, :, 0, 1])


def test_readings_count_the_worse_side():
    good, lame = Readings((0, 1), (0.6, 0.3)), Readings((0, 9), (0.99, 0.0))
    assert good.score > lame.score
    assert good.both
    assert not lame.both
    assert Readings((0, 0), (0.5, 0.9)).score > Readings((0, 0), (0.4, 0.99)).score
    assert pictures.pair_captions([good], [180], ("6", "9")) == ["seed 180 · 6: 1st, 60% · 9: 2nd, 30%"]
    assert pictures.pair_captions(None, [180, 181], ("6", "9")) == ["seed 180", "seed 181"]
    assert [pictures.ordinal(r) for r in (0, 1, 2, 3, 10, 11, 12, 20, 110)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "13th",
        "21st",
        "111th",
    ]


def test_the_judge_reads_a_turned_six_as_nine():
    from lessons_lib.maths.views import VIEWS
    from lessons_lib.models.opening import open_model
    from lessons_lib.sources import clean_picture

    model, six = open_model("mnist"), clean_picture("digit", "6a", (1, 28, 28))
    (found,) = read_both(model, six, VIEWS["turn 180"].there(six), "6", "9")
    assert found.both
    assert found.ranks[0] == 0
    (found,) = read_both(model, six, six, "6", "1")
    assert found.ranks[1] > 0
    assert read_both(model, six, six, "", "1") is None


def test_a_link_to_embeddings_asks_for_the_file_and_names_it_as_it_is():
    at = fine(opened("prompts", model="mnist", embeddings="my *file*.pt"))
    assert any("`*file*.pt”`" in i.value and "choose the file again" in i.value for i in at.info)
    assert not any("choose the file again" in i.value for i in fine(opened("prompts", model="mnist")).info)
