"""What speaks for and against an outburst of each lake: indicators with their sources, and no score."""
