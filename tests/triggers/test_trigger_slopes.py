"""What a form says of its own slopes is what autograd finds."""

from __future__ import annotations

import pytest
import torch

from inspector.triggers.blended import Blend
from inspector.triggers.neural_cleanse import Patch
from inspector.triggers.pixel import SignedPixels
from inspector.triggers.stamping import Differentiated, Stamping

SHAPE = (3, 8, 6)
COUNTS = [4, 1, 3]


@pytest.mark.parametrize(
    ("form", "own"),
    [(Patch, True), (Blend, True), (SignedPixels, False)],
    ids=["patch", "blend", "pixels"],
)
def test_slopes_of_triggers_are_those_of_their_pictures(form: type[Patch], own: bool) -> None:
    random = torch.Generator().manual_seed(0)
    made = form(len(COUNTS), SHAPE, torch.device("cpu"))
    for theta in made.thetas:
        theta += torch.randn(theta.shape, generator=random)
    values = [value.detach() for value in made.values(*made.thetas)]
    pixels = torch.rand(sum(COUNTS), *SHAPE, generator=random)
    slope = torch.randn(sum(COUNTS), *SHAPE, generator=random)
    stamping = Stamping(
        made,
        [[value[at, None] for value in values] for at in range(len(COUNTS))],
        pixels.split(COUNTS),
    )
    free = [value.clone().requires_grad_() for value in values]
    repeated = [value.repeat_interleave(torch.tensor(COUNTS), dim=0) for value in free]
    stamped = made.stamp(pixels, *repeated)
    wanted = torch.autograd.grad((stamped * slope).sum(), free)
    assert isinstance(made, Differentiated) is own
    torch.testing.assert_close(stamping.pictures(), stamped.detach())
    for at, found in enumerate(stamping.slopes(slope)):
        for one, whole in zip(found, wanted):
            torch.testing.assert_close(one[0], whole[at], rtol=1e-4, atol=1e-5)
