"""The two pages on the one-step denoiser, whatever epochs ship."""

import pytest

from tests.pages import opened, press
from tests.part_b import ship, shown


def pictures(at) -> list[str]:
    return [one.alt for image in at.image for one in image.proto.imgs]


@pytest.mark.parametrize("slug", ["one_step", "out_of_its_depth"])
def test_without_weights_one_sentence_and_the_rest_of_the_page(slug, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path)
    at = opened(slug)
    assert not at.exception
    assert [e.value for e in at.info if "No weights" in e.value]
    assert [t for t in at.tabs if t.label == "Code"]


def test_one_step_compares_first_and_last_epoch(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1, 5))
    at = opened("one_step")
    assert not at.exception
    assert not at.error
    alts = " ".join(pictures(at))
    assert "after epoch 1: MSE" in alts
    assert "after epoch 5: MSE" in alts
    assert all(f"sigma: {s:g}" in alts for s in (0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0))
    assert "epochs 1, 5 of the 5" in shown(at)
    table = at.table[0].value
    assert list(table.iloc[:, 0]) == [
        "noisy input",
        "network untrained",
        "network after epoch 1",
        "network after epoch 5",
        "original",
    ]
    assert table["MSE"].iloc[-1] == "0.0000"


def test_with_one_epoch_the_untrained_network_stands_beside_it(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1,))
    alts = " ".join(pictures(opened("one_step")))
    assert "untrained: MSE" in alts
    assert "after epoch 1: MSE" in alts


def test_scrubbing_the_epoch_changes_the_ten_digits(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1, 5))
    at = opened("one_step")
    last = [one.url for i in at.image for one in i.proto.imgs if "cleaned, after epoch 5" in one.alt]
    at.select_slider(key="one_step_epoch").set_value(0).run()
    first = [one.url for i in at.image for one in i.proto.imgs if "cleaned, untrained" in one.alt]
    assert len(last) == len(first) == 10
    assert last != first


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, False),
        ("[235, 400, 9999]", True),
        ("[235, ", False),
    ],
)
def test_the_curve_says_where_its_training_went_on_another_day(tmp_path, monkeypatch, written, said):
    ship(monkeypatch, tmp_path, one_step=(1, 5))
    if written is not None:
        (tmp_path / "one_step" / "restarts.json").write_text(written)
    words = shown(opened("one_step"))
    assert ("after step 235 and 400:" in words) == said
    assert ("another day" in words) == said


def test_out_of_its_depth_follows_sigma(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1,))
    at = opened("out_of_its_depth", out_of_its_depth_sigma="1.5")
    assert not at.exception
    assert any("sigma 1.5" in alt for alt in pictures(at))
    clean = opened("out_of_its_depth", out_of_its_depth_sigma="0")
    assert any("z, sigma 0" in alt and "MSE" not in alt for alt in pictures(clean))


def test_error_against_sigma_is_measured_live(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1,))
    at = press(opened("out_of_its_depth"), "Measure now")
    assert not at.exception
    assert "live: 13 points measured in this session" in shown(at)


@pytest.mark.parametrize("bad", ["NaN", "inf", "-1", "99", "x"])
def test_nonsense_in_the_link(bad, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1,))
    for slug, names in (("one_step", ("epoch", "row", "example", "digit")), ("out_of_its_depth", ("sigma", "input"))):
        at = opened(slug, **{f"{slug}_{n}": bad for n in names}, seed=bad)
        assert not at.exception
        assert not at.error
