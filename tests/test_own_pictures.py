"""Training on one's own pictures: a zip or a folder of them, whatever a person may put into it."""

import io
import json
import re
import resource
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.models.digits import COURSE
from lessons_lib.places import ROOT
from lessons_lib.training import own_pictures, runs, worker
from tests.pages import address, opened
from tests.part_b import shown

TINY = replace(COURSE["class_conditioned"], num_hiddens=4, batch_size=8, epochs=2, T=20)


def drawn(kind="PNG", size=(28, 28), ink=255, paper=0, mode="L", at=0, hair=False) -> bytes:
    """A stroke on paper, or a hair."""
    picture = Image.new("L", size, paper)
    w, h = size
    width = 1 if hair else max(2, w // 10)
    ImageDraw.Draw(picture).line((w // 3 + at % 5, h // 5, w // 2, h * 4 // 5), fill=ink, width=width)
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def zipped(files: dict[str, bytes], how=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return buffer.getvalue()


def clear() -> bytes:
    """Nothing at all, on transparency."""
    buffer = io.BytesIO()
    Image.new("RGBA", (28, 28)).save(buffer, "PNG")
    return buffer.getvalue()


def some(folders=("0", "1"), of_each=6, ending="png", **how) -> dict[str, bytes]:
    return {f"{folder}/{i}.{ending}": drawn(at=i, **how) for folder in folders for i in range(of_each)}


def changes(found) -> str:
    return "; ".join(found.changes)


def test_digits_keep_their_labels():
    found = own_pictures.from_zip(zipped(some(("3", "7"))))
    assert found.digits.images.shape == (12, 1, 28, 28)
    assert sorted(found.digits.labels.tolist()) == [3] * 6 + [7] * 6
    assert found.changes == ("labels by folder: 3, 7",)
    mixed = found.digits.labels.tolist()
    assert mixed not in ([3] * 6 + [7] * 6, [7] * 6 + [3] * 6)  # so that the first so many are of all kinds


def test_other_names_are_numbered_and_said():
    found = own_pictures.from_zip(zipped(some(("set/hund", "set/Katze", "set/Ärger"))))
    assert found.classes == ("Katze", "hund", "Ärger")
    assert "0 is Katze, 1 is hund, 2 is Ärger" in changes(found)
    assert "of Katze, hund, Ärger" in found.digits.source


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (some(size=(64, 64)), "all made 28 x 28"),
        (some(size=(300, 100)), "all made 28 x 28"),
        (some(ink=0, paper=255), "all turned, dark ink on light paper"),
        (some(ink=30, paper=200, size=(200, 200)), "all turned, dark ink on light paper"),
        (some(("0",), ink=0, paper=255) | some(("1",)), "6 of 12 turned, dark ink on light paper"),
        (some(("a",)) | some(("b",), of_each=1, size=(40, 40)) | some(("c",)), "1 of 13 made 28 x 28"),
        (some() | {"0/notes.txt": b"hello", "README.md": b"x"}, "2 files that are no pictures left out"),
        (some() | {"0/notes.txt": b"hello"}, "1 file that is no picture left out, such as 0/notes.txt"),
        (some(("",), of_each=12), "no labels"),
        (some(kind="JPEG", ending="JPG", size=(50, 50)), "made 28 x 28"),
        (some(kind="BMP", ending="bmp"), "labels by folder: 0, 1"),
        (some(mode="RGBA"), "labels by folder: 0, 1"),
    ],
)
def test_what_is_changed_is_said(files, said):
    found = own_pictures.from_zip(zipped({k.lstrip("/"): v for k, v in files.items()}))
    assert said in changes(found)
    ink = found.digits.images.float().mean((1, 2, 3))
    assert ink.min() > 2
    assert ink.max() < 100  # light ink on dark paper, and nothing lost at the edge


@pytest.mark.parametrize(
    ("folders", "classes", "labels"),
    [
        ([str(i) for i in range(1, 11)], tuple("123456789") + ("10",), range(10)),  # as people count
        (("00", "07"), tuple("0123456789"), (0, 7)),
        (("３", "٤"), tuple("0123456789"), (3, 4)),
        (("1 ", "2"), tuple("0123456789"), (1, 2)),
        (("3", "03"), ("03", "3"), (0, 1)),  # two folders are two labels
        (("7" * 5000, "8"), ("8", "7" * 39 + "…"), (0, 1)),
        (("class 10", "class 9"), ("class 9", "class 10"), (0, 1)),
    ],
)
def test_folders_that_are_named_by_numbers(folders, classes, labels):
    found = own_pictures.of(some(folders).items())
    assert found.classes == classes
    assert set(found.digits.labels.tolist()) == set(labels)
    assert len(found.changes[0]) < 200


def test_some_blank_ones_are_said():
    assert "1 of 13 blank" in changes(own_pictures.from_zip(zipped(some() | {"0/empty.png": drawn(ink=0)})))


def with_doubles(files: list[tuple[str, bytes]]) -> bytes:
    """A ZIP as it becomes when somebody adds to it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as z:
        warnings.simplefilter("ignore")  # of Python's, that the name is there
        for name, data in files:
            z.writestr(name, data)
    return buffer.getvalue()


def test_two_files_of_one_name_are_two_pictures():
    found = own_pictures.from_zip(with_doubles([("3/scan.png", drawn(at=i)) for i in range(12)]))
    assert len(found.digits.images) == 12
    assert len({d.numpy().tobytes() for d in found.digits.images}) == 5  # strokes at five places
    names = ("a.b/scan", "a.b/scan", "x.png", "x (2).png", "x.png")
    unpacked = decoders.unzip(with_doubles([(n, n.encode()) for n in names]), said="no")
    assert list(unpacked) == ["a.b/scan", "a.b/scan (2)", "x.png", "x (2).png", "x (3).png"]


def test_names_that_a_mac_packed_are_shown_as_typed():
    """Its archives hold UTF-8, letters and accents apart, without the flag that says so."""
    packed = zipped(some(("Aepfel", "Birnen"))).replace(b"Aepfel", "A\u0308ple".encode())
    assert own_pictures.from_zip(packed).classes == ("Birnen", "\u00c4ple")


@pytest.mark.parametrize(
    ("name", "kind"), [("0/no ending", "PNG"), ("0/photo.jfif", "JPEG"), ("../0/up.png", "PNG"), ("0/x.png.bak", "BMP")]
)
def test_a_picture_is_known_by_what_it_holds(name, kind):
    found = own_pictures.of((some() | {name: drawn(kind)}).items())
    assert len(found.digits) == 13
    assert found.changes == ("labels by folder: 0, 1",)


@pytest.mark.parametrize("size", [(1, 65_000), (65_000, 1), (3_000_000, 2), (1, 1), (28, 27), (2, 1)])
def test_a_picture_of_any_shape_takes_little_memory(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = own_pictures.of((some() | {"0/long.png": drawn(size=size)}).items())
    assert "1 of 13 made 28 x 28" in changes(found)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB; a square around it had 4 GB


def test_a_system_s_own_files_are_no_pictures():
    clutter = {"__MACOSX/0/._1.png": b"x", "0/.DS_Store": b"x", "0/Thumbs.db": b"x", ".git/a.png": b"x"}
    assert own_pictures.from_zip(zipped(some() | clutter)).changes == ("labels by folder: 0, 1",)


def test_colour_is_said():
    buffer = io.BytesIO()
    picture = Image.new("RGB", (28, 28))
    ImageDraw.Draw(picture).line((9, 5, 14, 22), fill=(255, 80, 0), width=3)
    picture.save(buffer, "PNG")
    assert "1 of 13 made grey" in changes(own_pictures.from_zip(zipped(some() | {"0/z.png": buffer.getvalue()})))


def bomb() -> bytes:
    return zipped({f"0/{i}.png": bytes(40 * decoders.MB) for i in range(12)})


def a_picture_too_large() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    return buffer.getvalue()


REFUSED = {
    "no zip": (lambda: b"hello", "not a ZIP"),
    "cut short": (lambda: zipped(some())[:300], "not a ZIP"),
    "a bomb": (bomb, "unpacks to"),
    "a picture bomb": (lambda: zipped(some() | {"0/big.png": a_picture_too_large()}), "0/big.png"),
    "a broken picture": (lambda: zipped(some() | {"1/x.png": drawn()[:60]}), "1/x.png: This picture is broken"),
    "no picture under a picture's name": (
        lambda: zipped(some() | {"1/x.png": b"MZ\x90\0"}),
        "1/x.png: This file is not a picture",
    ),
    "an empty picture": (lambda: zipped(some() | {"1/x.png": b""}), "1/x.png: This file is empty"),
    "too few": (lambda: zipped(some(of_each=2)), "4 pictures are in it"),
    "one": (lambda: zipped(some(("0",), 1)), "1 picture is in it"),
    "none": (lambda: zipped({"a.txt": b"x"}), "0 pictures are in it"),
    "a zip in a zip": (lambda: zipped({"a.zip": zipped(some())}), "0 pictures are in it"),
    "too many labels": (lambda: zipped(some([f"c{i}" for i in range(11)], 2)), "11 folders"),
    "all blank": (lambda: zipped(some(ink=0)), "All 12 pictures are blank"),
    "white paper": (lambda: zipped(some(ink=255, paper=255, size=(200, 100))), "All 12 pictures are blank"),
    "a pencil that nobody sees": (lambda: zipped(some(ink=252, paper=255)), "All 12 pictures are blank"),
    "a hair on a poster": (lambda: zipped(some(ink=40, size=(3000, 3000), hair=True)), "All 12 pictures are blank"),
    "transparent": (lambda: zipped({f"0/{i}.png": clear() for i in range(12)}), "All 12 pictures are blank"),
    "locked": (lambda: locked(), "password"),
    "a rare way to pack": (lambda: zipped(some(), zipfile.ZIP_LZMA), "rare way"),
    "empty": (lambda: b"", "empty"),
}


def locked() -> bytes:
    data = bytearray(zipped(some()))
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        i = -1
        while (i := data.find(head, i + 1)) >= 0:
            data[i + flags] |= 1
    return bytes(data)


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_one_sentence(what):
    made, said = REFUSED[what]
    with pytest.raises(LessonsError, match=".") as e:
        own_pictures.from_zip(made())
    assert said in str(e.value)
    assert "\n" not in str(e.value)


def test_a_folder_is_as_good(tmp_path):
    for name, data in some(("Föhn wetter", "b")).items():
        path = tmp_path / "meine bilder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "meine bilder" / "b" / "away.png").symlink_to("/etc/passwd")  # not followed
    found = own_pictures.from_folder(tmp_path / "meine bilder")
    assert len(found.digits) == 12
    assert found.classes == ("Föhn wetter", "b")
    with pytest.raises(LessonsError, match="no folder"):
        own_pictures.from_folder(tmp_path / "nowhere")


def test_what_is_kept_comes_back(tmp_path):
    found = own_pictures.from_zip(zipped(some(("cat", "dog"))))
    own_pictures.write(tmp_path / own_pictures.NAME, found)
    back = own_pictures.read(tmp_path / own_pictures.NAME)
    assert back.source == found.digits.source
    assert np.array_equal(back.images, found.digits.images)
    assert np.array_equal(back.labels, found.digits.labels)
    whole = (tmp_path / own_pictures.NAME).read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"hello"):
        (tmp_path / own_pictures.NAME).write_bytes(damaged)
        with pytest.raises(LessonsError):
            own_pictures.read(tmp_path / own_pictures.NAME)
    (tmp_path / own_pictures.NAME).unlink()
    with pytest.raises(LessonsError):
        own_pictures.read(tmp_path / own_pictures.NAME)


# --- a run of them ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(runs, "_start_waiting", lambda: "")
    return tmp_path / "runs"


def test_a_run_of_ones_own_pictures_needs_nothing_but_its_folder(folder):
    found = own_pictures.from_zip(zipped(some(("cat", "dog"), 10)))
    run = runs.start(TINY, pictures=found)
    assert worker.main(folder / run)  # another process would do just this
    state = runs.watch(run)
    assert (state.status, state.said) == ("finished", "")
    assert state.data == found.digits.source
    assert runs.finished(["class_conditioned"]) == {run: TINY}
    assert len(list((folder / run).glob("epoch-*.safetensors"))) == 2


def test_pictures_that_were_lost_are_said(folder):
    run = runs.start(TINY, pictures=own_pictures.from_zip(zipped(some())))
    (folder / run / own_pictures.NAME).unlink()
    worker.main(folder / run)
    assert runs.watch(run).status == "failed"
    assert "pictures.npz" in runs.watch(run).said


def test_the_page_takes_a_zip_and_trains_on_it(folder):
    at = opened("train", train_on="my own, a zip")
    train = next(b for b in at.button if b.label == "Train")
    assert train.disabled
    at = at.file_uploader(key="train_pictures_zip").upload("mine.zip", zipped(some(("c*t", "d_g"))), "application/zip").run()
    assert not at.exception
    assert not at.error
    assert "12 pictures" in shown(at)
    assert "No link can hold your pictures" in shown(at)
    assert address(at)["train_on"] == "my own, a zip"
    at = next(b for b in at.button if b.label == "Train").click().run()
    assert not at.exception
    (run,) = runs.last_runs()
    assert json.loads((folder / run / "start.json").read_text())["data"] == own_pictures.NAME
    assert len(own_pictures.read(folder / run / own_pictures.NAME)) == 12


def test_the_page_refuses_in_one_sentence(folder):
    at = opened("train", train_on="my own, a zip")
    at = at.file_uploader(key="train_pictures_zip").upload("x.zip", b"hello", "application/zip").run()
    assert not at.exception
    assert [e.value for e in at.error] == [own_pictures.NO_ZIP]
    assert next(b for b in at.button if b.label == "Train").disabled


def test_names_of_folders_are_shown_as_typed(folder):
    """They stand in the run's own line, for whoever has its link."""
    named = some(("![x](http:__host_t.png)", ":red[b]", "<b>"), 4)
    found = own_pictures.from_zip(zipped(named))
    run = runs.start(TINY, pictures=found)
    worker.main(folder / run)
    at = opened("train", run=run)
    assert not at.exception
    assert plain(next(m.value for m in at.markdown if "own pictures" in m.value))
    given = opened("train", train_on="my own, a zip").file_uploader(key="train_pictures_zip")
    at = given.upload("a.zip", zipped(named), "application/zip").run()
    assert not at.exception
    assert plain(next(c.value for c in at.caption if "12 pictures" in c.value))


def plain(markdown: str) -> bool:
    """True if what could be read as a picture, a colour or a tag stands in code alone."""
    outside = re.sub(r"(`+).+?\1", "", markdown)
    return "x" in markdown and not any(sign in outside for sign in ("![", ":red[", "<b>"))


def test_the_command_line_takes_both(tmp_path):
    (tmp_path / "mine.zip").write_bytes(zipped(some(("cat", "dog"))))
    command = [sys.executable, "-m", "lessons_lib.training.digits", "one_step", "--num-hiddens", "4", "--epochs", "1"]
    how = {"cwd": ROOT, "capture_output": True, "text": True}
    done = subprocess.run([*command, "--pictures", tmp_path / "mine.zip", "--folder", tmp_path / "run"], **how)
    assert done.returncode == 0, done.stderr
    assert "0 is cat, 1 is dog" in done.stdout
    assert "12 own pictures of cat, dog" in (tmp_path / "run" / "settings.json").read_text()
    done = subprocess.run([*command, "--pictures", tmp_path / "no.zip"], **how)
    assert done.returncode == 1
    assert "no.zip cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
