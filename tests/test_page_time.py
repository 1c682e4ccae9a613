"""The page Adding time, whatever epochs ship."""

import pytest

from tests.pages import opened
from tests.part_b import ship, shown


def run(at, walk: str):
    at.button(key=f"time_{walk}_mnist_run").click()
    return at.run()


def test_without_weights_one_sentence(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path)
    at = opened("time")
    assert not at.exception
    assert any("No weights" in e.value for e in at.info)


def test_a_walk_with_a_row_for_each_epoch(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, time_conditioned=(1, 5, 20))
    at = run(opened("time", time_num_inference_steps="10"), "film")
    assert not at.exception
    assert not at.error
    captions = [one.caption for i in at.image for one in i.proto.imgs]
    assert captions[:3] == ["after epoch 1", "after epoch 5", "after epoch 20"]
    assert "**live**" in shown(at)


def test_the_curve_says_what_it_would_be_for_digits_in_0_to_1():
    assert "ends near 0.027" in shown(opened("time"))
    assert "ends near 0.09" in shown(opened("flow"))
    assert "Digits are in [-1, 1] here" not in shown(opened("one_step"))  # there they are in [0, 1]


def test_one_epoch_is_compared_with_the_untrained_network(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, time_conditioned=(3,))
    at = run(opened("time", time_num_inference_steps="10"), "film")
    assert [one.caption for i in at.image for one in i.proto.imgs][:2] == ["untrained", "after epoch 3"]


def test_a_lie_of_nothing_leaves_both_rows_equal(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, time_conditioned=(1,))
    link = {"time_num_inference_steps": "10", "time_lie": "shifted"}
    assert "RMS difference between the rows: 0.000" in shown(run(opened("time", time_amount="0", **link), "lie"))
    at = run(opened("time", time_amount="0.5", **link), "lie")
    assert not at.exception
    assert "RMS difference between the rows: 0.000" not in shown(at)
    assert "RMS difference between the rows" in shown(at)


@pytest.mark.parametrize("bad", ["NaN", "inf", "-1", "99", "x"])
def test_nonsense_in_the_link(bad, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, time_conditioned=(1,))
    names = ("num_inference_steps", "variance_type", "lie", "amount")
    at = opened("time", **{f"time_{n}": bad for n in names}, seed=bad)
    assert not at.exception
    assert not at.error
