"""The page Flow matching, whatever epochs ship."""

import pytest

from tests.pages import opened, press
from tests.part_b import read_by_the_judge, ship, shown


def test_without_weights_one_sentence(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(5,))
    at = opened("flow")
    assert not at.exception
    assert any("No weights of the flow-matching network" in e.value for e in at.info)


def test_both_walks_run_and_are_read(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, flow_matching=(1, 5), class_conditioned=(5,))
    at = press(opened("flow", flow_num_inference_steps="3", flow_diffusion_steps="5"), "Run")
    assert not at.exception
    assert not at.error
    under = read_by_the_judge(at)
    assert len(under) == 40
    rights = [sum(mark == "\u2713" for _, mark in half) for half in (under[:20], under[20:])]
    words = shown(at)
    assert f"Flow matching: {rights[0]}, Diffusion: {rights[1]}" in words
    assert "num_inference_steps 3" in words
    assert "num_inference_steps 5" in words
    assert words.count("**live**") == 2


@pytest.mark.parametrize(("convention", "said"), [("flow matching", "t runs from 0"), ("diffusion", "timestep")])
def test_the_same_numbers_in_either_language(convention, said, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, flow_matching=(1,), class_conditioned=(5,))
    at = press(opened("flow", flow_num_inference_steps="2", flow_diffusion_steps="2", flow_convention=convention), "Run")
    assert not at.exception
    assert said in shown(at)
    walked_to = next(c.value for c in at.caption if "the walk went on to" in c.value).split()[-1].rstrip(".")
    results = [m.value.rsplit("=", 1)[-1].strip("$\n ").removesuffix(r"\end{align*}") for m in at.latex if "x_{t'}" in m.value]
    assert walked_to in results, (walked_to, results)


@pytest.mark.parametrize("bad", ["NaN", "inf", "-1", "x"])
def test_nonsense_in_the_link(bad, tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, flow_matching=(1,), class_conditioned=(5,))
    names = ("epoch", "guidance_scale", "num_inference_steps", "diffusion_steps", "sampler", "convention")
    at = opened("flow", **{f"flow_{n}": bad for n in names}, seed=bad)
    assert not at.exception
    assert not at.error
