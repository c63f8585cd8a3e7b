"""Equal and nearly equal pictures among many, without comparing each with each.

Candidates come from two indices: a k-d tree over the lowest frequencies of each picture (finds
pictures that were encoded again, sharpened, brightened), and equal quarters (finds copies that were
changed in one place, as by a stamped trigger). Every candidate is then compared pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK = 1024
"""Pictures or pairs that are looked at between two looks for a cancel."""

RADIUS = 48.0
"""Distance in the lowest frequencies: 6 grey levels, root mean square, over 8 x 8 means."""

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


def tree_pairs(
    points: NDArray[np.float32], check: Callable[[], None]
) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of rows closer than `RADIUS`, the nearest `NEIGHBOURS` of each row.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    check : callable
        Called between chunks.

    Yields
    ------
    ndarray, shape (m, 2), int64
    """
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return
    check()
    tree = cKDTree(points)
    for start in range(0, len(points), CHUNK):
        check()
        part = points[start : start + CHUNK]
        _, near = tree.query(part, k=min(NEIGHBOURS + 1, len(points)), distance_upper_bound=RADIUS)
        mine = np.repeat(np.arange(start, start + len(part)), near.shape[1])
        pairs = np.stack([mine, near.reshape(-1)], axis=1)
        yield pairs[(pairs[:, 1] < len(points)) & (pairs[:, 0] < pairs[:, 1])]


def shared_pairs(keys: NDArray[np.uint64], telling: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return pairs of rows that share a quarter: each with the next few of the same.

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
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs, axis=0)


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
    first = one.reshape(len(one), -1, one.shape[3]).astype(np.float32)
    second = other.reshape(first.shape).astype(np.float32)
    apart = np.abs(first - second).max(axis=2)  # (m, pixels)
    outstanding = (
        np.maximum(
            np.abs(first - np.median(first, axis=1, keepdims=True)).max(axis=2),
            np.abs(second - np.median(second, axis=1, keepdims=True)).max(axis=2),
        )
        > 2 * _SAME
    )
    agree = apart <= _SAME
    of_these = (agree & outstanding).sum(axis=1) / np.maximum(outstanding.sum(axis=1), 1)
    mostly = (agree.mean(axis=1) >= _SHARE) & (of_these >= _SHARE) & outstanding.any(axis=1)
    grey = one.mean(axis=3, dtype=np.float32), other.mean(axis=3, dtype=np.float32)
    alike = _correlation(*grey) >= _ALIKE
    for axis in (1, 2):
        edges = np.diff(grey[0], axis=axis), np.diff(grey[1], axis=axis)
        alike &= _correlation(*edges) >= _EDGES_ALIKE
    return mostly | alike


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
