"""The page Inside the UNet, whatever ships."""

import pytest

from tests.pages import captions, opened
from tests.part_b import ship, shown

NETWORKS = ("one_step", "time_conditioned", "class_conditioned", "flow_matching")


def test_without_weights_the_architecture_still_stands(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path)
    at = opened("unet", unet_num_hiddens="128", unet_network="one_step")
    assert not at.exception
    assert at.metric[0].value == "7,891,073"
    assert any("No weights" in e.value for e in at.info)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network(network, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, **{n: (1,) for n in NETWORKS})
    at = opened("unet", unet_network=network)
    assert not at.exception
    assert not at.error
    assert "weights ship after epoch 1" in shown(at)
    alts = [one.alt for i in at.image for one in i.proto.imgs]
    assert any("feature maps of down2" in a for a in alts)
    assert any("after time and class" in a for a in alts) == (network != "one_step")


def test_a_block_is_drawn_with_its_operations_and_named_with_all_its_channels(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(1,))
    at = opened("unet", unet_block="unflatten")
    images = [one for i in at.image for one in i.proto.imgs]
    assert any(
        one.alt == "What happens in unflatten: ConvTranspose2d 7 x 7, stride 7, padding 0, BatchNorm2d, GELU" for one in images
    )


def test_a_block_of_which_some_channels_are_drawn_is_named_with_all():
    """Of the network that ships: 128 channels leave unflatten, and 32 of them are drawn beside what time and class do to them."""
    said = captions(opened("unet"))
    assert any(c.startswith("unflatten: 128 x 7 x 7; channels 0 to 31 of 128;") for c in said)


@pytest.mark.parametrize("block", ["flatten", "out", "time1", "class2"])
def test_every_kind_of_block_shows_its_maps(block, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(1,))
    at = opened("unet", unet_block=block)
    assert not at.exception
    assert any(f"feature maps of {block}" in one.alt for i in at.image for one in i.proto.imgs)


def test_cutting_a_skip_shows_both_guesses(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(1,))
    at = opened("unet", unet_cut_28="true")
    said = " ".join(captions(at))
    assert "clean guess, skips cut: PSNR" in said
    table = next(t.value for t in at.table if "skips" in t.value)
    assert list(table["skips"]) == ["none cut", "cut at 28 x 28", "cut at 14 x 14", "cut at 7 x 7", "all cut"]


@pytest.mark.parametrize("bad", ["NaN", "inf", "-1", "99", "x"])
def test_nonsense_in_the_link(bad, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(1,))
    names = ("network", "num_hiddens", "block", "t", "t_flow", "class", "place", "cut_7", "digit")
    at = opened("unet", **{f"unet_{n}": bad for n in names}, seed=bad)
    assert not at.exception
    assert not at.error
