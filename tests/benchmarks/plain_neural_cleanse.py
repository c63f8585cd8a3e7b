"""Neural Cleanse as published, class by class, to compare with: plain PyTorch and nothing of ours.

Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao: Neural Cleanse: Identifying and Mitigating Backdoor
Attacks in Neural Networks, IEEE S&P 2019, with the constants that their code has for GTSRB: Adam with
rate 0.1 and decays 0.5 and 0.9, 32 pictures a step, up to 1,000 rounds of 1,000 pictures, a start from
random noise, a weight that waits for five successful rounds, then doubles after five successful ones
and falls by 2 ** 1.5 after five others, and an end after 25 rounds without one per cent of gain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

SUCCESS, FIRST_WEIGHT, FACTOR, PATIENCE, LEAST_GAIN, STOP = 0.99, 1e-3, 2.0, 5, 0.99, 25
BATCH, ROUND = 32, 31


@dataclass
class Found:
    """What the search of one class found.

    Attributes
    ----------
    mask : ndarray, shape (H, W), float32
    pattern : ndarray, shape (C, H, W), float32, 0..1
    size : float
        L1 norm of the smallest mask that worked, pixels; infinite when none did.
    rounds : int
    ended : bool
        By its own rule, or small enough; not by the cap.
    processor : float
        Seconds of the processor.
    """

    mask: NDArray[np.float32]
    pattern: NDArray[np.float32]
    size: float = float("inf")
    rounds: int = 0
    ended: bool = False
    processor: float = 0.0


def reconstruct(
    network: Callable[[torch.Tensor], torch.Tensor],
    pixels: torch.Tensor,
    target: int,
    cap: int = 1000,
    *,
    until: float = 0.0,
    seed: int = 0,
) -> Found:
    """Search the smallest trigger of one class.

    Parameters
    ----------
    network : callable
        In eval mode; takes pixels 0..1 and gives logits.
    pixels : Tensor, shape (n, C, H, W), float32, 0..1
    target : int
    cap : int
        Rounds at most.
    until : float
        Size of a mask that is small enough to end, pixels.
    seed : int
    """
    torch.manual_seed(seed)
    begun, (channels, height, width) = time.process_time(), pixels.shape[1:]
    free_mask = torch.atanh((torch.rand(1, height, width) - 0.5) * (2 - 1e-7)).requires_grad_()
    free_pattern = torch.atanh((torch.rand(channels, height, width) - 0.5) * (2 - 1e-7))
    free_pattern.requires_grad_()
    adam = torch.optim.Adam([free_mask, free_pattern], lr=0.1, betas=(0.5, 0.9))
    found = Found(np.zeros((height, width), np.float32), np.zeros(pixels.shape[1:], np.float32))
    weight, good, bad, waited, idle = 0.0, 0, 0, 0, 0
    raised = lowered = False
    wanted = torch.full((BATCH,), target)
    for number in range(1, cap + 1):
        found.rounds = number
        turned, sizes = 0, []
        for _ in range(ROUND):
            rows = torch.randint(len(pixels), (BATCH,))
            mask = torch.tanh(free_mask) / (2 - 1e-7) + 0.5
            pattern = torch.tanh(free_pattern) / (2 - 1e-7) + 0.5
            answers = network((1 - mask) * pixels[rows] + mask * pattern)
            size = mask.abs().sum()
            loss = functional.cross_entropy(answers, wanted) + weight * size
            adam.zero_grad()
            loss.backward()
            adam.step()
            turned += int((answers.argmax(1) == target).sum())
            sizes.append(float(size.detach()))
        rate, mean = turned / (ROUND * BATCH), float(np.mean(sizes))
        works, before = rate >= SUCCESS, found.size
        if works and mean < found.size:
            found.size = mean
            found.mask = mask.detach()[0].numpy().copy()
            found.pattern = pattern.detach().numpy().copy()
        if found.size <= until:
            found.ended = True
            break
        if np.isfinite(found.size):
            idle = 0 if found.size < LEAST_GAIN * before else idle + 1
            if raised and lowered and idle >= STOP:
                found.ended = True
                break
        if weight == 0:
            waited = waited + 1 if works else 0
            if waited >= PATIENCE:
                weight, good, bad, raised, lowered = FIRST_WEIGHT, 0, 0, False, False
            continue
        good, bad = (good + 1, 0) if works else (0, bad + 1)
        if good >= PATIENCE:
            weight, good, raised = weight * FACTOR, 0, True
        elif bad >= PATIENCE:
            weight, bad, lowered = weight / FACTOR**1.5, 0, True
    found.processor = time.process_time() - begun
    return found


def outliers(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the anomaly index of each class, positive below the median; above 2 is accused."""
    finite = np.where(np.isfinite(sizes), sizes, np.nan)
    middle = np.nanmedian(finite)
    spread = 1.4826 * np.nanmedian(np.abs(finite - middle))
    index: NDArray[np.float64] = (middle - finite) / max(spread, 1e-9)
    return np.nan_to_num(index, nan=-np.inf)
