"""Whole Sentinel-2 products of places that do not exist."""
