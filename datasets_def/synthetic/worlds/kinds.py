"""The kinds of world: which ground, snow, lakes and traces of people each of them has."""

from collections.abc import Mapping
from dataclasses import dataclass

Span = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """What the worlds of one kind have in common; a pair is the range that a world draws from.

    Attributes:
        relief_m: height of the mountains in metres.
        wave_m: distance from ridge to ridge in metres; drawn as 40 to 500 pixels.
        floor: share of the ground that is flat valley floor, 0-1.
        rocks: materials of the bare ground; a world draws two, which may be the same.
        plants: materials that cover low and gentle ground, in any order.
        treeline: share of the ground, by height, up to which plants grow.
        snowline: the same for where snow begins, 1 and more for none.
        glaciers: share of the high ground under ice.
        debris: share of the ground, by height, up to which ice lies under rubble.
        flooded: share of the ground under water in flooded valleys and basins.
        lakes_per_km2: of lakes scooped out of the ground, ponds aside; on 40 km2 and 120 lakes at most.
        clear: how clear the water is, 0 and less for glacier milk to 1.
        rivers: how many rivers at most, braided ones among them.
        people: probability of roads, quarries, roofs, fields.
    """

    relief_m: Span
    wave_m: Span
    floor: Span
    rocks: tuple[str, ...]
    plants: tuple[str, ...]
    treeline: Span
    snowline: Span
    glaciers: Span
    debris: Span
    flooded: Span
    lakes_per_km2: Span
    clear: Span
    rivers: int
    people: float


KINDS: Mapping[str, Kind] = {
    "debris": Kind(
        relief_m=(900, 2200), wave_m=(2500, 6000), floor=(0.1, 0.35), rocks=("granite", "schist", "scree", "gravel"),
        plants=("dry grass",), treeline=(0.0, 0.3), snowline=(0.55, 1.1), glaciers=(0.3, 0.8), debris=(0.4, 0.95),
        flooded=(0.0, 0.02), lakes_per_km2=(0.3, 3.0), clear=(0.0, 0.8), rivers=2, people=0.05,
    ),
    "icefield": Kind(
        relief_m=(400, 1500), wave_m=(2000, 6000), floor=(0.0, 0.3), rocks=("granite", "schist", "basalt", "scree"),
        plants=("meadow",), treeline=(0.0, 0.15), snowline=(0.15, 0.9), glaciers=(0.6, 1.0), debris=(0.0, 0.35),
        flooded=(0.0, 0.03), lakes_per_km2=(0.2, 2.0), clear=(0.0, 0.9), rivers=2, people=0.0,
    ),
    "alps": Kind(
        relief_m=(700, 1800), wave_m=(2000, 5000), floor=(0.05, 0.3), rocks=("limestone", "granite", "schist", "scree"),
        plants=("conifer", "leaf trees", "meadow", "dwarf pine"), treeline=(0.35, 0.9), snowline=(0.6, 1.6),
        glaciers=(0.0, 0.3), debris=(0.0, 0.5), flooded=(0.0, 0.03), lakes_per_km2=(0.1, 2.0), clear=(0.2, 1.0),
        rivers=2, people=0.6,
    ),
    "granite": Kind(
        relief_m=(60, 600), wave_m=(800, 3000), floor=(0.1, 0.5), rocks=("granite", "schist", "basalt"),
        plants=("conifer", "bog", "dry grass", "meadow"), treeline=(0.3, 1.1), snowline=(0.7, 1.8),
        glaciers=(0.0, 0.0), debris=(0.0, 0.0), flooded=(0.0, 0.15), lakes_per_km2=(0.3, 5.0), clear=(0.4, 1.0),
        rivers=1, people=0.15,
    ),
    "karst": Kind(
        relief_m=(300, 1600), wave_m=(1200, 4000), floor=(0.05, 0.4), rocks=("limestone", "limestone", "scree", "sand"),
        plants=("conifer", "leaf trees", "dwarf pine", "meadow"), treeline=(0.1, 0.8), snowline=(0.6, 1.6),
        glaciers=(0.0, 0.1), debris=(0.0, 0.2), flooded=(0.0, 0.02), lakes_per_km2=(0.1, 1.6), clear=(0.3, 1.0),
        rivers=2, people=0.5,
    ),
    "plateau": Kind(
        relief_m=(100, 900), wave_m=(2000, 9000), floor=(0.3, 0.7), rocks=("soil", "sandstone", "sand", "salt"),
        plants=("dry grass", "bog"), treeline=(0.0, 0.6), snowline=(0.8, 1.8), glaciers=(0.0, 0.2), debris=(0.0, 0.3),
        flooded=(0.0, 0.35), lakes_per_km2=(0.0, 1.0), clear=(0.1, 1.0), rivers=2, people=0.15,
    ),
    "hills": Kind(
        relief_m=(150, 700), wave_m=(800, 3000), floor=(0.0, 0.25), rocks=("soil", "schist", "sandstone", "limestone"),
        plants=("leaf trees", "dry grass", "conifer", "meadow"), treeline=(0.3, 1.2), snowline=(1.0, 1.8),
        glaciers=(0.0, 0.0), debris=(0.0, 0.0), flooded=(0.0, 0.12), lakes_per_km2=(0.05, 1.0), clear=(0.0, 1.0),
        rivers=2, people=0.7,
    ),
    "lowland": Kind(
        relief_m=(10, 120), wave_m=(1000, 4000), floor=(0.2, 0.7), rocks=("soil", "sand", "gravel", "soil"),
        plants=("conifer", "leaf trees", "bog", "dry grass", "meadow"), treeline=(0.5, 1.2), snowline=(1.2, 1.8),
        glaciers=(0.0, 0.0), debris=(0.0, 0.0), flooded=(0.0, 0.12), lakes_per_km2=(0.1, 2.5), clear=(0.0, 1.0),
        rivers=3, people=0.9,
    ),
    "basin": Kind(
        relief_m=(20, 500), wave_m=(2500, 12000), floor=(0.1, 0.6),
        rocks=("soil", "sand", "gravel", "schist", "limestone"),
        plants=("conifer", "leaf trees", "dry grass", "meadow", "bog"), treeline=(0.0, 1.2), snowline=(0.9, 1.8),
        glaciers=(0.0, 0.0), debris=(0.0, 0.0), flooded=(0.1, 0.65), lakes_per_km2=(0.0, 0.5), clear=(-0.1, 1.0),
        rivers=1, people=0.7,
    ),
}  # fmt: skip
"""By name, from the mountain range to the plain: debris-covered glaciers (Himalaya), icefields, forested limestone
and crystalline mountains (Alps), bare shield (granite), karst, arid plateau (Tibet), hills with reservoirs, lowland,
and basins, where lakes are wide."""
