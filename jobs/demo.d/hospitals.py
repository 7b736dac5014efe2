"""The four made hospitals: which vendor each bought from, how it writes names, and how its scanner sees."""
from dataclasses import dataclass

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless


@dataclass(frozen=True)
class Hospital:
    name: str            # as given to `aloft-stage build --delivery NAME=DIR`
    institution: str
    vendor: str          # Manufacturer of its images
    table_vendor: str    # scanner of its biopsies
    charset: str         # (0008,0005), what the file claims
    encoding: str        # what its bytes are
    transfer_syntax: str
    gain: float          # of one grey level of the digits (0 to 16)
    offset: float
    noise: float         # standard deviation, of 255
    root: str            # of its UIDs


HOSPITALS = [
    Hospital("north", "北城綜合醫院", "SIEMENS", "Leica Biosystems", "ISO_IR 192", "utf-8",
             ExplicitVRLittleEndian, 14.0, 4, 3, "1.2.826.0.1.3680043.10.1511.1"),
    # Big5 is no character set of DICOM: such files claim Latin-1, and readers show mojibake.
    Hospital("central", "中原紀念醫院", "GE MEDICAL SYSTEMS", "Hamamatsu", "ISO_IR 100", "big5",
             ImplicitVRLittleEndian, 9.0, 30, 6, "1.2.826.0.1.3680043.10.1511.2"),
    Hospital("south", "南港聯合醫院", "Philips Medical Systems", "Roche", "GB18030", "gb18030",
             RLELossless, 12.0, 0, 8, "1.2.826.0.1.3680043.10.1511.3"),
    Hospital("east", "東海岸醫院", "FUJIFILM Corporation", "3DHISTECH", "ISO_IR 192", "utf-8",
             DeflatedExplicitVRLittleEndian, 7.0, 60, 4, "1.2.826.0.1.3680043.10.1511.4"),
]
