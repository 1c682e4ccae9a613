"""The page Adding class, whatever epochs ship."""

import pytest

from tests.pages import opened
from tests.part_b import read_by_the_judge, ship, shown


def run(at, epoch: int):
    at.button(key=f"class_film_{epoch}_mnist_run").click()
    return at.run()


def test_without_weights_one_sentence(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path)
    at = opened("class")
    assert not at.exception
    assert any("No weights" in e.value for e in at.info)


def test_forty_digits_each_read_by_the_judge(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(5, 20))
    at = run(opened("class", class_num_inference_steps="6"), 20)
    assert not at.exception
    assert not at.error
    under = read_by_the_judge(at)
    assert len(under) == 40
    assert all((digit == str(i % 10)) == (mark == "\u2713") for i, (digit, mark) in enumerate(under))
    assert at.metric[0].value == f"{sum(mark == chr(0x2713) for _, mark in under)} of 40"
    assert "**live**" in shown(at)


def test_each_epoch_has_its_own_film(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(5, 20))
    at = run(opened("class", class_num_inference_steps="6"), 20)
    at.select_slider(key="class_epoch").set_value(5).run()
    assert not at.exception
    assert "**live**" not in shown(at)
    assert "**live**" in shown(run(at, 5))


@pytest.mark.parametrize("bad", ["NaN", "inf", "-1", "99", "x"])
def test_nonsense_in_the_link(bad, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(1,))
    at = opened("class", **{f"class_{n}": bad for n in ("epoch", "guidance_scale", "num_inference_steps")}, seed=bad)
    assert not at.exception
    assert not at.error
