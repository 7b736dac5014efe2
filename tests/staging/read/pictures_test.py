"""PNG, JPEG and TIFF against Pillow: pictures_test.py FILES_DUMP"""
import io
import pathlib
import struct
import sys
import tempfile

import numpy as np
from PIL import Image, ImageOps

import files

DUMP = sys.argv[1]
random = np.random.default_rng(7)


def noise(shape, dtype=np.uint8):
    # Smooth enough that a lossy codec keeps it recognisable, rough enough that no byte may move.
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def four(array):
    return array.reshape(1, *array.shape, 1) if array.ndim == 2 else array.reshape(1, *array.shape)


def upright(a, orientation):
    """What is to be seen of what is stored (TIFF 6, Orientation)."""
    a = {2: a[:, ::-1], 3: a[::-1, ::-1], 4: a[::-1], 6: a[::-1], 7: a[::-1, ::-1], 8: a[:, ::-1]}.get(orientation, a)
    return a.swapaxes(0, 1) if orientation >= 5 else a


def png_chunks(data):
    chunks, at = [], 8
    while at < len(data):
        size = 12 + struct.unpack_from(">I", data, at)[0]
        chunks.append(data[at:at + size])
        at += size
    return chunks


def tiff(array, tile=None, photometric=1, big=False, order="<", orientation=1):
    """A plain TIFF by hand: what Pillow does not write. `array` is [rows, columns] or [rows, columns, samples]."""
    rows, columns = array.shape[:2]
    samples = 1 if array.ndim == 2 else array.shape[2]
    data = array.astype(array.dtype.newbyteorder(order))
    if tile:
        blocks = []
        for row in range(0, rows, tile):
            for column in range(0, columns, tile):
                block = np.zeros((tile, tile, *array.shape[2:]), data.dtype)
                part = data[row:row + tile, column:column + tile]
                block[:part.shape[0], :part.shape[1]] = part
                blocks.append(block.tobytes())
    else:
        blocks = [data.tobytes()]
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    tags = [(256, 4, [columns]), (257, 4, [rows]), (258, 3, [8 * array.dtype.itemsize] * samples), (259, 3, [1]),
            (262, 3, [photometric]), (274, 3, [orientation]), (277, 3, [samples]), (339, 3, [kind] * samples)]
    count, offset_type = len(blocks), 16 if big else 4
    tags += [(322, 4, [tile]), (323, 4, [tile])] if tile else [(278, 4, [rows])]
    tags += [(324 if tile else 273, offset_type, [0] * count), (325 if tile else 279, 4, [len(b) for b in blocks])]
    tags.sort()
    size = {3: 2, 4: 4, 16: 8}
    code = {3: "H", 4: "I", 16: "Q"}
    entry, inline = (20, 8) if big else (12, 4)
    head = 16 if big else 8
    directory = head + (8 if big else 2) + entry * len(tags) + (8 if big else 4)
    extra, at = b"", directory
    places = {}
    for tag, kind_of, values in tags:
        if size[kind_of] * len(values) > inline:
            places[tag] = at + len(extra)
            extra += bytes(size[kind_of] * len(values))
    first = directory + len(extra)
    offsets = [first + sum(len(b) for b in blocks[:i]) for i in range(count)]
    out = bytearray((struct.pack(order + "2sHHHQ", b"II" if order == "<" else b"MM", 43, 8, 0, head) if big else
                     struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, head)))
    out += struct.pack(order + ("Q" if big else "H"), len(tags))
    body = bytearray(extra)
    for tag, kind_of, values in tags:
        if tag in (273, 324):
            values = offsets
        raw = struct.pack(order + code[kind_of] * len(values), *values)
        if tag in places:
            body[places[tag] - directory:places[tag] - directory + len(raw)] = raw
            raw = struct.pack(order + ("Q" if big else "I"), places[tag])
        out += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind_of, len(values)) + raw.ljust(inline, b"\0")
    return bytes(out + bytes(8 if big else 4) + body + b"".join(blocks))


def main(folder):
    good, bad = [], []

    def save(name, image, **options):
        path = folder / name
        image.save(path, **options)
        return path

    def taken(path, array):
        good.append((path, array))

    def refused(path, reason, detail=""):
        bad.append((path, reason, detail))

    # PNG
    grey, colour = noise((31, 45)), noise((31, 45, 3))
    taken(save("grey.png", Image.fromarray(grey)), four(grey))
    taken(save("colour.png", Image.fromarray(colour)), four(colour))
    deep = noise((31, 45), np.uint16)
    taken(save("deep.png", Image.fromarray(deep)), four(deep))
    bits = noise((31, 45)) & 1
    taken(save("bits.png", Image.fromarray(bits * 255).convert("1")), four(bits))
    palette = Image.fromarray(colour).quantize(200)
    taken(save("palette.png", palette), four(np.asarray(palette.convert("RGB"))))
    opaque = np.dstack([colour, np.full(grey.shape, 255, np.uint8)])
    taken(save("opaque.png", Image.fromarray(opaque)), four(colour))
    opaque[3, 4, 3] = 254
    refused(save("alpha.png", Image.fromarray(opaque)), "pixel_format_unsupported", "transparency")
    refused(save("key.png", Image.fromarray(colour), transparency=(1, 2, 3)), "pixel_format_unsupported", "transparency")

    # JPEG
    smooth = np.asarray(Image.fromarray(noise((8, 11, 3))).resize((93, 61), Image.Resampling.BICUBIC))
    for name, options in [("plain", {}), ("444", {"subsampling": 0}), ("422", {"subsampling": 1}),
                          ("progressive", {"progressive": True})]:
        path = save(f"{name}.jpg", Image.fromarray(smooth), quality=90, **options)
        taken(path, four(np.asarray(Image.open(path))))
    path = save("grey.jpg", Image.fromarray(smooth[:, :, 0]), quality=90)
    taken(path, four(np.asarray(Image.open(path))))
    refused(save("cmyk.jpg", Image.fromarray(smooth).convert("CMYK")), "pixel_format_unsupported", "four colours")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010E] = "WANG SIAO-MING"  # a description, which must go nowhere
        path = save(f"turned-{orientation}.jpg", Image.fromarray(smooth), quality=90, exif=exif)
        taken(path, four(np.asarray(ImageOps.exif_transpose(Image.open(path)))))
        # PNG has it in a chunk of its own, before the pixels or behind them.
        for pixels in (grey, deep, colour, bits):
            path = save(f"turned-{orientation}-{pixels.ndim}-{pixels.dtype}-{pixels.max()}.png",
                        Image.fromarray(pixels) if pixels is not bits else Image.fromarray(bits * 255).convert("1"), exif=exif)
            taken(path, four(upright(pixels, orientation)))
        chunks = png_chunks(path.read_bytes())
        moved = [c for c in chunks if c[4:8] != b"eXIf"]
        moved[-1:-1] = [c for c in chunks if c[4:8] == b"eXIf"]
        assert moved != chunks
        behind = folder / f"behind-{orientation}.png"
        behind.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(moved))
        taken(behind, four(upright(bits, orientation)))
    exif[0x0112] = 9
    taken(save("turned-9.png", Image.fromarray(grey), exif=exif), four(grey))
    taken(save("turned-9.jpg", Image.fromarray(grey), exif=exif), four(np.asarray(Image.open(folder / "turned-9.jpg"))))
    path = folder / "turned-9.tif"
    path.write_bytes(tiff(grey, orientation=9))
    taken(path, four(grey))
    damaged = bytearray(behind.read_bytes())
    damaged[damaged.index(b"eXIf") + 5] ^= 1
    (folder / "damaged.png").write_bytes(damaged)
    refused(folder / "damaged.png", "decode_failed", "PNG")

    # TIFF
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
        taken(save(f"{compression}.tif", Image.fromarray(colour), compression=compression), four(colour))
    taken(save("deep.tif", Image.fromarray(deep)), four(deep))
    real = random.normal(size=(31, 45)).astype(np.float32)
    taken(save("real.tif", Image.fromarray(real)), four(real))
    whole = noise((31, 45), np.int32)
    taken(save("whole.tif", Image.fromarray(whole)), four(whole))
    taken(save("palette.tif", palette), four(np.asarray(palette.convert("RGB"))))
    path = save("jpeg.tif", Image.fromarray(smooth), compression="jpeg", quality=90)
    taken(path, four(np.asarray(Image.open(path))))
    pages = [Image.fromarray(noise((31, 45))) for _ in range(4)]
    taken(save("pages.tif", pages[0], save_all=True, append_images=pages[1:]),
          np.stack([np.asarray(p) for p in pages])[..., None])
    refused(save("pages-differ.tif", pages[0], save_all=True, append_images=[Image.fromarray(noise((5, 6)))]),
            "pixel_size_mismatch", "pages")
    group4 = save("group4.tif", Image.fromarray(bits * 255).convert("1"), compression="group4")
    stored = np.asarray(Image.open(group4)).astype(np.uint8)
    for name, array, options in [
            ("tiled", noise((100, 77)), {"tile": 32}), ("tiled16", noise((50, 77, 3), np.uint16), {"tile": 16, "photometric": 2}),
            ("big", noise((40, 33), np.int16), {"big": True}), ("bigtiled", noise((40, 33)), {"big": True, "tile": 16}),
            ("motorola", noise((40, 33), np.uint16), {"order": ">"}), ("double", random.normal(size=(9, 8)), {"order": ">"})]:
        path = folder / f"{name}.tif"
        path.write_bytes(tiff(array, **options))
        taken(path, four(array))
    for orientation in range(1, 9):
        array = noise((12, 7), np.uint16)
        path = folder / f"turned-{orientation}.tif"
        path.write_bytes(tiff(array, orientation=orientation))
        taken(path, four(upright(array, orientation)))
    (folder / "text.txt").write_text("no picture")
    refused(folder / "text.txt", "not_recognised")

    results = files.read(DUMP, "raster", [path for path, _ in good])
    for (path, array), got in zip(good, results):
        files.check_equal(path.name, got, array)
        assert "WANG" not in str(got)
    for (path, reason, detail), got in zip(bad, files.read(DUMP, "raster", [path for path, *_ in bad])):
        assert (got["reason"], got["detail"]) == (reason, detail), f"{path.name}: {got}"
    # Only the header: the same shape, also where a picture is turned.
    for (path, _), whole_one, head in zip(good, results, files.read(DUMP, "raster", [p for p, _ in good], "header")):
        assert head["shape"] == whole_one["shape"] and head["type"] == whole_one["type"], path.name
    # White is zero: values stay, and it is told.
    path = folder / "white.tif"
    path.write_bytes(tiff(grey, photometric=0))
    got = files.read(DUMP, "raster", [path])[0]
    files.check_equal("white", got, four(grey))
    assert got["photometric"] == "MONOCHROME1"
    got = files.read(DUMP, "raster", [group4])[0]
    seen = stored if got["photometric"] == "MONOCHROME2" else 1 - stored
    files.check_equal("group4", got, four(seen))
    for name in ["grey.png", "plain.jpg", "progressive.jpg", "tiff_lzw.tif", "pages.tif", "tiled.tif", "jpeg.tif"]:
        files.check_cut(DUMP, "raster", folder / name, folder,
                        {"not_recognised", "decode_failed", "pixel_format_unsupported", "pixel_size_mismatch", "no_pixel_data"})
    print(f"{len(good)} pictures equal, {len(bad)} refused by name")


with tempfile.TemporaryDirectory() as place:
    main(pathlib.Path(place))
