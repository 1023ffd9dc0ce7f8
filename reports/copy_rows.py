"""Copies of one table found in another, by barcode and tag number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]


def rows_of(known: tuple[Texts, Texts], wanted: tuple[Texts, Texts]) -> Ints:
    """Return the row of each wanted copy among the known ones; -1 where that copy with that tag is not there.

    Parameters
    ----------
    known, wanted : barcodes and tag numbers
        Object arrays of str, shapes (n,) and (m,).

    Returns
    -------
    int64 array, shape (m,)
    """
    (barcodes, epcs), (barcode, epc) = known, wanted
    if not len(barcodes) or not len(barcode):
        return np.full(len(barcode), -1, np.int64)
    if len(barcodes) == len(barcode) and bool(np.all(barcodes == barcode)):
        row = np.arange(len(barcodes), dtype=np.int64)
    else:
        index = {b: i for i, b in enumerate(barcodes.tolist())}
        row = np.fromiter((index.get(b, -1) for b in barcode.tolist()), np.int64, len(barcode))
        if len(index) < len(barcodes):
            # Several copies of one barcode: their tags tell them apart.
            names = [f"{b}\x1f{e}" for b, e in zip(barcodes.tolist(), epcs.tolist(), strict=True)]
            exact = {name: i for i, name in enumerate(names)}
            asked = (f"{b}\x1f{e}" for b, e in zip(barcode.tolist(), epc.tolist(), strict=True))
            row = np.fromiter((exact.get(name, -1) for name in asked), np.int64, len(barcode))
    same = epcs[np.maximum(row, 0)] == epc
    return np.where((row >= 0) & same.astype(bool), row, -1)
