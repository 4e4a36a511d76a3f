"""glofgeo: maps glacial lakes from Sentinel-2, so that outburst floods can be watched."""

__version__ = "0.1.0"
