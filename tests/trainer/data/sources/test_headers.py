"""What headers of images tell, of files and of cells in Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.trainer.image_files import encode, random_images
from trainer.data.decoding.encoded import Encoded
from trainer.data.sources.headers import Size, look_at_headers

COLOUR = Image.fromarray(np.moveaxis(random_images(1, (3, 6, 9))[0], 0, -1))


def test_modes_depths_orientation_and_transparency_are_counted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    deep = Image.fromarray(np.arange(54, dtype=np.uint16).reshape(6, 9))
    COLOUR.save(tmp_path / "a.jpg", exif=exif)
    COLOUR.save(tmp_path / "b.png")
    COLOUR.resize((20, 10)).save(tmp_path / "c.png")
    COLOUR.convert("RGBA").save(tmp_path / "d.png")
    COLOUR.quantize(8).save(tmp_path / "e.png")
    COLOUR.convert("L").save(tmp_path / "f.bmp")
    COLOUR.convert("CMYK").save(tmp_path / "g.tif")
    deep.save(tmp_path / "h.png")
    deep.save(tmp_path / "i.tif")
    COLOUR.convert("1").save(tmp_path / "j.png")
    (tmp_path / "k.png").write_bytes(b"no image")
    names = sorted(path.name for path in tmp_path.iterdir())
    found = look_at_headers([Encoded(str(tmp_path / name), name) for name in (*names, "missing.png")])
    assert (found.images, found.unreadable, found.turned, found.transparent) == (12, 2, 1, 1)
    assert found.sizes == ((Size(9, 6), 9), (Size(20, 10), 1))
    assert dict(found.kinds) == {
        "JPEG, colour, 8-bit": 1,
        "PNG, colour, 8-bit": 2,
        "PNG, colour with alpha, 8-bit": 1,
        "PNG, palette": 1,
        "BMP, grey, 8-bit": 1,
        "TIFF, CMYK, 8-bit": 1,
        "PNG, grey, 16-bit": 1,
        "TIFF, grey, 16-bit": 1,
        "PNG, 1 bit": 1,
    }
    assert found.kinds[0] == ("PNG, colour, 8-bit", 2), "the most frequent first"


def test_cells_of_parquet_are_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    cells = [encode(image) for image in random_images(5, (1, 7, 7))] + [None]
    pq.write_table(pa.table({"image": pa.array(cells, pa.binary())}), path, row_group_size=4)
    images = [Encoded(str(path), f"row {row}", "image", row // 4, row % 4) for row in range(6)]
    found = look_at_headers(images)
    assert (found.images, found.unreadable) == (6, 1)
    assert found.sizes == ((Size(7, 7), 5),)
    assert found.kinds == (("PNG, grey, 8-bit", 5),)
