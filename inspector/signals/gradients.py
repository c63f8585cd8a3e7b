"""Per-sample gradients of the loss: the last layer in closed form, the whole network sketched.

For cross-entropy behind a linear layer z = W h + b, the gradient of one sample at (W, b) is
g = r ⊗ [h, 1] with r = softmax(z) - onehot(y). Norms and inner products follow from the factors
(Goodfellow 2015, "Efficient per-example gradient computations"), so no (n, C·d) array is needed.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from inspector.errors import BadInput


def residuals(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return softmax(logits) - onehot(labels), the gradient of the loss at the logits.

    The entry at the label is minus the sum of the others, so it keeps its digits where the network
    is sure (1 - p would be 0 in float32) and every row sums to 0.

    Parameters
    ----------
    logits : ndarray, shape (n, C)
    labels : ndarray, shape (n,), int

    Returns
    -------
    ndarray, shape (n, C), dtype of the logits
        NaN where the label is outside 0 to C - 1.
    """
    wide = np.asarray(logits, np.float64)
    wide = np.exp(wide - wide.max(axis=1, keepdims=True, initial=-np.inf))
    wide /= wide.sum(axis=1, keepdims=True)
    known = (labels >= 0) & (labels < wide.shape[1])
    rows = np.flatnonzero(known)
    wide[rows, labels[rows]] = 0
    wide[rows, labels[rows]] = -wide[rows].sum(axis=1)
    wide[~known] = np.nan
    return wide.astype(logits.dtype)


def cross_entropy(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the cross-entropy at the label, in nats.

    As log(1 + Σ exp(z_j - z_y)) over the other classes: samples that the network fits to 1e-12,
    as it fits poison, keep their order instead of all becoming 0.

    Parameters
    ----------
    logits : ndarray, shape (n, C)
    labels : ndarray, shape (n,), int

    Returns
    -------
    ndarray, shape (n,), float64
        NaN where the label is outside 0 to C - 1.
    """
    loss = np.full(len(logits), np.nan)
    rows = np.flatnonzero((labels >= 0) & (labels < logits.shape[1]))
    ahead = np.asarray(logits[rows], np.float64)
    place = np.arange(len(rows)), np.asarray(labels)[rows]
    ahead = ahead - ahead[place][:, None]
    ahead[place] = -np.inf
    top = np.maximum(ahead.max(axis=1, initial=-np.inf), 0)
    others = np.exp(ahead - top[:, None]).sum(axis=1)
    # top + log(exp(-top) + others), written with log1p for the usual case top = 0.
    loss[rows] = top + np.log1p(np.expm1(-top) + others)
    return loss


def last_layer_gradients(
    activations: NDArray[np.floating], residuals: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the gradients at the weights and biases of the last linear layer.

    Meant for few samples at a time; statistics over many follow from the factors.

    Parameters
    ----------
    activations : ndarray, shape (n, d)
        Input of the last linear layer.
    residuals : ndarray, shape (n, C)
        See `residuals`.

    Returns
    -------
    ndarray, shape (n, C, d + 1)
        ``[:, :, :d]`` is the gradient at the weight (C, d), ``[:, :, d]`` the one at the bias.
    """
    ones = np.ones((len(activations), 1), activations.dtype)
    extended = np.concatenate([activations, ones], axis=1)
    return residuals[:, :, None] * extended[:, None, :]


def last_layer_gradient_norms(
    activations: NDArray[np.floating], residuals: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the Euclidean norms of `last_layer_gradients`: ‖r‖ √(‖h‖² + 1).

    Parameters
    ----------
    activations : ndarray, shape (n, d)
    residuals : ndarray, shape (n, C)

    Returns
    -------
    ndarray, shape (n,), float64
    """
    h = np.einsum("nd,nd->n", activations, activations, dtype=np.float64)
    r = np.einsum("nc,nc->n", residuals, residuals, dtype=np.float64)
    return np.sqrt(r * (h + 1))


def last_layer_gram(
    activations: NDArray[np.floating], residuals: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return all inner products of `last_layer_gradients`: (R Rᵀ) ∘ (H Hᵀ + 1 1ᵀ).

    Parameters
    ----------
    activations : ndarray, shape (n, d)
    residuals : ndarray, shape (n, C)

    Returns
    -------
    ndarray, shape (n, n)
    """
    return (residuals @ residuals.T) * (activations @ activations.T + 1)


class GradientSketch:
    """Per-sample gradients of the loss at all parameters, projected to k dimensions.

    The projection is a count sketch (Charikar, Chen and Farach-Colton 2002; Weinberger et al.
    2009): every parameter adds to one of the k sums with a random sign. Inner products keep their
    value in expectation, with an error of about 1/√k of the norms, as with a dense random matrix
    that would need k times the memory of the gradient.

    Parameters
    ----------
    network : nn.Module
        In eval mode. Its parameters are read when the sketch is made.
    classes : int
        Number of logits.
    k : int
        Number of dimensions, at least 1.
    seed : int
        Seed of the projection.

    Attributes
    ----------
    buckets : Tensor, shape (P,), int32
        Which sum each parameter adds to; parameters in the order of ``named_parameters``.
    signs : Tensor, shape (P,), int8
        With which sign.
    """

    def __init__(self, network: nn.Module, classes: int, k: int, seed: int) -> None:
        self.k = k
        self._classes = classes
        self._network = network
        self._parameters = {
            name: value.detach().contiguous() for name, value in network.named_parameters()
        }
        count = sum(value.numel() for value in self._parameters.values())
        generator = torch.Generator().manual_seed(seed)
        buckets = torch.randint(k, (count,), generator=generator, dtype=torch.int32)
        signs = torch.randint(2, (count,), generator=generator, dtype=torch.int8)
        device = next(iter(self._parameters.values())).device if count else torch.device("cpu")
        self.buckets = buckets.to(device)
        self.signs = signs.to(device).mul_(2).sub_(1)
        self._gradients = vmap(grad(self._loss), in_dims=(None, 0, 0))

    def __call__(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the sketched gradients.

        Parameters
        ----------
        x : Tensor, shape (b, c, h, w)
            A batch as the network takes it.
        labels : Tensor, shape (b,), int64
            NaN comes out where a label is negative or has no logit.

        Returns
        -------
        Tensor, shape (b, k), float32

        Raises
        ------
        BadInput
            The network uses an operation that torch.func cannot batch.
        """
        x, labels = x.to(self.buckets.device), labels.to(self.buckets.device)
        known = (labels >= 0) & (labels < self._classes)
        try:
            gradients = self._gradients(self._parameters, x, labels.where(known, 0))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise BadInput(
                "Per-sample gradients of this network could not be computed.",
                f"torch.func says: {str(error).splitlines()[0][:300]}",
                "Scan without --sketch; last-layer gradients need none of this.",
            ) from None
        return self.project(gradients).masked_fill_(~known[:, None], torch.nan)

    def project(self, gradients: dict[str, Tensor]) -> Tensor:
        """Return gradients by parameter name, each (b, ...), projected to (b, k)."""
        first = next(iter(gradients.values()))
        sums = torch.zeros(len(first), self.k, dtype=first.dtype, device=first.device)
        start = 0
        for name in self._parameters:
            part = gradients[name].reshape(len(first), -1)
            stop = start + part.shape[1]
            # scatter_add_ with int64 is three times as fast as index_add_ (torch 2.15, CPU).
            index = self.buckets[start:stop].long().expand(len(first), -1)
            sums.scatter_add_(1, index, part * self.signs[start:stop])
            start = stop
        return sums

    def _loss(self, parameters: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(self._network, parameters, (x[None],)).reshape(1, -1)
        return nn.functional.cross_entropy(logits, label[None])
