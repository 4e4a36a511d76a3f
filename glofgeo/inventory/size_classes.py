"""Size classes of lakes: in scorecards, and for training to show the rare sizes more often."""

# A lake of just a bound is in the upper class. From 0.02 km2 on, ICIMOD's inventory of 2020 deems a lake large enough
# for a harmful outburst; the smallest lakes of Wang et al. 2020 (ESSD 12:2169) have 0.0054 km2.
SIZE_BOUNDS_KM2 = (0.005, 0.02, 0.1, 1.0)
SIZE_CLASSES = ("< 0.005", "0.005-0.02", "0.02-0.1", "0.1-1", "> 1")
