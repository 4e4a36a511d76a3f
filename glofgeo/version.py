"""The version of this package, which every output names."""

__version__ = "0.1.0"
