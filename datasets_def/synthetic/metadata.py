"""The names and XML files of a synthetic Sentinel-2 product, with the elements of the real ones that readers use.

Structure and names after the Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from affine import Affine

from datasets_def.archive import StoredFile
from datasets_def.bands import BANDS
from datasets_def.manifest import compute

RELATIVE_ORBIT = 119
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
PSD = "https://psd-14.sentinel2.eo.esa.int/PSD"


@dataclass(frozen=True)
class Product:
    """What the names and metadata of a product say.

    Attributes:
        level: `L1C` or `L2A`.
        baseline: processing baseline, for example `05.10`.
        when: acquisition, UTC.
        generated: processing, UTC.
        tile: MGRS tile, for example `45RVL`.
        epsg: code of the grid's CRS.
        left: easting of the upper left corner in metres.
        top: northing of the upper left corner in metres.
        size: pixels at 10 m along either side.
        bands: names of the bands.
        sun: mean zenith and azimuth in degrees.
    """

    level: Literal["L1C", "L2A"]
    baseline: str
    when: datetime
    generated: datetime
    tile: str
    epsg: int
    left: int
    top: int
    size: int
    bands: Sequence[str]
    sun: tuple[float, float]

    @property
    def offset(self) -> int:
        """DN added to reflectance by processing: 1000 from baseline 04.00 on."""
        return 1000 if float(self.baseline) >= 4 else 0

    @property
    def orbit(self) -> str:
        """Absolute orbit as in names: S2A's passage over this track nearest in time, 143 orbits in ten days."""
        # S2A flew orbit 38058 on 2022-10-05, on track 23; tracks follow the orbit number.
        since = self.when - datetime(2022, 10, 5, 11, 54, 11, tzinfo=UTC)
        passage = round((38058 - 20 + 143 * since / timedelta(days=10)) / 143)
        return f"A{max(0, passage * 143 + RELATIVE_ORBIT - 3):06d}"

    @property
    def stem(self) -> str:
        """Name of the product without `.SAFE`."""
        code = self.baseline.replace(".", "")
        day, made = _compact(self.when), _compact(self.generated)
        return f"S2A_MSI{self.level}_{day}_N{code}_R{RELATIVE_ORBIT:03d}_T{self.tile}_{made}"

    @property
    def granule(self) -> str:
        """Folder of the granule inside the product."""
        return f"GRANULE/{self.level}_T{self.tile}_{self.orbit}_{_compact(self.when)}"

    def transform(self, metres: int) -> Affine:
        """Returns the transform from the pixels of one resolution to the CRS."""
        return Affine(metres, 0, self.left, 0, -metres, self.top)

    def image(self, band: str, resolution: int) -> str:
        """Returns the path of a band's file inside the product, without `.jp2`."""
        name = f"{self.granule}/IMG_DATA/T{self.tile}_{_compact(self.when)}_{band}"
        if self.level == "L1C":
            return name
        return name.replace("IMG_DATA/", f"IMG_DATA/R{resolution}m/") + f"_{resolution}m"

    def images(self) -> list[str]:
        """Returns the paths of all image files inside the product, without `.jp2`."""
        files = [self.image(band, BANDS[band].resolution) for band in self.bands]
        return files if self.level == "L1C" else [*files, self.image("SCL", 20)]

    @property
    def metadata(self) -> str:
        """Name of the product's own metadata file."""
        return f"MTD_MSI{self.level}.xml"

    @property
    def granule_id(self) -> str:
        """Identifier of the granule, as in the ground segment's archive."""
        made = _compact(self.generated)
        return f"S2A_OPER_MSI_{self.level}_TL_2APS_{made}_{self.orbit}_T{self.tile}_N{self.baseline}"


def tile_name(zone: int, lat: float, easting: float, northing: float) -> str:
    """Returns the MGRS tile of a place, for example `45RVL`: zone, band of latitude, 100 km square.

    The letters are those of the Military Grid Reference System, NGA.STND.0037.
    """
    band = "CDEFGHJKLMNPQRSTUVWXX"[min(20, max(0, int((lat + 80) // 8)))]
    columns = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")[(zone - 1) % 3]
    column = columns[min(7, max(0, int(easting // 100_000) - 1))]
    row = "ABCDEFGHJKLMNPQRSTUV"[(int(northing // 100_000) + (5 if zone % 2 == 0 else 0)) % 20]
    return f"{zone:02d}{band}{column}{row}"


def product_xml(product: Product) -> str:
    """Returns the text of `MTD_MSIL2A.xml` or `MTD_MSIL1C.xml`."""
    level, start = f"Level-{product.level[1:]}", _precise(product.when)
    files = "\n".join(f"            <IMAGE_FILE>{path}</IMAGE_FILE>" for path in product.images())
    return f"""{HEAD}<n1:{level}_User_Product xmlns:n1="{PSD}/User_Product_{level}.xsd" {XSI}>
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{start}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{start}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{product.stem}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>{level}</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI{product.level[1:]}</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{product.baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>{_precise(product.generated)}</GENERATION_TIME>
      <PREVIEW_IMAGE_URL>Not applicable</PREVIEW_IMAGE_URL>
      <PREVIEW_GEO_INFO>Not applicable</PREVIEW_GEO_INFO>
      <Datatake datatakeIdentifier="GS2A_{_compact(product.when)}_{product.orbit[1:]}_N{product.baseline}">
        <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
        <DATATAKE_SENSING_START>{start}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>{RELATIVE_ORBIT}</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
      <Query_Options completeSingleTile="true">
        <PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
      </Query_Options>
      <Product_Organisation>
        <Granule_List>
          <Granule granuleIdentifier="{product.granule_id}" imageFormat="JPEG2000">
{files}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Image_Display_Order>
        <RED_CHANNEL>3</RED_CHANNEL>
        <GREEN_CHANNEL>2</GREEN_CHANNEL>
        <BLUE_CHANNEL>1</BLUE_CHANNEL>
      </Image_Display_Order>
{_radiometry(product)}
    </Product_Image_Characteristics>
  </n1:General_Info>
</n1:{level}_User_Product>
"""


def _radiometry(product: Product) -> str:
    """Returns the elements that turn DN into reflectance."""
    tag = "RADIO_ADD_OFFSET" if product.level == "L1C" else "BOA_ADD_OFFSET"
    around = "Radiometric_Offset_List" if product.level == "L1C" else "BOA_ADD_OFFSET_VALUES_LIST"
    lines = ['<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>']
    if product.level == "L2A":
        lines = [
            "<QUANTIFICATION_VALUES_LIST>",
            '  <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>',
            '  <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>',
            '  <WVP_QUANTIFICATION_VALUE unit="cm">1000.0</WVP_QUANTIFICATION_VALUE>',
            "</QUANTIFICATION_VALUES_LIST>",
        ]
    if product.offset:
        offsets = [f'  <{tag} band_id="{band.band_id}">{-product.offset}</{tag}>' for band in BANDS.values()]
        lines += [f"<{around}>", *offsets, f"</{around}>"]
    return "\n".join("      " + line for line in lines)


def tile_xml(product: Product) -> str:
    """Returns the text of the granule's `MTD_TL.xml`: the grids and the sun."""
    level, zone = f"Level-{product.level[1:]}", product.epsg % 100
    half = "S" if product.epsg > 32700 else "N"
    sizes, places = "", ""
    for metres in (10, 20, 60):
        side = -(-product.size * 10 // metres)
        sizes += f"""
      <Size resolution="{metres}">
        <NROWS>{side}</NROWS>
        <NCOLS>{side}</NCOLS>
      </Size>"""
        places += f"""
      <Geoposition resolution="{metres}">
        <ULX>{product.left}</ULX>
        <ULY>{product.top}</ULY>
        <XDIM>{metres}</XDIM>
        <YDIM>-{metres}</YDIM>
      </Geoposition>"""
    return f"""{HEAD}<n1:{level}_Tile_ID xmlns:n1="{PSD}/S2_PDI_{level}_Tile_Metadata.xsd" {XSI}>
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{product.granule_id}</TILE_ID>
    <SENSING_TIME metadataLevel="Standard">{_precise(product.when)}</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {zone}{half}</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{product.epsg}</HORIZONTAL_CS_CODE>{sizes}{places}
    </Tile_Geocoding>
    <Tile_Angles metadataLevel="Standard">
      <Mean_Sun_Angle>
        <ZENITH_ANGLE unit="deg">{product.sun[0]:.6f}</ZENITH_ANGLE>
        <AZIMUTH_ANGLE unit="deg">{product.sun[1]:.6f}</AZIMUTH_ANGLE>
      </Mean_Sun_Angle>
    </Tile_Angles>
  </n1:Geometric_Info>
</n1:{level}_Tile_ID>
"""


def manifest_xml(product: Product, folder: Path) -> str:
    """Returns the text of `manifest.safe`: the time, and the files with their checksums.

    Args:
        product: what it tells.
        folder: where all other files of the product lie already.
    """
    files = [product.metadata, f"{product.granule}/MTD_TL.xml", *(f"{path}.jp2" for path in product.images())]
    # The change from MD5 came about with baseline 04.00.
    kind = "SHA3-256" if float(product.baseline) >= 4 else "MD5"
    entries = "\n".join(
        f'    <dataObject ID="{path.rsplit("/")[-1].split(".")[0]}_Data">\n'
        f'      <byteStream size="{(folder / path).stat().st_size}">'
        f'<fileLocation locatorType="URL" href="./{path}"/>'
        f'<checksum checksumName="{kind}">{compute(StoredFile(folder / path), kind)}</checksum></byteStream>\n'
        f"    </dataObject>"
        for path in files
    )
    return f"""{HEAD}<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="http://www.esa.int/safe/sentinel/1.1" \
version="esa/safe/sentinel/1.1/sentinel-2/msi/archive_{product.level.lower()}_user_product">
  <metadataSection>
    <metadataObject ID="acquisitionPeriod" category="DMD" classification="DESCRIPTION">
      <metadataWrap mimeType="text/xml" textInfo="Acquisition Period" vocabularyName="Sentinel-SAFE">
        <xmlData>
          <safe:acquisitionPeriod>
            <safe:startTime>{_precise(product.when)}</safe:startTime>
          </safe:acquisitionPeriod>
        </xmlData>
      </metadataWrap>
    </metadataObject>
  </metadataSection>
  <dataObjectSection>
{entries}
  </dataObjectSection>
</xfdu:XFDU>
"""


def _compact(when: datetime) -> str:
    """Returns a time as in names."""
    return when.strftime("%Y%m%dT%H%M%S")


def _precise(when: datetime) -> str:
    """Returns a time as in metadata."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
