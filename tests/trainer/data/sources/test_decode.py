"""Encoded images become the pixels that a person sees, or are refused with the reason."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images
from trainer.data.sources.decode import EXTENSIONS, FORMATS, decode_image, decode_values
from trainer.data.sources.faults import Unreadable

GREY, COLOUR = random_images(1, (6, 8), 1)[0], random_images(1, (6, 8, 3), 2)[0]
DEEP = np.array([[0, 128, 257, 32896, 65278, 65535]] * 4, dtype=np.uint16)
DEEP_AS_BYTES = [0, 0, 1, 128, 254, 255]
# EXIF's tag 274: how the stored picture is to be turned.
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: np.rot90,
}


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def grey(data: bytes) -> list[int]:
    """The first row of an image that is read as grey."""
    return decode_image(data, "a", 1)[0, 0].tolist()


def colours(data: bytes) -> list[list[int]]:
    """The first row's colours."""
    return decode_image(data, "a", 3)[:, 0].T.tolist()


def tiff(values: np.ndarray, tags: dict[int, Any] | None = None) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in (tags or {}).items():
        directory[tag] = value
    return encoded(Image.fromarray(values), "TIFF", tiffinfo=directory)


def pgm(values: list[int], greatest: int) -> bytes:
    return f"P5 {len(values)} 1 {greatest}\n".encode() + struct.pack(f">{len(values)}H", *values)


def test_colour_and_grey_images_come_back_as_they_were() -> None:
    colour, grey = random_images(1, (3, 5, 7))[0], random_images(1, (1, 5, 7))[0]
    assert np.array_equal(decode_image(encode(colour), "a", 3), colour)
    assert np.array_equal(decode_image(encode(grey), "a", 1), grey)
    assert np.array_equal(decode_image(encode(grey), "a", 3), np.repeat(grey, 3, axis=0))


def test_an_image_is_resized_with_antialiasing() -> None:
    stripes = np.zeros((1, 64, 64), dtype=np.uint8)
    stripes[:, :, ::2] = 200
    small = decode_image(encode(stripes), "a", 1, size=8)
    assert small.shape == (1, 8, 8)
    assert np.abs(small.astype(int) - 100).max() < 15


def test_ordinary_images_have_the_pixels_that_stored_results_are_of() -> None:
    """Digests of before there were orientation, transparency and depth: stored data hashes stay valid."""
    digest = hashlib.sha256()
    for image in (Image.fromarray(GREY), Image.fromarray(COLOUR)):
        for form in ("PNG", "BMP", "TIFF", "PPM"):
            for channels, size in ((1, None), (3, None), (1, 5), (3, 5), (3, 16)):
                digest.update(decode_image(encoded(image, form), "a", channels, size).tobytes())
    assert digest.hexdigest() == "f9d6872141809e38bcb9e6cce319abbf5e2a734deb6b50a83926629e1fa32c04"


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", TURNS)
def test_photographs_are_turned_as_their_exif_says(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    blocks = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((16, 16), dtype=np.uint8))
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form == "JPEG" else {}
    found = decode_image(encoded(Image.fromarray(blocks), form, exif=exif, **options), "a", 1)[0]
    expected = TURNS[orientation](blocks)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_exif_that_cannot_be_read_turns_nothing() -> None:
    data = encoded(Image.fromarray(GREY), exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff damaged")
    assert np.array_equal(decode_image(data, "a", 1)[0], GREY)


def test_what_is_transparent_lies_on_white_and_what_is_not_keeps_its_colour() -> None:
    pixels = np.array([[[9, 8, 7, 255], [9, 8, 7, 0], [100, 0, 0, 128]]], dtype=np.uint8)
    assert colours(encoded(Image.fromarray(pixels))) == [[9, 8, 7], [255, 255, 255], [177, 127, 127]]
    with_alpha = Image.fromarray(pixels[..., 2:].copy(), "LA")
    assert grey(encoded(with_alpha)) == [7, 255, 127]
    palette = Image.new("P", (3, 1))
    palette.putpalette([9, 8, 7, 1, 2, 3, 100, 0, 0])
    palette.putdata([0, 1, 2])
    assert colours(encoded(palette)) == [[9, 8, 7], [1, 2, 3], [100, 0, 0]]
    lies_on_white = [[9, 8, 7], [255, 255, 255], [177, 127, 127]]
    assert colours(encoded(palette, transparency=bytes([255, 0, 128]))) == lies_on_white
    assert colours(encoded(palette, "GIF", transparency=1))[1] == [255, 255, 255]
    row = np.array([[0, 7, 255]], dtype=np.uint8)
    assert grey(encoded(Image.fromarray(row), transparency=7)) == [0, 255, 255]


def test_cmyk_and_one_bit_images_have_their_colours() -> None:
    cyan_and_black = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    cyan_and_black.paste((0, 0, 0, 255), (8, 0, 16, 16))
    for form in ("TIFF", "JPEG"):
        row = np.array(colours(encoded(cyan_and_black, form)))
        assert np.abs(row[[0, 15]] - [[0, 255, 255], [0, 0, 0]]).max() <= 3
    bits = np.array([[True, False, True]])
    for form in ("PNG", "TIFF", "BMP", "PPM"):
        assert grey(encoded(Image.fromarray(bits), form)) == [255, 0, 255]


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(DEEP)),
        encoded(Image.fromarray(DEEP), "TIFF"),
        encoded(Image.fromarray(DEEP), "TIFF", compression="tiff_lzw"),
        encoded(Image.fromarray(DEEP.astype(">u2")), "TIFF"),
        encoded(Image.fromarray(DEEP), "PPM"),
        encoded(Image.fromarray((DEEP / 65535).astype(np.float32)), "TIFF"),
        encoded(Image.fromarray((DEEP / 65535).astype(np.float32)), "PPM"),
        tiff(65535 - DEEP, {262: 0}),
    ],
    ids=["png", "tiff", "lzw", "big-endian", "pgm", "float-tiff", "pfm", "white-is-zero"],
)
def test_deep_grey_values_are_scaled_by_their_full_range(data: bytes) -> None:
    assert grey(data) == DEEP_AS_BYTES
    assert colours(data)[3] == [128, 128, 128]
    assert decode_image(data, "a", 1, size=2).shape == (1, 2, 2)


def test_twelve_bits_have_a_full_range_of_their_own() -> None:
    assert grey(pgm([0, 2048, 4095], 4095)) == [0, 128, 255]


def test_a_deep_image_is_resized_before_it_is_rounded() -> None:
    fine = np.tile(np.array([[0, 257]], dtype=np.uint16), (64, 32))
    fine[:, 32:] += 257
    data = encoded(Image.fromarray(fine), "TIFF")
    values, name = decode_values(data, "a", 1, size=2)
    assert name == "16-bit"
    assert np.abs(values[0] - [[128.5, 385.5]] * 2).max() < 40
    assert decode_image(data, "a", 1, size=2).max() <= 2


def test_values_without_a_known_full_range_are_refused_and_read_as_they_are() -> None:
    for values, name, told in (
        (np.array([[-5, 0, 70000]], dtype=np.int32), "signed 32-bit", "signed 32-bit integers"),
        (np.array([[-1000, 0.5, 3000]], dtype=np.float32), "float", r"beyond 0\.\.1 .*: -1000\.\.3000"),
    ):
        data = encoded(Image.fromarray(values), "TIFF")
        with pytest.raises(DataError, match=f"ct.tif.*{told}") as error:
            decode_image(data, "ct.tif", 1)
        assert "scaling: {percentiles: [1, 99]}" in str(error.value)
        stored, kind = decode_values(data, "ct.tif", 1)
        assert kind == name
        assert stored[0].tolist() == values.tolist()
    unsigned = plain_tiff(samples=1, bits=32, values=struct.pack("<I", 2**32 - 256))
    assert decode_values(unsigned, "a", 1)[0].tolist() == [[[2.0**32 - 256]]]


@pytest.mark.parametrize("read", [decode_image, decode_values])
def test_no_number_is_no_grey(read: Any) -> None:
    data = encoded(Image.fromarray(np.array([[0, np.nan, 1]], dtype=np.float32)), "TIFF")
    with pytest.raises(DataError, match="no finite numbers"):
        read(data, "a", 1)


def deep_colour_png() -> bytes:
    """Pillow cannot write one: 1 x 1, 16 bits, RGB."""
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + struct.pack(">3H", 1, 2, 3))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_colours_of_sixteen_bits_are_refused_rather_than_cut() -> None:
    ppm = b"P6 1 1 65535\n" + struct.pack(">3H", 1, 2, 3)
    of_tiff = plain_tiff(samples=3, bits=16, values=struct.pack("<3H", 1, 2, 3))
    for data in (deep_colour_png(), ppm, of_tiff):
        for channels in (1, 3):
            with pytest.raises(DataError, match=r"a: .*more than 8 bits per colour channel"):
                decode_image(data, "a", channels)
    transparent = encoded(Image.fromarray(DEEP), transparency=7)
    with pytest.raises(DataError, match="more than 8 bits with transparency"):
        decode_image(transparent, "a", 1)


def plain_tiff(samples: int, bits: int, values: bytes) -> bytes:
    """1 x 1, unsigned integers, grey or RGB: what Pillow cannot write."""
    entries = [
        (256, 3, 1, 1),  # width
        (257, 3, 1, 1),  # height
        (258, 3, samples, bits if samples == 1 else 200),  # bits per sample, of several at 200
        (259, 3, 1, 1),  # not compressed
        (262, 3, 1, 1 if samples == 1 else 2),  # grey or RGB
        (273, 4, 1, 206),  # the strip, at 206
        (277, 3, 1, samples),
        (278, 3, 1, 1),  # rows per strip
        (279, 4, 1, len(values)),  # bytes of the strip
    ]
    directory = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        in_place = struct.pack("<HH", value, 0) if kind == 3 and count == 1 else struct.pack("<I", value)
        directory += struct.pack("<HHI", tag, kind, count) + in_place
    content = b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0)
    return content.ljust(200, b"\0") + struct.pack("<3H", bits, bits, bits) + values


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP", "PNG"])
def test_further_pages_and_frames_are_refused_rather_than_dropped(form: str) -> None:
    pages = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1].copy())]
    data = encoded(pages[0], form, save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"stack: .*several pages or frames"):
        decode_image(data, "stack", 3)
    decode_image(encoded(pages[0], form, save_all=True), "a", 3)


def test_thumbnails_and_what_cameras_hide_are_no_further_pages() -> None:
    stream = io.BytesIO()
    thumbnail = TiffImagePlugin.ImageFileDirectory_v2()
    thumbnail[254] = 1
    with TiffImagePlugin.AppendingTiffWriter(stream, True) as writer:
        Image.fromarray(GREY).save(writer, "TIFF")
        writer.newFrame()
        Image.fromarray(GREY[::2, ::2].copy()).save(writer, "TIFF", tiffinfo=thumbnail)
        writer.newFrame()
    assert np.array_equal(decode_image(stream.getvalue(), "a", 1)[0], GREY)
    photograph, depth = Image.new("RGB", (8, 8), "red"), Image.new("L", (4, 4))
    data = encoded(photograph, "MPO", save_all=True, append_images=[depth])
    assert decode_image(data, "a", 3).shape == (3, 8, 8)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_a_file_that_is_cut_off_is_refused(form: str) -> None:
    whole = encoded(Image.fromarray(random_images(1, (40, 40, 3))[0]), form)
    for share in (0.05, 0.3, 0.6, 0.95):
        with pytest.raises(DataError, match=r"file 7: .*could not be decoded: "):
            decode_image(whole[: int(len(whole) * share)], "file 7", 3)


def test_what_is_no_image_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file 7: .*: it is empty"):
        decode_image(b"", "file 7", 3)
    # PostScript would be run by another program.
    for content in (b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        with pytest.raises(DataError, match="it is none of PNG, JPEG"):
            decode_image(content, "file 7", 3)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
    (tmp_path / "pointer.png").write_bytes(pointer)
    for data in (pointer, tmp_path / "pointer.png"):
        with pytest.raises(DataError, match="an image that `git lfs pull` fetches"):
            decode_image(data, "file 7", 3)
    with pytest.raises(DataError, match="No such file"):
        decode_image(tmp_path / "away.png", "file 7", 3)


def test_an_error_travels_between_processes() -> None:
    with pytest.raises(Unreadable) as error:
        decode_image(b"", "file 7", 3)
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.reason, again.detail) == (str(error.value), error.value.reason, "it is empty")


def test_a_picture_too_large_to_be_one_is_refused() -> None:
    bomb = b"P5 20000 20000 255\n"
    with pytest.raises(DataError, match="exceeds limit"):
        decode_image(bomb, "a", 1)


@pytest.mark.filterwarnings("error")
def test_a_large_picture_is_read_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size - 1)
    assert np.array_equal(decode_image(encoded(Image.fromarray(GREY)), "a", 1)[0], GREY)


def test_every_ending_is_one_of_a_format_that_is_read() -> None:
    known = Image.registered_extensions()
    assert {known.get(ending) for ending in EXTENSIONS} <= set(FORMATS)
    of_these = {ending for ending, form in known.items() if form in FORMATS}
    assert of_these - EXTENSIONS == set()
