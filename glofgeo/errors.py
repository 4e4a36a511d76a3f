"""The one exception and the one warning that a user is meant to see."""


class GlofgeoError(Exception):
    """A wrong input, told in one line: what is wrong, which file, and what to do about it.

    The command line prints the message and exits with status 2. Anything else that escapes is a fault of
    glofgeo itself and exits with status 1.
    """


class GlofgeoWarning(UserWarning):
    """What a user should know of an input that is used all the same; the command line prints it in one line."""
