"""Maps of the samples: principal components at once, UMAP when it is ready."""

from inspector.projection.neighbours import nearest_neighbours
from inspector.projection.principal import leading_components, pca_map
from inspector.projection.umap_layout import umap_map, warm_up

__all__ = ["leading_components", "nearest_neighbours", "pca_map", "umap_map", "warm_up"]
