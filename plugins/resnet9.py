"""A network that weights alone do not give away: a small residual network for 32×32 pictures.

Its names and shapes look like a plain chain of convolutions; nothing in them says where the two
shortcuts are. A plugin says it in Python. Copy this file to teach Inspector a network of your own.
"""

from torch import nn


def _block(inputs, outputs, pooled=False):
    layers = [
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pooled else []))


class ResNet9(nn.Module):
    """Eight convolutions with two shortcuts, and a linear layer."""

    def __init__(self, num_classes, in_channels=3, width=64):
        super().__init__()
        self.conv1 = _block(in_channels, width)
        self.conv2 = _block(width, 2 * width, pooled=True)
        self.res1 = nn.Sequential(_block(2 * width, 2 * width), _block(2 * width, 2 * width))
        self.conv3 = _block(2 * width, 4 * width, pooled=True)
        self.conv4 = _block(4 * width, 8 * width, pooled=True)
        self.res2 = nn.Sequential(_block(8 * width, 8 * width), _block(8 * width, 8 * width))
        self.classifier = nn.Sequential(
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8 * width, num_classes)
        )

    def forward(self, x):
        """Map pictures (b, in_channels, h, w) to logits (b, num_classes)."""
        x = self.conv2(self.conv1(x))
        x = self.res1(x) + x
        x = self.conv4(self.conv3(x))
        x = self.res2(x) + x
        return self.classifier(x)


ARCHITECTURES = {"resnet9": ResNet9}
