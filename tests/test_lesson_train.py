"""The small model's training as an exhibit: its sheets, its log, and what the page says of them."""

import numpy as np
from PIL import Image

from lessons_lib.lessons.train import IN_TRAINING, SHEET_PROMPTS, log, sheets, tiles
from tests.pages import opened


def test_a_sheet_falls_into_its_pictures():
    """Row by row, five a row, as the trainer lays them."""
    path = next(iter(sheets().values()))
    whole = np.asarray(Image.open(path).convert("RGB"))
    pictures = tiles(path)
    assert pictures.shape == (len(SHEET_PROMPTS), 3, 64, 64)
    for i in (0, 4, 5, 19):
        y, x = 64 * (i // 5), 64 * (i % 5)
        assert np.array_equal(pictures[i].transpose(1, 2, 0), whole[y : y + 64, x : x + 64])


def test_colours_come_before_shapes():
    """What the caption says: from the first sheet to the last the error falls, and least of all where there is most noise."""
    rows = log()
    assert [r["images"] for r in rows] == sorted(r["images"] for r in rows)
    assert rows[-1]["loss"] < 0.2 * rows[0]["loss"]
    assert rows[-1]["loss_held_out"] > rows[-1]["loss"], "pairs that it never sees are harder"
    first, last = rows[0]["loss_quarters"], rows[-1]["loss_quarters"]
    fallen = [a / b for a, b in zip(first, last, strict=True)]
    assert min(fallen) == fallen[3] < fallen[0] / 2


def test_the_page_follows_the_slider():
    seen = list(sheets())
    assert len(seen) >= 8
    assert (IN_TRAINING / f"sheet-{seen[0]:08d}.webp").exists()
    app = opened("train", seen=str(seen[0]))
    assert app.select_slider(key="train_seen").value == seen[0]
    app.select_slider(key="train_seen").set_value(seen[-1]).run()
    assert not app.exception


def test_the_courses_of_both_years_can_be_trained():
    app = opened("train", preset="course of 2025: the same, without the scheduler")
    assert not app.exception
    assert app.selectbox(key="train_preset").value == "course of 2025: the same, without the scheduler"
    (falls,) = (t for t in app.toggle if t.label == "the learning rate falls to a tenth")
    assert not falls.value
    (network,) = (s for s in app.selectbox if s.label == "network")
    assert network.value == "class_flow"
