"""The verb `map`: a scene becomes probability, mask, lake layer and picture."""

from glofgeo.mapping.run import map_scene

__all__ = ["map_scene"]
