"""Equal and nearly equal pictures among many, without comparing each with each.

Candidates come from two indices: shifted grids over the lowest frequencies of each picture (find
pictures that were encoded again, sharpened, brightened), and equal quarters (find copies that were
changed in one place, as by a stamped trigger). Every candidate is then compared pixel by pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHUNK = 1024
"""Pictures or pairs that are looked at between two looks for a cancel."""

CELL = 48.0
"""Side of a cell in the lowest frequencies: 6 grey levels, root mean square, over 8 x 8 means."""

GRIDS, COLUMNS = 6, 8
"""Grids of cells, and the coefficients of largest variance that span them."""

NEIGHBOURS = 6
"""Candidates of a picture by each index, at most; more of one kind join through each other."""

_SAME = 8
"""Levels by which a pixel of the same picture may differ."""
_SHARE = 0.8
_ALIKE = 0.97
_EDGES_ALIKE = 0.9
# Among 60,000 pictures of Fashion-MNIST, full of look-alikes, these leave six pairs under two
# labels, and find 96 in 100 CIFAR-10 pictures that were encoded again (JPEG, quality 85).
_FLAT = 3.0
_SIDE = 8
_LOWEST = 4


def equal_groups(keys: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a number for each row, the same for equal rows.

    Parameters
    ----------
    keys : ndarray, shape (n, k), uint8

    Returns
    -------
    ndarray, shape (n,), int64
        Counted from 0 in the order of the sorted keys.
    """
    if not len(keys):
        return np.zeros(0, np.int64)
    rows = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.shape[1]))).ravel()
    return np.unique(rows, return_inverse=True)[1].reshape(-1)


def low_frequencies(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the lowest frequencies of pictures, and which are too flat to tell apart.

    Parameters
    ----------
    pictures : ndarray, shape (n, h, w, c), uint8

    Returns
    -------
    coefficients : ndarray, shape (n, 15), float32
        Orthonormal DCT-II of the 8 x 8 means of the grey picture, without the mean: a projection,
        so that distances never grow.
    flat : ndarray, shape (n,), bool
        Standard deviation of the 8 x 8 means below 3 levels.
    """
    grey = pictures.mean(axis=3, dtype=np.float32)
    means = _block_means(_block_means(grey, 1), 2)
    side_y, side_x = means.shape[1:]
    down, across = _cosines(side_y), _cosines(side_x)
    low = np.einsum("ky,nyx,lx->nkl", down, means, across, optimize=True)
    scale = _SIDE / np.sqrt(side_y * side_x)  # pictures below 8 pixels a side, too
    flat = means.reshape(len(means), -1).std(axis=1) < _FLAT
    return (scale * low.reshape(len(means), -1)[:, 1:]).astype(np.float32), flat


def quarter_keys(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return a 64-bit hash of each quarter, and whether there is enough in it to be told by.

    Parameters
    ----------
    pictures : ndarray, shape (n, h, w, c), uint8

    Returns
    -------
    keys : ndarray, shape (n, 4), uint64
    telling : ndarray, shape (n, 4), bool
    """
    n, height, width, _ = pictures.shape
    keys = np.zeros((n, 4), np.uint64)
    telling = np.zeros((n, 4), np.bool_)
    for number in range(4):
        top, left = divmod(number, 2)
        part = pictures[
            :,
            top * (height // 2) : (top + 1) * (height // 2) or None,
            left * (width // 2) : (left + 1) * (width // 2) or None,
        ].reshape(n, -1)
        if not part.shape[1]:
            continue
        odd = np.random.default_rng(number).integers(0, 1 << 62, part.shape[1], np.uint64) * 2 + 1
        keys[:, number] = (part * odd).sum(axis=1, dtype=np.uint64)
        telling[:, number] = part.std(axis=1) > 2 * _FLAT
    return keys, telling


def cell_keys(points: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return which cell each row lies in, in several grids that are shifted against each other.

    Rows close together share a cell in at least one of the grids: with cells of `CELL`, 99 in 100
    at distance 12, 96 in 100 at distance 24. Cost is linear, unlike that of a tree in so many
    dimensions. Source: Indyk and Motwani 1998; Datar and others 2004, for cells of real numbers.

    Parameters
    ----------
    points : ndarray, shape (n, d)

    Returns
    -------
    ndarray, shape (n, `GRIDS`), uint64
        Hashes of cells: equal ones are the same cell, but for one accident in 2^64.
    """
    widest = np.sort(np.argsort(-points.var(axis=0), kind="stable")[:COLUMNS])
    chosen = points[:, widest].astype(np.float64)
    keys = np.zeros((len(points), GRIDS), np.uint64)
    for number in range(GRIDS):
        random = np.random.default_rng(number)
        shift = random.uniform(0, CELL, chosen.shape[1])
        odd = random.integers(0, 1 << 62, chosen.shape[1], np.uint64) * 2 + 1
        cells = np.floor((chosen + shift) / CELL).astype(np.int64).view(np.uint64)
        keys[:, number] = (cells * odd).sum(axis=1, dtype=np.uint64)
    return keys


def shared_pairs(keys: NDArray[np.uint64], telling: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return pairs of rows that share a key of one column: each with the next few of the same.

    Parameters
    ----------
    keys : ndarray, shape (n, k), uint64
    telling : ndarray, shape (n, k), bool
        Which keys count.

    Returns
    -------
    ndarray, shape (m, 2), int64
    """
    found = [np.zeros((0, 2), np.int64)]
    for number in range(keys.shape[1]):
        rows = np.flatnonzero(telling[:, number])
        rows = rows[np.argsort(keys[rows, number], kind="stable")]
        sorted_keys = keys[rows, number]
        for step in range(1, NEIGHBOURS + 1):
            same = sorted_keys[step:] == sorted_keys[:-step]
            if not same.any():
                break
            found.append(np.stack([rows[:-step][same], rows[step:][same]], axis=1))
    return distinct_pairs(np.concatenate(found))


def distinct_pairs(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each pair once, the smaller row first; shape (m, 2), sorted."""
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    span = int(high.max(initial=0)) + 1
    # One number for a pair sorts ten times as fast as two columns do.
    return np.stack(np.divmod(np.unique(low * span + high), span), axis=1)


def close_pairs(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return pairs of rows closer than `CELL`, as far as a cell brings them together.

    Parameters
    ----------
    points : ndarray, shape (n, d)

    Returns
    -------
    ndarray, shape (m, 2), int64
    """
    if len(points) < 2:
        return np.zeros((0, 2), np.int64)
    keys = cell_keys(points)
    pairs = shared_pairs(keys, np.ones(keys.shape, np.bool_))
    apart = np.square(points[pairs[:, 0]] - points[pairs[:, 1]]).sum(axis=1)
    return pairs[apart < CELL**2]


def same_picture(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pairs show the same picture.

    Either nearly all of it is the same, also of what stands out from the background, or pictures
    and their edges correlate, as they do after compression, brightening or a faint overlay.

    Parameters
    ----------
    one, other : ndarray, shape (m, h, w, c), uint8

    Returns
    -------
    ndarray, shape (m,), bool
    """
    agree = (np.maximum(one, other) - np.minimum(one, other)).max(axis=3) <= _SAME
    agree = agree.reshape(len(agree), -1)  # (m, pixels)
    same = np.zeros(len(one), np.bool_)
    # What costs most is asked of those alone that have passed what costs little.
    some = np.flatnonzero(agree.mean(axis=1) >= _SHARE)
    if len(some):
        outstanding = _standing_out(one[some]) | _standing_out(other[some])
        of_these = (agree[some] & outstanding).sum(axis=1) / np.maximum(outstanding.sum(axis=1), 1)
        same[some] = (of_these >= _SHARE) & outstanding.any(axis=1)
    some = np.flatnonzero(~same)
    if not len(some):
        return same
    grey = [pictures[some].mean(axis=3, dtype=np.float32) for pictures in (one, other)]
    alike = _correlation(*grey) >= _ALIKE
    some, grey = some[alike], [pictures[alike] for pictures in grey]
    if not len(some):
        return same
    edges_alike = np.ones(len(some), np.bool_)
    for axis in (1, 2):
        edges = (np.diff(pictures, axis=axis) for pictures in grey)
        edges_alike &= _correlation(*edges) >= _EDGES_ALIKE
    same[some] = edges_alike
    return same


def _standing_out(pictures: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels differ from the background of their picture; shape (m, pixels)."""
    pixels = pictures.reshape(len(pictures), -1, pictures.shape[3])
    background = np.median(pixels, axis=1, keepdims=True)
    standing: NDArray[np.bool_] = np.abs(pixels - background).max(axis=2) > 2 * _SAME
    return standing


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return Pearson's correlation of each pair of pictures, 0 where one is flat."""
    first, second = (values.reshape(len(values), -1) for values in (one, other))
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1))
    together = (first * second).sum(axis=1)
    return np.divide(together, size, out=np.zeros_like(size), where=size > 0)


def joined(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a group number for each of n rows, the same for rows that pairs join."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _block_means(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    size = values.shape[axis]
    blocks = min(_SIDE, size)
    edges = np.arange(blocks) * size // blocks
    counts = np.diff(np.append(edges, size)).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = blocks
    means = np.add.reduceat(values, edges, axis=axis) / counts.reshape(shape)
    return means.astype(np.float32)


def _cosines(side: int) -> NDArray[np.float32]:
    """Return the first rows of the orthonormal DCT-II matrix, (4, side)."""
    k = np.arange(_LOWEST)[:, None]
    waves = np.cos(np.pi * (2 * np.arange(side) + 1) * k / (2 * side)) * np.sqrt(2 / side)
    waves[0] /= np.sqrt(2)
    waves[side:] = 0  # fewer pixels than frequencies
    return waves.astype(np.float32)
