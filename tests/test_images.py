"""Pictures in, tensors out, and back; everything people could upload that is no picture, or a strange one."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from lessons_lib.errors import LessonsError
from lessons_lib.files import pictures
from lessons_lib.files.pictures import from_data_url, open_picture, square, tiled, to_data_url, to_gif, to_png
from lessons_lib.maths import images


def saved(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_claims(width, height):
    """A few hundred bytes that say they are width x height pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 300)) + png_chunk(b"IEND", b"")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
RED = Image.new("RGB", (6, 4), (255, 0, 0))


# --- what is no picture is one sentence ---------------------------------------------------------------------------------

NO_PICTURES = {
    "empty": (b"", "empty"),
    "text renamed to .jpg": (b"Dear sir or madam,\nthis is my homework.", "not a picture"),
    "html": (b"<html><body>404</body></html>", "not a picture"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not a picture"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
    "zip": (b"PK\x03\x04" + b"\0" * 60, "not a picture"),
    "noise": (np.random.default_rng(1).bytes(5000), "not a picture"),
    "png: signature alone": (saved(NOISE)[:8], "not a picture|broken"),
    "png: header alone": (saved(NOISE)[:33], "broken or was cut short"),
    "png: cut in half": (saved(NOISE)[: len(saved(NOISE)) // 2], "broken or was cut short"),
    "png: bits flipped": (saved(NOISE)[:60] + b"\xff" * 40 + saved(NOISE)[100:], "broken or was cut short"),
    "png: no size": (png_that_claims(0, 0), "not a picture|broken"),
    "png: data missing": (png_that_claims(100, 100), "broken or was cut short"),
    "jpeg: cut short": (saved(NOISE, "JPEG")[:400], "broken or was cut short"),
    "gif: cut short": (saved(NOISE, "GIF")[:300], "broken or was cut short|not a picture"),
    "webp: cut short": (saved(NOISE, "WEBP")[:100], "broken or was cut short|not a picture"),
    "20,000 x 20,000": (png_that_claims(20000, 20000), "400 million pixels"),
    "8000 x 8000": (png_that_claims(8000, 8000), "8000 x 8000"),
    "2 billion pixels wide": (png_that_claims(2**31 - 1, 1), "2147 million pixels"),
    "21 MB": (b"\x89PNG" + b"\0" * 21 * 2**20, "21.1 MB"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_one_sentence(name):
    data, said = NO_PICTURES[name]
    with pytest.raises(LessonsError, match=said) as e:
        open_picture(data)
    assert str(e.value).endswith(".")
    assert "\n" not in str(e.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    for bad in (tmp_path / "cat.png", str(tmp_path / "cat.png"), tmp_path):
        with pytest.raises(LessonsError, match=Path(bad).name):
            open_picture(bad)


URL = to_data_url(NOISE)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "not a picture"),
        ("cat.png", "not a picture"),
        ("https://example.com/cat.png", "not a picture"),
        ("data:text/html;base64,PGI+", "not a picture"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64", "empty"),
        ("data:image/png;base64,%%%%", "cut short"),
        (URL[: len(URL) // 2 // 4 * 4 + 22], "broken or was cut short"),
        (URL[: len(URL) // 2 // 4 * 4 + 21], "cut short"),
        ("data:image/png;base64," + base64.b64encode(b"hello").decode(), "not a picture"),
        ("data:image/png;base64,é", "cut short"),
    ],
)
def test_bad_data_urls_are_one_sentence(url, said):
    with pytest.raises(LessonsError, match=said):
        from_data_url(url)


# --- strange pictures open as people see them ---------------------------------------------------------------------------


def test_any_kind_of_file_opens_as_rgb():
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        opened = open_picture(saved(NOISE.resize((8, 8)), kind))
        assert (opened.mode, opened.size) == ("RGB", (8, 8)), kind


def test_the_name_of_a_file_does_not_matter(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(saved(RED))
    assert open_picture(tmp_path / "cat.jpg").tobytes() == RED.tobytes()
    assert open_picture(str(tmp_path / "cat.jpg")).tobytes() == RED.tobytes()


def test_of_an_animation_the_first_frame():
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "lime", "blue")]
    opened = open_picture(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert opened.getpixel((4, 4)) == (255, 0, 0)


def test_cmyk_keeps_its_colours():
    opened = open_picture(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    r, g, b = opened.getpixel((8, 8))
    assert r > 240
    assert max(g, b) < 30


def test_one_pixel():
    opened = open_picture(saved(Image.new("RGB", (1, 1), (10, 20, 30))))
    assert opened.getpixel((0, 0)) == (10, 20, 30)
    assert square(opened, 64).getpixel((63, 63)) == (10, 20, 30)
    assert images.to_tensor(square(opened, 28), 1).shape == (1, 1, 28, 28)


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000), (3, 2)])
def test_long_and_thin_pictures_become_square(size):
    assert square(open_picture(saved(Image.new("RGB", size, "red"))), 64).getpixel((32, 32)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_transparent_places_are_white(mode):
    """Real alpha, and the one colour of a palette or of grey that is see-through."""
    if mode in ("RGBA", "LA"):
        picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        ImageDraw.Draw(picture).rectangle((4, 0, 7, 7), (0, 0, 0, 255))
        data = saved(picture.convert(mode))
    else:
        picture = Image.new(mode, (8, 8), 0)
        if mode == "P":
            picture.putpalette([255, 0, 255, 0, 0, 0])  # colour 0 is a loud pink that must not be seen
        ImageDraw.Draw(picture).rectangle((4, 0, 7, 7), 1)
        data = saved(picture, transparency=0)
    opened = open_picture(data)
    assert opened.getpixel((1, 4)) == (255, 255, 255)
    assert max(opened.getpixel((6, 4))) <= 1


@pytest.mark.parametrize(("dtype", "top"), [("uint16", 65535), ("int32", 65535), ("float32", 65535), ("float32", 1)])
def test_16_bit_and_floating_point_grey_keeps_its_greys(dtype, top):
    ramp = np.linspace(0, top, 256).reshape(16, 16).astype(dtype)
    data = saved(Image.fromarray(ramp), "PNG" if dtype == "uint16" else "TIFF")
    opened = np.array(open_picture(data)).astype(int)
    assert np.abs(opened - np.arange(256).reshape(16, 16, 1)).max() <= 1


def test_16_bit_colour_png():
    rows = b"".join(b"\0" + struct.pack(">6H", 65535, 32768, 0, 0, 0, 65535) for _ in range(2))
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    opened = open_picture(data)
    assert opened.getpixel((0, 0)) == (255, 128, 0)
    assert opened.getpixel((1, 1)) == (0, 0, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_held_sideways_are_upright(orientation):
    """Written as a camera does: the pixels turned, and a note in EXIF how."""
    upright = Image.new("RGB", (60, 40), "blue")
    ImageDraw.Draw(upright).rectangle((0, 0, 29, 19), "red")  # red is top left
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = upright.transpose(undo[orientation]) if orientation in undo else upright
    opened = open_picture(saved(held, "JPEG", exif=exif, quality=95))
    assert opened.size == (60, 40)
    assert opened.getpixel((10, 8))[0] > 200
    assert opened.getpixel((50, 8))[2] > 200
    assert opened.getpixel((10, 32))[2] > 200


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0" * 20])
def test_broken_exif_does_not_matter(exif):
    assert open_picture(saved(RED, "JPEG", exif=exif)).size == RED.size


# --- numbers ------------------------------------------------------------------------------------------------------------


def test_uint8_survives_the_way_there_and_back():
    u8 = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    x = images.from_uint8(u8)
    assert (x.min().item(), x.max().item(), x.dtype) == (-1, 1, torch.float32)
    assert torch.equal(images.to_uint8(x), u8)


def test_values_outside_are_clipped_and_nan_is_refused():
    assert images.to_uint8(torch.tensor([-7.0, 7.0, -torch.inf, torch.inf])).tolist() == [0, 255, 0, 255]
    with pytest.raises(ValueError, match="2 values"):
        images.to_uint8(torch.tensor([0.0, torch.nan, torch.nan]))


def test_unit_range_there_and_back():
    x = torch.linspace(-1, 1, 5)
    assert images.to_unit(x).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert torch.equal(images.from_unit(images.to_unit(x)), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_survive_the_way_there_and_back(channels):
    x = images.to_tensor(NOISE, channels)
    assert x.shape == (1, channels, 40, 60)
    expected = NOISE if channels == 3 else NOISE.convert("L")
    assert pictures.picture_of(images.to_uint8(x)[0].numpy()).tobytes() == expected.tobytes()
    assert torch.equal(images.from_uint8(images.to_uint8(x)), images.from_uint8(images.to_uint8(x).numpy()))


def test_eps_picture_shows_zero_as_grey():
    assert images.eps_picture(torch.tensor([-9.0, -3.0, 0.0, 1.5, 9.0])).tolist() == [-1, -1, 0, 0.5, 1]


def test_lowpass_is_a_gaussian():
    """A single bright pixel becomes the bell: its sum stays, its variance is sigma squared."""
    x = torch.zeros(1, 1, 41, 41)
    x[..., 20, 20] = 1
    bell = images.lowpass(x, 33, 2.0)[0, 0]
    assert bell.sum().item() == pytest.approx(1, abs=1e-5)
    d = torch.arange(41.0) - 20
    assert (bell.sum(0) * d**2).sum().item() == pytest.approx(4, abs=0.01)
    assert torch.equal(images.lowpass(x, 33, 0), x)
    assert torch.equal(images.lowpass(x, 1, 5), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiled_has_one_white_pixel_between(channels):
    batch = np.zeros((3, channels, 2, 2), np.uint8)
    out = tiled(batch, 2)
    assert out.shape == ((5, 5) if channels == 1 else (5, 5, 3))
    assert out[2].min() == out[:, 2].min() == out[3:, 3:].min() == 255
    assert out[:2, :2].max() == out[3:, :2].max() == 0
    assert tiled(batch, 10).shape[:2] == (2, 8)


def test_pixels_become_a_picture_at_their_own_size_and_grey_stays_grey():
    rng = np.random.default_rng(3)
    for channels, mode in ((1, "L"), (3, "RGB")):
        pixels = rng.integers(0, 256, (channels, 4, 6), np.uint8)
        one = pictures.picture_of(pixels)
        assert (one.mode, one.size) == (mode, (6, 4))
        assert np.array_equal(np.asarray(one).reshape(4, 6, channels).transpose(2, 0, 1), pixels)
        assert pictures.picture_of(np.stack([pixels] * 3), 2).size == (13, 9)
        assert len(to_png(pictures.picture_of(pixels))) < 73 + channels * 24 + 20, "more in the file than its pixels"


# --- out again ----------------------------------------------------------------------------------------------------------


def test_png_carries_its_settings():
    data = to_png(RED, {"seed": 180, "prompt": "a café ☕"})
    assert Image.open(io.BytesIO(data)).text == {"seed": "180", "prompt": "a café ☕"}
    assert open_picture(data).tobytes() == RED.tobytes()


def test_data_url_there_and_back():
    assert from_data_url(URL).tobytes() == NOISE.tobytes()


def test_gif_holds_every_frame_and_rests_on_the_last():
    frames = [Image.new("RGB", (8, 8), (40 * i, 0, 0)) for i in range(5)]
    gif = Image.open(io.BytesIO(to_gif(frames, seconds=1)))
    assert gif.n_frames == 5
    gif.seek(4)
    assert gif.info["duration"] == 1200
    with pytest.raises(ValueError, match="at least one"):
        to_gif([])


def test_enlarged_pixels_stay_sharp():
    big = pictures.enlarge(NOISE, 256)
    assert big.size == (300, 200)
    assert set(big.getdata()) == set(NOISE.getdata())
