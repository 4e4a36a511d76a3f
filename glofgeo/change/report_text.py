"""The fixed part of the report: its methods, with formulas and sources."""

METHODS = """<h2>Methods</h2><ul>
<li><b>Areas</b> are measured from the outlines on the WGS 84 ellipsoid, whatever the layer says; islands are no lake.
Perimeters are lengths of all shores on the ellipsoid.</li>
<li><b>Error of an area</b>: P G / 2, half a pixel all along the shore, as one standard deviation (P perimeter, G side
of a pixel; the code of Rounce et al. 2017, Remote Sensing 9:654). Outlines along the edges of pixels overstate the
perimeter of a circle by 27 %, and the error with it. G is that of the layer's own pixels where it tells, 10 m for
Sentinel-2, 30 m for all else.</li>
<li><b>Significant</b>: the change exceeds 1.96 times the root of the two squared errors. How many changes that is
depends on how the half pixel is read; each interval has the counts under two other readings.</li>
<li><b>Totals</b> carry two errors: independent (in quadrature; Wang et al. 2020, ESSD 12:2169) and all lakes alike
(added up). The truth lies between them.</li>
<li><b>Links</b>: outlines of two dates that overlap by however little are linked, as RGI 7 links glaciers of RGI 6;
what hangs together is one cluster, and its areas are compared as a whole. An overlap under a tenth of the smaller
outline, or a gap of at most a pixel, is a weak link and neither new nor vanished.</li>
<li><b>Copied outlines</b> (intersection over union above 0.9999 with the earlier date) carry no new observation; they
are left out of every statistic of change.</li>
<li><b>Not observed</b>: less than 95 % of the ground of a lake was seen at one of the dates, where masks tell, or its
outline is cut by the edge of a scene or by cloud.</li>
<li><b>Elevation, distance to a glacier, type, basin, country</b>: as the layers tell. Where they do not: the median of
the elevation model within the outline; the nearest of the given glacier outlines within 10 km, and by it the type
(supraglacial: wholly on ice; ice-contact: within two pixels; unconnected: within 10 km, Wang et al. 2020; fronts have
moved since the outlines were drawn); the given region that holds a point of the lake.</li>
<li><b>Rates</b> need two dates in order: km² a year, and percent a year compounded, 100 [(A₂/A₁)<sup>1/Δt</sup> −
1].</li>
<li><b>Trends</b>: Theil-Sen slope; its 95 % interval (Sen 1968, exact; between two slopes where none bounds just 95 %:
Hettmansperger &amp; Sheather 1986) and the Mann-Kendall test from five dates on, since an exact test cannot reach
p &lt; 0.05 below. Season and observed share stand beside each point: change within a year
may look like a trend over years.</li>
<li><b>Alerts</b>: lakes of 0.02 km² or more. No threshold is generally accepted. Tier 1 is made to catch South Lhonak
2023, which lost 11 % of its area in days; tier 2 losses above 30 %. From three dates on, dates at which a lake was not
observed are passed over: the last one before is held against the first one after. An alert is a lake to look at, not
a finding.</li>
</ul>"""
