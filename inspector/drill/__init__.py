"""Known poison, planted on purpose, and the small networks that learn it."""

from inspector.drill.adaptive_blend import AdaptiveBlend
from inspector.drill.all_to_all import AllToAll
from inspector.drill.attack import Attack, Planted
from inspector.drill.blended import Blended
from inspector.drill.demo import DemoTruth, write_demo_evidence
from inspector.drill.digits import digits
from inspector.drill.feature_collision import FeatureCollision
from inspector.drill.label_consistent import LabelConsistent
from inspector.drill.patch import Patch
from inspector.drill.pixel_network import PixelNetwork
from inspector.drill.sinusoid import Sinusoid
from inspector.drill.source_specific import SourceSpecific
from inspector.drill.training import Course, train_network
from inspector.drill.warp import Warp

__all__ = [
    "AdaptiveBlend",
    "AllToAll",
    "Attack",
    "Blended",
    "Course",
    "DemoTruth",
    "FeatureCollision",
    "LabelConsistent",
    "Patch",
    "PixelNetwork",
    "Planted",
    "Sinusoid",
    "SourceSpecific",
    "Warp",
    "digits",
    "train_network",
    "write_demo_evidence",
]
