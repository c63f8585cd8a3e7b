"""How the search for duplicates grows with the set: run by hand, prints ratios of one run.

Measured on Fashion-MNIST, whose pictures resemble each other more than photographs do: 60,000 take
about 5 s of one core, ten times as long as 15,000. The tree over low frequencies is what grows
faster than the set; hashing, quarters and comparing grow with it.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np

from inspector.api import Context
from inspector.detectors.duplicates import Duplicates
from inspector.intake.datasets import open_dataset


def main() -> None:
    root = Path(os.environ.get("INSPECTOR_DATA", "../shared/data"))
    dataset = open_dataset(root / "fashion-mnist")
    pictures = dataset.decode_batch(np.arange(len(dataset)))
    assert isinstance(pictures, np.ndarray)
    digests = b"".join(hashlib.sha256(picture.tobytes()).digest() for picture in pictures)
    keys = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    before = 0.0
    for _ in Duplicates().run(
        Context({"labels": dataset.labels[:99], "thumbnails": pictures[:99]}, [])
    ):
        pass  # imports are not what is measured
    for n in (3_750, 15_000, 60_000):
        signals = {
            "labels": dataset.labels[:n],
            "thumbnails": pictures[:n],
            "pixel_sha256": keys[:n],
        }
        started = time.process_time()
        for _ in Duplicates().run(Context(signals, dataset.class_names)):
            pass
        seconds = time.process_time() - started
        ratio = f", {seconds / before:.1f} times the step before" if before else ""
        print(f"{n:>7,} pictures: {seconds:.2f} s of CPU{ratio}")
        before = seconds


if __name__ == "__main__":
    main()
