"""The exception and the warning that are meant for users."""


class GlofgeoError(Exception):
    """A wrong input, in one line: what is wrong, which file, and what to do about it.

    The command line prints the message and exits with status 2. Anything else that escapes is a fault of
    glofgeo itself and exits with status 1.

    Attributes:
        hint: what to do about it, in words that fit every way of calling; empty if the message says it all.
        argument: name of the parameter that would help, as in Python; the command line adds it as a flag.
    """

    def __init__(self, message: str, hint: str = "", *, argument: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.argument = argument

    def __str__(self) -> str:
        """Gives message and hint."""
        return "; ".join(filter(None, (super().__str__(), self.hint)))


class NoScenesError(GlofgeoError):
    """There are no scenes where some were looked for; more can be fetched."""


class NotInPlaceError(GlofgeoError):
    """A scene on the network of which parts cannot be read; it can be fetched whole.

    Attributes:
        day: of its acquisition, UTC, as 2024-10-15; empty where it is not known.
    """

    def __init__(self, message: str, hint: str, day: str = "") -> None:
        super().__init__(message, hint)
        self.day = day


class GlofgeoWarning(UserWarning):
    """A problem of an input that is used nevertheless; the command line prints it in one line."""
