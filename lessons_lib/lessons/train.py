"""Train on MNIST: a race of two optimisers on the same digits; the trainings themselves are lessons_lib.training's."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from lessons_lib.files import kept
from lessons_lib.files.film import OPENINGS
from lessons_lib.mnist import load_digits
from lessons_lib.models.digits import COURSE
from lessons_lib.places import CACHE
from lessons_lib.training.digits import train
from lessons_lib.training.emoji import SHEET_PROMPTS

MODELS = ("mnist",)
IN_TRAINING = CACHE / "text_to_image" / "stage1_next"
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


def sheets() -> dict[int, Path]:
    """{pictures seen: file} of what the small model's trainer drew on its way: SHEET_PROMPTS, five a row, always from the same noise."""
    return {int(p.stem.split("-")[1]): p for p in sorted(IN_TRAINING.glob("sheet-*.webp"))}


@cache
def tiles(sheet: Path) -> np.ndarray:
    """A sheet's pictures in the order of SHEET_PROMPTS: (20, 3, 64, 64) uint8."""
    with Image.open(sheet) as file:
        whole = np.asarray(file.convert("RGB"))
    side = whole.shape[1] // 5
    rows = whole.reshape(-1, side, 5, side, 3).transpose(0, 2, 4, 1, 3)
    return rows.reshape(-1, 3, side, side)[: len(SHEET_PROMPTS)]


def log() -> list[dict]:
    """The lines of the small model's training, each with images, loss and loss_held_out: the mean squared error of v by the averaged
    network, on pictures it trains on and on pairs of thing and style it never does."""
    lines = (json.loads(line) for line in (IN_TRAINING / "log.jsonl").read_text().splitlines())
    return [line for line in lines if "loss_held_out" in line]


def card() -> kept.Card:
    """A 0 early in a training, later, and last."""
    samples = json.loads((OPENINGS / "train.json").read_text())["samples"]
    drawn = [Image.open(io.BytesIO(base64.b64decode(s["picture"].partition(",")[2]))).convert("L") for s in samples]
    tiles = [np.asarray(drawn[i])[None, :28, :28] for i in (0, 1, -1)]
    return kept.Card("a 0 as drawn early in a training, later, and last", tiles)
