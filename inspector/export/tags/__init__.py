"""The tags of a case in the formats of other programs."""

from inspector.export.tags.writing import FORMATS, tags_as

__all__ = ["FORMATS", "tags_as"]
