"""What the deliveries of corpus.py have in common: what is expected of each, descriptions, definitions."""
import dataclasses, pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont


@dataclasses.dataclass
class Made:
    """A dataset's deliveries. `kept`: the pixels of each sample that must be there, as a shard has them; `told`: columns that each of
    them has; `left_out`: how many files or rows for each reason; `drawn`: names in pixels, each by its file and its ink's share of every
    pixel; `masks`: of each that is kept, where they have one."""
    definition: pathlib.Path
    kept: list = dataclasses.field(default_factory=list)
    left_out: dict = dataclasses.field(default_factory=dict)
    more: list = dataclasses.field(default_factory=list)
    field: str = "image"
    told: dict = dataclasses.field(default_factory=dict)
    drawn: dict = dataclasses.field(default_factory=dict)
    masks: list = dataclasses.field(default_factory=list)


def patient(plant, name):
    return {"chart": plant(f"{name}'s PatientID", "chart"), "national": plant(f"{name}'s national ID", "national"), "visit": "20240601"}


def derived(configs, name, profile, fields, more=""):
    """A definition for a shipped profile that no shipped dataset uses."""
    path = configs / f"datasets/{name}.toml"
    path.write_text(f"""name = "{name}"
version = "1"
profile = "../deid/{profile}.toml"
placeholders = "../deliveries/placeholders.toml"
{fields}
[splits]
train = 1.0
{more}
""")
    return path


IMAGE = """[[fields]]
name = "image"
shape = []
dtype = "f32"
"""


def described(root, configs, name, path="", more=""):
    """Descriptions of a dataset's deliveries, and the flag that gives them."""
    folder = configs / f"deliveries/{name}"
    folder.mkdir()
    for site in ("north", "south"):
        (root / site).mkdir(parents=True, exist_ok=True)
        (folder / f"{site}.toml").write_text(f'name = "{site}"\n' + (f'path = "{path}"\n' if path else "") + more)
    return ["--deliveries", str(folder)]


def ink(name, at, size):
    """A name that is drawn: its ink's share of each pixel of a square."""
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).text(at, name.replace("^", " ").upper(), fill=255, font=ImageFont.load_default(14))
    return np.asarray(mask) / 255


def hide(plant, place, array):
    """Steganography, the simplest: nothing that a viewer shows, and staging keeps what it cannot tell from a picture."""
    bits = np.unpackbits(np.frombuffer(plant(place, "national", stays=True).encode(), "u1"))
    flat = array.reshape(-1)
    flat[:bits.size] = (flat[:bits.size] & 0xFE) | bits
