"""Cited indicators for and against an outburst of each lake, without a score."""
