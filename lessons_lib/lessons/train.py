"""Train on MNIST: a race of two optimisers on the same digits; the trainings themselves are lessons_lib.training's."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lessons_lib.files import kept
from lessons_lib.files.film import OPENINGS
from lessons_lib.mnist import load_digits
from lessons_lib.models.digits import COURSE
from lessons_lib.training.digits import train

MODELS = ("mnist",)
RUNNERS = {"adam": 1e-3, "muon": 0.02}  # optimiser -> its learning rate: the course's, and the one Muon is used with
EVERY = 10  # steps a point of the curves stands for


def race(num_images: int = 4000, epochs: int = 3, num_hiddens: int = 16) -> Iterator[dict]:
    """The class-conditioned network from the same weights, on the same batches of the same digits, by both optimisers.

    Rows: step; adam, muon: the mean training loss of the last EVERY steps (mean squared error of eps).
    """
    digits = load_digits("train")
    settings = replace(COURSE["class_conditioned"], num_hiddens=num_hiddens, batch_size=64, epochs=epochs, num_digits=num_images)
    curves: dict[str, list[float]] = {}
    for optimizer, lr in RUNNERS.items():
        with tempfile.TemporaryDirectory() as folder:
            run = train(replace(settings, optimizer=optimizer, lr=lr), digits, Path(folder), checkpoint_seconds=1e9)
            with closing(run):
                curves[optimizer] = [p.loss for p in run]
    total = len(next(iter(curves.values())))
    for step in range(EVERY, total + 1, EVERY):
        yield {"step": step, **{name: sum(loss[step - EVERY : step]) / EVERY for name, loss in curves.items()}}


MEASURES = {"race": race}


def card() -> kept.Card:
    """A 0 early in a training, later, and last."""
    samples = json.loads((OPENINGS / "train.json").read_text())["samples"]
    drawn = [Image.open(io.BytesIO(base64.b64decode(s["picture"].partition(",")[2]))).convert("L") for s in samples]
    tiles = [np.asarray(drawn[i])[None, :28, :28] for i in (0, 1, -1)]
    return kept.Card("a 0 as drawn early in a training, later, and last", tiles)
