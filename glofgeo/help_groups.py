"""The panels that `--help` sorts the flags into, in the order in which it shows them."""

from cyclopts import Group

MAIN = Group.create_ordered("Main options")
RESULT = Group.create_ordered("What counts as a lake")
SCENES = Group.create_ordered("Scenes and labels")
SPLIT = Group.create_ordered("Split into train, val and test")
CROPS = Group.create_ordered("Training crops")
MODEL = Group.create_ordered("Model")
LOSS = Group.create_ordered("Loss")
OPTIMISER = Group.create_ordered("Optimiser")
HARDWARE = Group.create_ordered("Speed, memory and hardware")
LOGGING = Group.create_ordered("Logging")
