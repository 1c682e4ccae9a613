"""What the small model learns from: sheets, media, captions, what is held out."""

import math

import pytest
import torch

from lessons_lib.models import prompts
from lessons_lib.training import emoji

NUMBER = {c.name: i for i, c in enumerate(prompts.concepts())}


def test_every_artist_s_sheet_is_cut_into_its_things():
    total = 0
    for word in emoji.ARTISTS:
        images, concept = emoji.sheet(word)
        assert images.shape == (len(concept), 3, 128, 128)
        assert images.dtype == torch.uint8
        assert len(set(concept.tolist())) == len(concept)
        assert bool((images.flatten(1).float().std(1) > 5).all()), word  # none is an empty tile
        total += len(concept)
    assert total == 7 * 314 - sum(len(v) for v in emoji.about()["missing"].values())


def test_ink_is_black_and_the_others_are_not():
    grey = {w: (x := emoji.sheet(w)[0].float()).amax(1).sub(x.amin(1)).max() for w in ("ink", "noto")}
    assert grey["ink"] < 10 < grey["noto"]


def test_halved_is_half_and_keeps_flat_colours():
    x = torch.full((2, 3, 8, 8), 200, dtype=torch.uint8)
    x[1, :, :, 4:] = 10
    y = emoji.halved(x)
    assert y.shape == (2, 3, 4, 4)
    assert bool((y[0] == 200).all())
    assert y[1, 0, 0, 0] > 180
    assert y[1, 0, 0, 3] < 30


def test_a_kuwahara_filter_smooths_but_keeps_an_edge():
    g = torch.Generator().manual_seed(0)
    x = torch.zeros(1, 3, 32, 32)
    x[..., 16:] = 1
    y = emoji.kuwahara(x + 0.1 * torch.randn(x.shape, generator=g))
    assert (y[..., :16]).abs().mean() < 0.05
    assert (y[..., 16:] - 1).abs().mean() < 0.05
    assert torch.equal(emoji.kuwahara(x), x)


def test_media_look_as_they_say():
    x = emoji.sheet("noto")[0][: NUMBER["dog"] + 1][-1:].float() / 255
    oil, stone = emoji.oil_painting(x, [1]), emoji.lithograph(x)
    assert oil.shape == stone.shape == x.shape
    corner = oil[0, :, :6, :6].mean((1, 2))  # bare canvas is warm
    assert corner[0] > corner[1] > corner[2] + 0.1
    assert torch.equal(emoji.oil_painting(x, [1]), oil)
    assert not torch.equal(emoji.oil_painting(x, [2]), oil)
    assert len(stone.flatten(2).unique(dim=2)[0].T) == 2  # ink or paper, nothing between
    assert 0.05 < (stone[0, 0] < 0.5).float().mean() < 0.6


def test_a_size_that_nobody_drew_is_refused():
    with pytest.raises(ValueError, match="128 or 64"):
        emoji.pictures(32)


def test_held_out_pairs_are_few_and_their_parts_are_seen_elsewhere():
    concept, style = (x.flatten() for x in torch.meshgrid(torch.arange(314), torch.arange(9), indexing="ij"))
    held = emoji.held_out(concept, style)
    assert 150 < int(held.sum()) < 200
    per_thing = held.view(314, 9).sum(1)
    assert int(per_thing.max()) <= 2
    assert bool((held.view(314, 9).sum(0) > 5).all())  # of every style some
    assert bool(held.view(314, 9)[NUMBER["penguin"], prompts.STYLES.index("oil painting")])


def test_what_the_course_asks_for_is_trained_on():
    for prompt in prompts.COURSE_PROMPTS.values():
        thing = prompts.thing_in(prompt)
        for medium in prompts.MEDIA:
            if medium in prompt:
                pair = torch.tensor([thing]), torch.tensor([prompts.STYLES.index(medium)])
                assert not bool(emoji.held_out(*pair)), prompt


def test_the_course_s_prompts_have_a_nearest_one_that_was_taught():
    taught = {text for c in range(314) for s in range(9) for text in prompts.captions(c, s)}
    assert set(prompts.COURSE_PROMPTS.values()) <= taught
    verbatim = {asked for asked, nearest in prompts.COURSE_PROMPTS.items() if asked == nearest}
    assert {"a lithograph of a skull", "an oil painting of an old man", "a rocket ship", "a man wearing a hat", ""} <= verbatim


def test_captions_are_as_many_as_slots_and_a_tenth_is_empty():
    for c in (0, 1, 130, 313):
        for s in range(9):
            said = prompts.captions(c, s)
            assert len(said) == prompts.SLOTS
            assert said.count("") == prompts.SLOTS // 10
            named = prompts.thing_in(prompts.caption(c, s))
            assert named == c


def test_a_caption_without_a_style_is_never_ink_nor_a_medium():
    for style in set(range(9)) - set(prompts.COLOUR):
        assert all(prompts.STYLES[style] in text for text in prompts.captions(5, style) if text)
    plain = [text for text in prompts.captions(5, 0) if text and prompts.STYLES[0] not in text]
    assert len(plain) > 20
    assert not any("painting" in text or "lithograph" in text for text in plain)


def test_the_vocabulary_is_what_captions_teach():
    words = prompts.vocabulary()
    assert len(set(words)) == len(words)
    assert {"oil", "lithograph", "photo", "penguin", "wearing", "ink"} <= set(words)
    assert not {"the", "emoji"} & set(words)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("an oil painting of an old man", "old man"),
        ("an oil painting of a painting", "painting"),
        ("A man wearing a hat!", "man with a hat"),
        ("a rocket ship", "rocket"),
        ("a snowy mountain, with a tree", "snowy mountain"),
        ("a painting of a cat sleeping on a bed", "cat"),
        ("a brown bear typing on a computer", "bear"),
        ("an oil painting of an old man in a racing car", "old man"),
        ("a photo of a strawberry cupcake", "cupcake"),
        ("a drop of water on a maple leaf", "drop of water"),
        ("a slice of pizza", "pizza"),
        ("a picture of a painting of a dog with a teddy bear", "dog"),
        ("a lithograph of the statue of liberty", "statue of liberty"),
        ("two cats", None),
        ("a fork and knife", "fork and knife"),
        ("a dog and a flying saucer", "dog"),
        ("noto fire engine", "fire engine"),
        ("a high quality photo", None),
        ("", None),
    ],
)
def test_which_thing_a_prompt_names(prompt, name):
    assert prompts.thing_in(prompt) == (None if name is None else NUMBER[name])


def test_every_caption_names_its_own_thing():
    """Even where a keyword before it is itself a thing: "vampire bat", "cheese pizza"."""
    for c in range(len(prompts.concepts())):
        for s in range(len(prompts.STYLES)):
            for text in set(prompts.captions(c, s)) - {"", *prompts.GENERIC}:
                assert prompts.thing_in(text) == c, text


def test_articles():
    assert prompts.caption(NUMBER["owl"]) == "an owl"
    assert prompts.caption(NUMBER["socks"]) == "socks"
    assert prompts.caption(NUMBER["rocket"], prompts.STYLES.index("oil painting")) == "an oil painting of a rocket"
    assert prompts.caption(NUMBER["rocket"], prompts.STYLES.index("ink")) == "a rocket in ink style"


def test_weights_are_each_style_s_share_and_nothing_for_what_is_held_out():
    n = 100
    concept, style = torch.arange(n) % 314, torch.arange(n) % 9
    held = torch.arange(n) % 10 == 0
    artist = torch.where(style < 7, style, torch.arange(n) % 4 * (torch.arange(n) % 5 > 0))
    of = emoji.Pictures(torch.zeros(n, 1), concept, style, artist, held)
    w = emoji.weights(of)
    assert math.isclose(w.sum().item(), 1, rel_tol=1e-5)
    assert bool((w[held] == 0).all())
    for s, weight in enumerate(emoji.WEIGHTS):
        assert math.isclose(w[style == s].sum().item(), weight, rel_tol=1e-4)
        if s >= 7:  # a medium: half of it from the first artist's drawings
            assert math.isclose(w[(style == s) & (artist == 0)].sum().item(), emoji.LEAD * weight, rel_tol=1e-4)
    assert math.isclose(sum(emoji.WEIGHTS), 1)
    alike = emoji.weights(of, emoji.ALIKE, lead=None)
    for s, weight in enumerate(emoji.ALIKE):
        mine = alike[(style == s) & ~held]
        assert torch.allclose(mine, torch.full_like(mine, weight / len(mine)))


def test_some_of_the_pictures():
    of = emoji.Pictures(*(torch.arange(6) for _ in range(5)))
    assert of[torch.tensor([4, 1])].style.tolist() == [4, 1]
    assert of[of.concept > 3].images.tolist() == [4, 5]


def test_every_artist_has_the_word_that_captions_use():
    assert tuple(emoji.ARTISTS) + prompts.MEDIA == prompts.STYLES
    assert len(emoji.WEIGHTS) == len(prompts.STYLES)
