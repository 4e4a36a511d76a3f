"""The exceptions and the warning that a user is meant to see.

They live in `datasets_def`, which raises them too and knows nothing of glofgeo.
"""

from datasets_def.errors import GlofgeoError, GlofgeoWarning, NoScenesError, NotInPlaceError

__all__ = ["GlofgeoError", "GlofgeoWarning", "NoScenesError", "NotInPlaceError"]
