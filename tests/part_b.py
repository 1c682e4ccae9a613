"""Tiny untrained networks in the shape of the shipped ones, so that Part B's pages are tested whatever ships."""

import re
from dataclasses import replace

import streamlit as st

from lessons_lib.lessons import _digits as walks
from lessons_lib.models import digits as networks
from lessons_lib.models import opening
from lessons_lib.training import digits as train


def ship(monkeypatch, folder, **epochs_of: tuple[int, ...]) -> None:
    """Let the pages find networks of 4 hidden channels in `folder`: ship(..., one_step=(1, 5)). No others ship."""
    monkeypatch.setattr(networks, "FOLDER", folder)
    monkeypatch.setattr(opening, "_opened", {})  # a model opened on these is not for the tests that follow
    for cached in (
        networks._read,
        networks._untrained,
        networks.step_of,
        networks.losses,
        networks.restarts,
        walks.shared,
    ):
        cached.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()
    for network, epochs in epochs_of.items():
        (folder / network).mkdir()
        settings = replace(train.COURSE[network], num_hiddens=4)
        for epoch in epochs:
            unet = train.make_unet(replace(settings, seed=epoch))
            unet.out.bias.data.fill_(epoch / 10)  # so that the epochs' pictures differ
            train.save_weights(folder / network / f"epoch-{epoch:02d}.safetensors", unet, settings, epoch * 100)
        lines = [f"{i},{1 / i}" for i in range(1, 100 * max(epochs) + 1)]
        (folder / network / "losses.csv").write_text("\n".join(["step,loss", *lines, ""]))


def shown(at) -> str:
    """All words on the page."""
    return "\n".join(e.value for kind in ("markdown", "caption", "info", "header") for e in getattr(at, kind))


def read_by_the_judge(at) -> list[tuple[str, str]]:
    """What stands under the digits of a page that shows them five by five: (what the judge reads, its mark) of each."""
    captions = [one.caption for image in at.image for one in image.proto.imgs]
    return [found for caption in captions for found in re.findall("(\\d)([\u2713\u2717])", caption)]
