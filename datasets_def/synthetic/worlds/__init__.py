"""Many synthetic worlds, to learn lakes from where no labels are: mountains and plains of all climates.

Each is one image of some five kilometres with the outlines of its lakes; what differs from world to world is drawn from
the ranges of its kind (`KINDS`).
"""

from datasets_def.synthetic.worlds.files import write_image, write_world
from datasets_def.synthetic.worlds.kinds import KINDS
from datasets_def.synthetic.worlds.plant import plant_lakes
from datasets_def.synthetic.worlds.sheets import draw_sheet
from datasets_def.synthetic.worlds.world import World, draw_world

__all__ = ["KINDS", "World", "draw_sheet", "draw_world", "plant_lakes", "write_image", "write_world"]
