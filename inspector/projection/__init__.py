"""Maps: activations as points in the plane. They guide the eye, they prove nothing.

Gaps and distances of a map are not evidence: what is selected in it has to be tested in the space
of the activations.
"""

from inspector.projection.embedding import umap_map, warm_up
from inspector.projection.neighbours import nearest_neighbours
from inspector.projection.pca import pca_map

__all__ = ["nearest_neighbours", "pca_map", "umap_map", "warm_up"]
