"""A pipeline over photographs with Pillow: straighten, develop, sharpen, make a contact sheet.

The photographs are generated: a sky, a sun, hills and grain, 1.2 megapixels each. They go to the
workers as views of shared memory. A worker develops one with Pillow's filters, sends it back
whole, and puts a small one on the contact sheet, an array that all workers write, each its own
place. Photographs and sheet are those that one process makes, bit by bit; the program checks that.

python examples/photographs.py [photographs] [processes] [file]     (pip install numpy pillow)
"""

import sys
import time

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

import manyhands as mp

HEIGHT, WIDTH = 960, 1280
SMALL = 8  # one pixel of the sheet for so many of a photograph, each way


def photograph(number):
    """Photograph `number`: rows, columns, red-green-blue."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    picture = np.stack([0.4 + 0.3 * rows, 0.5 + 0.3 * rows, 0.95 - 0.2 * rows], axis=2)
    x, y = random.random(2)
    sun = np.exp(-((columns - x) ** 2 + (rows - y / 2) ** 2) * 200)
    picture += sun[:, :, None] * [1.0, 0.9, 0.4]
    for depth in range(3):
        phases = random.random(4) * 7
        ridge = 0.5 + depth * 0.15
        ridge += sum(
            0.03 / (k + 1) * np.sin(columns[0] * 6 * (k + 1) + phases[k]) for k in range(4)
        )
        picture[rows > ridge] = np.array([0.1, 0.35, 0.15]) * (1 - depth * 0.25)
    picture += random.normal(0, 0.02, picture.shape)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def developed(picture):
    """The photograph as it should be: straight, with good tones, sharp, its outlines drawn."""
    image = Image.fromarray(picture)
    image = image.rotate(1.5, Image.Resampling.BICUBIC, fillcolor=(20, 20, 20))
    image = ImageEnhance.Color(ImageOps.autocontrast(image, cutoff=1)).enhance(1.3)
    image = image.filter(ImageFilter.UnsharpMask(radius=4, percent=120, threshold=2))
    outlines = image.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(2))
    return ImageChops.subtract(image, ImageOps.colorize(outlines, "black", "white"))


def place(sheet, number):
    """Where on the sheet a photograph belongs: a view of it."""
    height, width = HEIGHT // SMALL, WIDTH // SMALL
    row, column = divmod(number, 4)
    return sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]


def print_on(spot, picture):
    """Develop a photograph; put a small one straight onto its place, and give back the whole."""
    image = developed(picture)
    spot[:] = image.resize((WIDTH // SMALL, HEIGHT // SMALL), Image.Resampling.LANCZOS)
    return np.asarray(image)


def sheet_for(count, make):
    rows = -(-count // 4)
    return make((rows * HEIGHT // SMALL, 4 * WIDTH // SMALL, 3), np.uint8)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with mp.Pool(processes) as pool:
        pictures = pool.map(photograph, range(count))  # results: views, this program's own
        begin = time.perf_counter()
        expected = sheet_for(count, np.zeros)
        serial = [print_on(place(expected, n), pictures[n]) for n in range(count)]
        middle = time.perf_counter()
        sheet = sheet_for(count, mp.zeros)
        work = [(place(sheet, n), pictures[n]) for n in range(count)]
        parallel = pool.starmap(print_on, work)
        end = time.perf_counter()
    same = all(map(np.array_equal, parallel, serial)) and np.array_equal(sheet, expected)
    if len(sys.argv) > 3:
        Image.fromarray(sheet).save(sys.argv[3])
    print(f"{count} photographs, the same as in one process: {same}")
    print(f"{middle - begin:.2f} s in one process, {end - middle:.2f} s with {pool}")


if __name__ == "__main__":
    main()
