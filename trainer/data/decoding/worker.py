"""A process that decodes chunks of images into a mapped file: `python -m trainer.data.decoding.worker`.

It reads lines of JSON from standard input, the form first and then a chunk per line, and answers each chunk
with a line on standard output once its pixels are written. It ends where standard input does, as it does when
the process that started it is killed.
"""

from __future__ import annotations

import json
import sys
from typing import IO, Any

from trainer.data.decoding.encoded import Decoder, Encoded, Form
from trainer.data.decoding.rows import RowFiles


def main() -> None:
    """Answer every chunk."""
    lines: IO[str] = sys.stdin
    begun = lines.readline()
    if not begun:
        return
    job: dict[str, Any] = json.loads(begun)
    form = Form(**job["form"])
    decoder = Decoder(form)
    with RowFiles(job["folder"], form, job["images"]) as files:
        for line in lines:
            chunk = json.loads(line)
            images = [Encoded(*image) for image in chunk["images"]]
            pixels, digests, told = decoder.decode(images, chunk["first"])
            files.write(chunk["first"], pixels, digests)
            sys.stdout.write(json.dumps({"chunk": chunk["chunk"], "told": told.to_json()}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
