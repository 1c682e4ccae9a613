"""Files from outside: seen as a person sees them, measured before they are unpacked, and damaged in every way."""

import io
import json
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageCms, ImageDraw
from safetensors.torch import save

from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.decoders import MB, arrays, json_of, photo, tensors, torch_file, unzip, weights
from lessons_lib.places import ROOT

pillow_heif.register_heif_opener()
NO = "This is no such file."
NOISE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), np.uint8)
CORNER = Image.new("RGB", (60, 40), "blue")  # red at the top left, so that every turn shows
ImageDraw.Draw(CORNER).rectangle((0, 0, 29, 19), "red")


def saved(picture, kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def torch_saved(what, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer, **options)
    return buffer.getvalue()


def npz(**found) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **found)
    return buffer.getvalue()


def zipped(files: dict, packed=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as z:
        for name, content in files.items():
            z.writestr(name, content)
    return buffer.getvalue()


# --- pictures as a person sees them -------------------------------------------------------------------------------------

FORMATS = {
    "PNG": {},
    "JPEG": {"quality": 95},
    "WEBP": {"lossless": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "HEIF": {"quality": 95},
    "AVIF": {"quality": 95},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_named_format_opens(kind):
    seen = photo(saved(CORNER, kind, **FORMATS[kind]))
    assert (seen.picture.mode, seen.picture.size, seen.size, seen.changes) == ("RGB", (60, 40), (60, 40), ())
    assert np.abs(np.asarray(seen.picture, int) - np.asarray(CORNER)).mean() < 6


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX", "DDS", "JPEG2000", "SGI", "IM", "SPIDER", "PDF", "EPS"])
def test_formats_that_are_not_named_do_not_open(kind):
    picture = CORNER.convert("F") if kind == "SPIDER" else CORNER
    with pytest.raises(LessonsError, match="not a picture"):
        photo(saved(picture, kind))


def as_held(orientation: int) -> Image.Image:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return CORNER.transpose(undo[orientation]) if orientation in undo else CORNER


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_sideways(kind, orientation):
    """Upright in every format that can say how it was held, its size told upright, and that it was turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    seen = photo(saved(as_held(orientation), kind, exif=exif, **FORMATS[kind]))
    assert seen.picture.size == seen.size == (60, 40)
    assert np.abs(np.asarray(seen.picture, int) - np.asarray(CORNER)).mean() < 6
    assert bool(seen.changes) == (orientation != 1)
    if orientation in (6, 8):
        assert seen.changes == ("turned upright",)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_heic_that_orders_its_decoder_to_turn_it_is_not_turned_twice(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(as_held(orientation), "HEIF", exif=exif.tobytes(), quality=95)  # as bytes, the encoder obeys it
    assert b"irot" in data or b"imir" in data
    seen = photo(data)
    assert seen.picture.size == seen.size == (60, 40)
    assert np.abs(np.asarray(seen.picture, int) - np.asarray(CORNER)).mean() < 6
    assert len(seen.changes) == 1


def test_a_large_photo_is_reduced_and_its_own_size_told():
    large = Image.fromarray(NOISE).resize((6000, 4000), Image.Resampling.BILINEAR)

    def enough(picture):
        return decoders.ENOUGH / 2 < picture.width * picture.height < 4 * decoders.ENOUGH

    exif = Image.Exif()
    exif[0x0112] = 6
    seen = photo(saved(large, "JPEG", exif=exif))
    assert seen.size == (4000, 6000)
    assert enough(seen.picture)
    seen = photo(saved(large.convert("1")))
    assert seen.size == (6000, 4000)
    assert enough(seen.picture)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_measured_before_it_is_decoded(kind, monkeypatch):
    monkeypatch.setattr(decoders, "MAX_PIXELS", 2399)
    monkeypatch.setattr(decoders, "MAX_PIXELS_OF", {"JPEG": 2399})
    monkeypatch.setattr(decoders, "_as_seen", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(LessonsError, match="60 x 40"):
        photo(saved(CORNER, kind))


def test_a_long_strip_keeps_its_short_side():
    seen = photo(saved(Image.new("L", (40_000, 9), 200)))
    assert seen.picture.size == (40_000, 9)


INK = Image.new("L", (16, 16), 0)
ImageDraw.Draw(INK).rectangle((4, 4, 11, 11), 255)  # where there is ink


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("red", "white"), ("white", "black")])
def test_transparency_is_paper_on_which_the_ink_can_be_seen(mode, ink, paper):
    picture = Image.new("RGB", INK.size, ink)
    picture.putalpha(INK)
    seen = photo(saved(picture.convert(mode)))
    assert seen.changes == (f"its transparent parts filled with {paper}",)
    corner, middle = seen.picture.getpixel((0, 0)), seen.picture.getpixel((8, 8))
    assert corner == ((255,) * 3 if paper == "white" else (0,) * 3)
    assert middle != corner


def test_an_alpha_channel_that_hides_nothing_is_not_told():
    assert photo(saved(CORNER.convert("RGBA"))).changes == ()
    assert photo(saved(Image.new("RGBA", (4, 4), (9, 9, 9, 0)))).picture.getpixel((0, 0)) == (255, 255, 255)


def test_half_transparent_ink_is_half_grey():
    seen = photo(saved(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))).picture.getpixel((1, 1))
    assert all(abs(v - 127) <= 1 for v in seen)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_several_frames_the_first_and_that_is_told(kind):
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "lime", "blue")]
    seen = photo(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert seen.picture.getpixel((8, 8))[0] > 240
    assert "first" in seen.changes[0]


@pytest.mark.parametrize("compression", ["group4", "tiff_lzw", "tiff_adobe_deflate", "packbits", None])
def test_a_scan_in_black_and_white(compression):
    page = Image.new("1", (64, 64), 1)
    ImageDraw.Draw(page).line((10, 10, 50, 50), 0, 6)
    seen = photo(saved(page, "TIFF", compression=compression)).picture
    assert seen.getpixel((0, 0)) == (255, 255, 255)
    assert seen.getpixel((30, 30)) == (0, 0, 0)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_a_pixel(bits):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 250, 120, 10])
    assert photo(saved(picture, bits=bits)).picture.getpixel((3, 3)) == (250, 120, 10)


def test_sixteen_bits_with_one_transparent_grey():
    grey = Image.fromarray(np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8))
    seen = photo(saved(grey, transparency=0))
    assert seen.changes == ("its grey values brought to 8 bits", "its transparent parts filled with white")
    assert seen.picture.getpixel((0, 0)) == (255, 255, 255)
    assert seen.picture.getpixel((1, 0))[0] < 8


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 1e6, 2e6], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([0.0, float("inf"), 1.0], [0, 0, 255]),
    ],
)
def test_floating_point_grey_in_any_range(values, expected):
    seen = np.asarray(photo(saved(Image.fromarray(np.array([values], np.float32)), "TIFF")).picture)[0, :, 0]
    assert np.abs(seen.astype(int) - expected).max() <= 1


def tiff_of(bits: int, photometric: int, pixels: bytes, width: int) -> bytes:
    """A grey TIFF of one row, as scanners write them and Pillow does not."""
    tags = [
        (256, 3, width),
        (257, 3, 1),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 1),
    ]
    tags.append((279, 4, len(pixels)))
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    start = 8 + len(pixels) + len(pixels) % 2
    return (
        b"II*\0" + struct.pack("<I", start) + pixels.ljust(start - 8, b"\0") + struct.pack("<H", len(tags)) + entries + bytes(4)
    )


def test_scans_of_twelve_bits_and_those_that_count_from_white():
    twelve = tiff_of(12, 1, bytes([0xFF, 0xF8, 0x00, 0x00, 0x00, 0x00]), 4)  # 4095, 2048, 0, 0
    assert [photo(twelve).picture.getpixel((x, 0))[0] for x in range(3)] == [255, 128, 0]
    for pixels, bits in ((struct.pack("<2H", 0, 65535), 16), (b"\0\xff", 8), (b"\x7f", 1)):
        seen = photo(tiff_of(bits, 0, pixels, 2)).picture
        assert [seen.getpixel((x, 0))[0] for x in range(2)] == [255, 0], bits


def test_a_jpeg_of_a_thousand_scans():
    data = saved(CORNER, "JPEG", progressive=True)
    scan = data[data.index(b"\xff\xda") : -2]
    with pytest.raises(LessonsError, match="scans"):
        photo(data[:-2] + scan * 100 + b"\xff\xd9")


def test_cmyk_and_lab_keep_their_colours():
    red = photo(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "TIFF")).picture.getpixel((8, 8))
    assert red[0] > 240 > 40 > max(red[1:])
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (16, 16), (200, 30, 30)), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    back = photo(saved(lab, "TIFF")).picture.getpixel((8, 8))
    assert np.abs(np.subtract(back, (200, 30, 30))).max() <= 6


def linear_profile() -> bytes:
    """A display profile with the primaries of sRGB and gamma 1: its mid grey is much lighter than sRGB's."""
    from PIL import ImageCms as cms

    profile = bytearray(cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes())
    for i in range(int.from_bytes(profile[128:132], "big")):
        entry = 132 + 12 * i
        if profile[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            where = int.from_bytes(profile[entry + 4 : entry + 8], "big")
            profile[where : where + 12] = b"curv\0\0\0\0\0\0\0\0"  # no points: the identity
            profile[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
    return (
        bytes(profile).replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be")).replace(b"sRGB built-in", b"line built-in")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_colour_profile_is_used(kind):
    grey = Image.new("RGB", (16, 16), (128, 128, 128))
    assert photo(saved(grey, kind, icc_profile=linear_profile())).picture.getpixel((8, 8))[0] == pytest.approx(188, abs=4)
    assert photo(saved(grey, kind, icc_profile=b"not a profile")).picture.getpixel((8, 8))[0] == pytest.approx(128, abs=3)


def test_a_png_and_a_gif_tell_what_stands_in_them():
    from lessons_lib.files.pictures import to_png

    assert photo(to_png(CORNER, {"seed": 180, "prompt": "a café ☕"})).text == {"seed": "180", "prompt": "a café ☕"}
    assert photo(saved(CORNER, "GIF", comment=b"seed 180")).text == {"comment": "seed 180"}


# --- sizes before unpacking ---------------------------------------------------------------------------------------------


def header(shape, dtype="<f4", version=(1, 0)) -> bytes:
    """A .npy file's head, which may say anything."""
    words = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(words).to_bytes(2 * version[0], "little") + words


TOO_LARGE = {
    "60 MB of zeros": lambda: arrays(npz(a=np.zeros(60 * MB // 8)), said=NO),
    "thirty times 2 MB": lambda: arrays(npz(**{f"a{i}": np.zeros(2 * MB // 8) for i in range(30)}), said=NO),
    "a ZIP of zeros": lambda: unzip(zipped({"a": bytes(60 * MB)}), said=NO),
    "a ZIP of many": lambda: unzip(zipped({str(i): bytes(MB) for i in range(60)}), said=NO),
    "21 MB of arrays": lambda: arrays(bytes(21 * MB), said=NO),
    "201 MB of weights": lambda: tensors(bytes(201 * MB)),
    "21 MB of picture": lambda: photo(b"\x89PNG" + bytes(21 * MB)),
    "9000 x 9000 PNG": lambda: photo(saved(Image.new("1", (9000, 9000)))),
    "12000 x 12000 JPEG": lambda: photo(saved(Image.new("L", (12000, 12000)), "JPEG", quality=1)),
    "20000 x 20000 PNG": lambda: photo(saved(Image.new("1", (20000, 20000)))),
    "many files": lambda: unzip(zipped({str(i): b"" for i in range(decoders.MAX_MEMBERS + 1)}), said=NO),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large_says_so(name):
    with pytest.raises(LessonsError, match=r"MB|\d+ x \d+|million|more than 20,000"):
        TOO_LARGE[name]()


@pytest.mark.parametrize(
    "content",
    [
        header((10**12,)),
        header((10**6, 10**6, 10**6)),
        header((2**63,)),
        header((-1,)),
        header((-5, -5)),
        header((1000,)),
        header((1,), "|V2000000000"),
        header((10**9,), version=(2, 0)),
        header((10**14,), "<U0"),  # values of no bytes
        header((10**14,), "|V0"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 99,
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x03\x00\x10\x00\x00\x00{}             \n",
        b"\x93NUMPY\x09\x00",
        b"",
        b"hello",
        b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000,
    ],
)
def test_a_header_that_lies_is_no_array(content):
    with pytest.raises(LessonsError):
        arrays(zipped({"a.npy": content}), said=NO)


def test_arrays_of_objects_are_never_unpickled():
    with pytest.raises(LessonsError, match="Python objects"):
        arrays(npz(a=np.array([{}], dtype=object)), said=NO)
    assert arrays(npz(a=np.array([{}], dtype=object), b=np.ones(3)), ["b"], said=NO)["b"].sum() == 3


def test_arrays_come_as_they_were_saved():
    given = {"a": np.arange(6.0).reshape(2, 3), "b": np.float16([[1.5]]), "empty": np.zeros((0, 3)), "one": np.array(7)}
    found = arrays(npz(**given), said=NO)
    assert found.keys() == given.keys()
    for name, value in given.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)
    assert list(arrays(npz(**given), ["b", "absent"], said=NO)) == ["b"]


def test_archives_locked_or_packed_in_other_ways():
    for packed in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(LessonsError, match="rare way"):
            unzip(zipped({"a": b"x" * 999}, packed), said=NO)
    locked = bytearray(zipped({"a": b"secret"}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        locked[locked.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    with pytest.raises(LessonsError, match="password"):
        unzip(bytes(locked), said=NO)


def test_a_zip_that_lies_about_a_size_is_no_zip():
    data = bytearray(zipped({"a": bytes(30 * MB)}))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(LessonsError, match=NO):
        unzip(bytes(data), said=NO)


def test_json_of_ten_thousand_brackets():
    for bad in (b"[" * 100_000, b"{", b"\xff\xfe", b""):
        with pytest.raises(LessonsError, match=NO):
            json_of(bad, NO)


def repickled(pickled: bytes, data: bytes | None = None, packed=zipfile.ZIP_STORED) -> bytes:
    """A file of torch.save's with another pickle inside."""
    data = data or torch_saved({"a": torch.zeros(4)})
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return zipped({i.filename: pickled if i.filename.endswith("data.pkl") else z.read(i) for i in z.infolist()}, packed)


def pickle_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return z.read(next(n for n in z.namelist() if n.endswith("data.pkl")))


class Runs:
    def __reduce__(self):
        return (print, ("code in a file was run",))


ABCD = torch_saved({"a": torch.zeros(4)})
NOT_TENSORS = {
    "code": repickled(pickle.dumps(Runs(), 2)),
    "a huge bytearray": repickled(b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR."),
    "a huge tensor": repickled(b"ctorch\nFloatTensor\n(J\xff\xff\xff\x7ftR."),
    "more than its record": repickled(
        pickle_of(ABCD).replace(b"K\x04tq", b"J\0\0\0\x10tq").replace(b"K\x04\x85", b"J\0\0\0\x10\x85")
    ),
    "packed": repickled(pickle_of(ABCD), packed=zipfile.ZIP_DEFLATED),
    "old format": torch_saved({"a": torch.zeros(4)}, _use_new_zipfile_serialization=False),
    "two pickles": zipped({"a/data.pkl": b"N.", "b/data.pkl": b"N."}, zipfile.ZIP_STORED),
    "no stop": repickled(b"N"),
    "a whole module": torch_saved(torch.nn.Linear(2, 2)),
    "an array": torch_saved({"a": np.zeros(3)}),
    "nothing": b"",
    "words": b"hello",
    "a ZIP": zipped({"a": b"x"}),
}


BOMBS = {
    "photo": [
        lambda: saved(Image.new("1", (13000, 13000))),
        lambda: saved(Image.new("1", (13000, 13000)), "TIFF", compression="group4"),
    ],
    "arrays": [lambda: npz(a=np.zeros(2**24)), lambda: zipped({"a.npy": header((10**9,)) + bytes(10**6)})],
    "unzip": [lambda: zipped({"a": bytes(2**27)})],
    "torch_file": [lambda: NOT_TENSORS["a huge bytearray"], lambda: NOT_TENSORS["more than its record"]],
    "tensors": [lambda: (10**9).to_bytes(8, "little") + b"{" + bytes(100)],
}


def test_small_files_that_would_unpack_to_gigabytes_take_no_memory(tmp_path):
    """Each has less than 2 MB and would take 130 MB to 4 GB; what the process grows by is measured."""
    for name, bombs in BOMBS.items():
        for i, bomb in enumerate(bombs):
            (tmp_path / f"{name}-{i}").write_bytes(bomb())
            assert (tmp_path / f"{name}-{i}").stat().st_size < 2 * MB
    code = (
        "import resource, sys, torch; from pathlib import Path; from lessons_lib.files import decoders as d; import safetensors.torch\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before, refused = rss(), 0\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    name = path.name.split('-')[0]\n"
        "    more = {} if name in ('photo', 'tensors') else {'said': 'no'}\n"
        "    try: getattr(d, name)(path, **more)\n"
        "    except d.LessonsError: refused += 1\n"
        "print(refused, rss() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    refused, grown = done.stdout.split()
    assert int(refused) == sum(map(len, BOMBS.values()))
    assert float(grown) < 60, "MB"


@pytest.mark.parametrize("name", NOT_TENSORS)
def test_what_is_no_file_of_tensors(name, capsys):
    with pytest.raises(LessonsError):
        torch_file(NOT_TENSORS[name], said=NO)
    assert "was run" not in capsys.readouterr().out


def test_a_file_of_tensors_that_holds_itself_ends():
    given = {"a": torch.arange(3.0)}
    given["self"] = [given]
    assert torch.equal(torch_file(torch_saved(given), said=NO)["a"], torch.arange(3.0))


def test_tensors_come_as_they_were_saved():
    given = {
        "a": torch.arange(6.0).view(2, 3),
        "half": torch.ones(2).half(),
        "brain": torch.ones(2).bfloat16(),
        "int": torch.tensor(7),
    }
    for found, about in (weights(torch_saved(given)), weights(save(given, {"step": "3"}))):
        assert found.keys() == given.keys()
        assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in given.items())
        assert about in ({}, {"step": "3"})
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    assert weights(torch_saved(module.state_dict()))[0].keys() == module.state_dict().keys()
    assert weights(torch_saved({"p": torch.nn.Parameter(torch.ones(2))}))[0]["p"].sum() == 2


@pytest.mark.parametrize("given", [{}, [torch.ones(1)], {"a": 1}, {1: torch.ones(1)}, {"a": {"b": torch.ones(1)}}, torch.ones(1)])
def test_what_is_no_state_dict(given):
    with pytest.raises(LessonsError, match="network's weights"):
        weights(torch_saved(given))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        bytes(8),
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{",
        (20000).to_bytes(8, "little") + b"[" * 20000,
        save({"a": torch.ones(9)})[:-1],
        save({"a": torch.ones(9)}) + b"x",
    ],
)
def test_what_is_no_safetensors_file(data):
    with pytest.raises(LessonsError, match="safetensors|empty"):
        tensors(data)


def test_files_that_cannot_be_read_are_named(tmp_path):
    for open_it in (
        photo,
        tensors,
        weights,
        lambda p: arrays(p, said=NO),
        lambda p: unzip(p, said=NO),
        lambda p: torch_file(p, said=NO),
    ):
        with pytest.raises(LessonsError, match="cat"):
            open_it(tmp_path / "cat")
        with pytest.raises(LessonsError, match=tmp_path.name):
            open_it(tmp_path)


# --- damaged files ------------------------------------------------------------------------------------------------------


def phone_photo(kind, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0132] = 6, "A phone", "2026:11:24 10:00:00"
    return saved(Image.fromarray(NOISE), kind, exif=exif, icc_profile=linear_profile(), **options)


def some_arrays() -> bytes:
    return npz(forward=NOISE.astype(np.float32), cfg=np.arange(9), one_step=np.float16([1, 2]))


def some_hand_in() -> bytes:
    return zipped(
        {"hand_in.json": json.dumps({"author": "Ada", "records": []}), "index.html": "<p>" * 99, "a/b.png": saved(CORNER)}
    )


STATE = {"conv.weight": torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0)), "steps": torch.tensor(3)}
FRAMES = [Image.fromarray(np.roll(NOISE, i, 0)) for i in range(3)]
WHOLE = {
    "png": [
        phone_photo("PNG"),
        saved(Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257)),
        saved(INK.convert("1")),
        saved(Image.merge("LA", (INK, INK))),
        saved(FRAMES[0], save_all=True, append_images=FRAMES[1:]),
        saved(Image.fromarray(NOISE).quantize(16), transparency=3),
    ],
    "jpeg": [
        phone_photo("JPEG"),
        phone_photo("JPEG", progressive=True),
        saved(Image.fromarray(NOISE).convert("CMYK"), "JPEG"),
        saved(INK, "JPEG"),
    ],
    "webp": [
        phone_photo("WEBP"),
        phone_photo("WEBP", lossless=True),
        saved(Image.merge("RGBA", (INK,) * 4), "WEBP"),
        saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
    ],
    "gif": [
        saved(Image.fromarray(NOISE), "GIF", comment=b"seed 180"),
        saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
        saved(Image.fromarray(NOISE).quantize(8), "GIF", transparency=2),
    ],
    "bmp": [
        saved(Image.fromarray(NOISE), "BMP"),
        saved(INK.convert("1"), "BMP"),
        saved(INK, "BMP"),
        saved(CORNER.quantize(4), "BMP"),
    ],
    "tiff": [
        phone_photo("TIFF"),
        saved(INK.convert("1"), "TIFF", compression="group4"),
        saved(Image.fromarray(NOISE), "TIFF", compression="jpeg"),
        saved(Image.fromarray(NOISE[..., 0].astype(np.float32)), "TIFF"),
        saved(Image.fromarray(NOISE), "TIFF", compression="tiff_lzw"),
        saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]),
    ],
    "heic": [
        phone_photo("HEIF"),
        saved(Image.merge("RGBA", (INK,) * 4), "HEIF"),
        saved(FRAMES[0], "HEIF", save_all=True, append_images=FRAMES[1:]),
    ],
    "avif": [phone_photo("AVIF", speed=9), saved(FRAMES[0], "AVIF", save_all=True, append_images=FRAMES[1:], speed=9)],
    "npz": [some_arrays(), npz(a=NOISE)],
    "zip": [some_hand_in(), zipped({"hand_in.json": "{}"}, zipfile.ZIP_STORED)],
    "safetensors": [save(STATE, {"settings": "{}"}), save({"a": torch.ones(2).bfloat16()})],
    "pt": [torch_saved(STATE), torch_saved({"": torch.zeros(1, 7, 8).half(), "a cat": torch.ones(1, 7, 8).half()})],
    "json": [json.dumps({"author": "Ada", "records": [{"slug": "flow", "noted": [1.5, None, True]}]}).encode()],
}
OPENERS = {
    "npz": lambda d: arrays(d, said=NO),
    "zip": lambda d: unzip(d, said=NO),
    "safetensors": tensors,
    "pt": weights,
    "json": lambda d: json_of(d, NO),
}


def damaged(rng: random.Random, whole: list[bytes], others: list[bytes]) -> bytes:
    """One of the whole files after one to three accidents."""
    data = bytearray(rng.choice(whole))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not (size := len(data)):
            break
        at, length = rng.randrange(size), min(rng.choice((1, 2, 4, 8, 64, 512)), size)
        accident = rng.randrange(9)
        if accident == 0:
            del data[at:]
        elif accident == 1:
            for _ in range(rng.choice((1, 1, 3, 16))):
                data[rng.randrange(size)] ^= 1 << rng.randrange(8)
        elif accident == 2:  # near the front, where headers are
            data[rng.randrange(min(size, 64))] = rng.randrange(256)
        elif accident == 3:
            data[at : at + length] = rng.randbytes(length)
        elif accident == 4:  # a length or an offset that cannot be
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f", b"\0\0\0\1"))
        elif accident == 5:
            del data[at : at + length]
        elif accident == 6:
            data[at:at] = data[max(0, at - length) : at]
        elif accident == 7:  # another file's head or tail
            other = rng.choice(others)
            data[:at] = other[: rng.randrange(len(other))] if rng.random() < 0.5 else data[:at]
            data[at:] = other[rng.randrange(len(other)) :] if rng.random() < 0.5 else data[at:]
        elif accident == 8:
            data[at : at + length] = bytes([rng.choice((0, 255, 32))]) * length
    return bytes(data)


def fuzz(kind: str, files: int, seed: int) -> tuple[int, float]:
    """How many of so many damaged files still open, and the longest that one took in seconds; anything but a sentence raises."""
    rng, opened, longest = random.Random(f"{kind} {seed}"), 0, 0.0
    others = [data for group in WHOLE.values() for data in group]
    for i in range(files):
        data, began = damaged(rng, WHOLE[kind], others), time.perf_counter()
        try:
            OPENERS.get(kind, photo)(data)
            opened += 1
        except LessonsError as e:
            said = str(e)
            assert re.fullmatch(r"[^\n]{10,250}\.", said), (kind, seed, i, said)
        except BaseException as e:
            raise AssertionError(f"damaged {kind} number {i} of seed {seed}: {type(e).__name__}: {e}") from e
        longest = max(longest, time.perf_counter() - began)
    return opened, longest


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_files_open(kind):
    for data in WHOLE[kind]:
        OPENERS.get(kind, photo)(data)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.filterwarnings("ignore")
def test_two_hundred_damaged_files(kind):
    opened, longest = fuzz(kind, 200, 1)
    assert 0 < opened < 200
    assert longest < 5


FILES = int(os.environ.get("FUZZ_FILES", "5000"))
PROCESSES = [tuple(WHOLE)] if FILES <= 5000 else [(kind,) for kind in WHOLE]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", PROCESSES, ids=",".join)
def test_thousands_of_damaged_files(kinds):
    """In a process of its own, so that a decoder that falls over is told from one that raises, and its memory can be read.

    5,000 of each format by default, in one process. All 10,000: FUZZ_FILES=10000 pytest -m slow tests/test_decoders.py -k thousands
    """
    code = (
        "import resource, warnings; warnings.simplefilter('ignore')\n"
        "from tests.test_decoders import fuzz\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        f"for kind in {kinds}: fuzz(kind, 50, 0); before = rss(); print(kind, *fuzz(kind, {FILES}, 2), rss() - before, flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-100:] + done.stderr[-2000:]
    found = {kind: [float(v) for v in told] for kind, *told in map(str.split, done.stdout.splitlines())}
    assert list(found) == list(kinds)
    for kind, (opened, longest, grown) in found.items():
        assert 0 < opened < FILES, kind
        assert longest < 10, kind
        assert grown < 700, f"{kind}, MB"
