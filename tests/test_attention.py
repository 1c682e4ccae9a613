"""Where a network looks: against diffusers' own attention scores, without changing its answer; words from token pieces."""

import pytest
import torch
from diffusers.models.attention_processor import AttnAddedKVProcessor, AttnProcessor

from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import attention as looking
from lessons_lib.models.text_to_image import network_of
from lessons_lib.training.if_format import TEXT_WIDTH, make_unet


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return make_unet((8, 16), size=16, groups=4, head=8, time_width=32).eval()


def asked():
    g = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, 16, 16, generator=g), torch.tensor([500]), torch.randn(1, 77, TEXT_WIDTH, generator=g)


@torch.no_grad()
def test_the_shares_are_diffusers_own_and_the_answer_is_the_same(unet):
    x, t, embeds = asked()
    plain = unet(x, t, embeds).sample
    before = dict(unet.attn_processors)
    with looking.watched(unet) as found:
        seen = unet(x, t, embeds).sample
    assert torch.equal(seen, plain)
    assert unet.attn_processors == before
    scores = []
    theirs = {name: AttnAddedKVProcessor() for name in before}
    unet.set_attn_processor(theirs)
    kept = {}
    try:
        for module in unet.modules():
            if hasattr(module, "get_attention_scores"):
                kept[module] = module.get_attention_scores

                def noted(*args, own=module.get_attention_scores):
                    scores.append(own(*args))
                    return scores[-1]

                module.get_attention_scores = noted
        unet(x, t, embeds)
    finally:
        for module, own in kept.items():
            module.get_attention_scores = own
        unet.set_attn_processor(before)
    assert len(found) == len(scores) > 1
    for ours, probabilities in zip(found, scores, strict=True):  # (heads, places, 77 + places)
        mean = probabilities.mean(0)[:, :77].T
        torch.testing.assert_close(ours.flatten(1), mean, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_words_end_padding_and_picture_share_all_of_it(unet):
    x, _, embeds = asked()
    network = network_of(unet, Schedule.cosine(1000), "v_prediction")
    pieces = ["▁a", "▁gl", "oo", "my", "▁cat"]
    seen = looking.attention(unet, network, pieces, embeds, x, 500)
    assert seen.words == ("a", "gloomy", "cat")
    assert seen.maps.shape[0] == 3
    assert bool((seen.maps >= 0).all())
    assert sum(seen.shares) + seen.end + seen.padding + seen.picture == pytest.approx(1, abs=1e-4)
    assert seen.padding > seen.end > 0


def test_an_empty_prompt_has_no_words(unet):
    x, _, embeds = asked()
    seen = looking.attention(unet, network_of(unet, Schedule.cosine(1000), "v_prediction"), [], embeds, x, 500)
    assert seen.words == ()
    assert seen.shares == []
    assert seen.end + seen.padding + seen.picture == pytest.approx(1, abs=1e-4)


def test_another_kind_of_attention_is_said(unet):
    before = dict(unet.attn_processors)
    unet.set_attn_processor({name: AttnProcessor() for name in before})
    try:
        with pytest.raises(TypeError, match="another kind"), looking.watched(unet):
            pass
    finally:
        unet.set_attn_processor(before)


def test_an_error_leaves_nothing_behind(unet):
    before = dict(unet.attn_processors)
    with pytest.raises(RuntimeError, match="on purpose"), looking.watched(unet):
        raise RuntimeError("on purpose")
    assert unet.attn_processors == before


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], []),
        (["▁a", "▁cat"], [("a", [0]), ("cat", [1])]),
        (["▁", "g", "l", "▁cat"], [("gl", [0, 1, 2]), ("cat", [3])]),
        (["x", "y"], [("xy", [0, 1])]),
    ],
)
def test_pieces_make_words(pieces, words):
    assert looking.words_of(pieces) == words
