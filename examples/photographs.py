"""A pipeline over photographs: develop, blur, find the edges, make a contact sheet.

The photographs are generated: a sky, a sun, hills and grain, 1.2 megapixels each. Every step is
numpy on a whole picture. The pictures go to the workers as views of shared memory, and the contact
sheet is an array that all workers write, each its own place. The result is the serial one, bit by
bit; the program checks that.

python examples/photographs.py [photographs] [processes] [file.ppm]
"""

import sys
import time
from pathlib import Path

import numpy as np

import manyhands as mp

HEIGHT, WIDTH = 960, 1280
SMALL = 8  # one pixel of the sheet for so many of a picture, each way


def photograph(number):
    """Picture `number`: rows, columns, red-green-blue."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    sky = np.stack([0.4 + 0.3 * rows, 0.5 + 0.3 * rows, 0.95 - 0.2 * rows], axis=2)
    x, y = random.random(2)
    sun = np.exp(-((columns - x) ** 2 + (rows - y / 2) ** 2) * 200)
    picture = sky + sun[:, :, None] * [1.0, 0.9, 0.4]
    for depth in range(3):
        phases = random.random(4) * 7
        ridge = 0.5 + depth * 0.15
        ridge += sum(
            0.03 / (k + 1) * np.sin(columns[0] * 6 * (k + 1) + phases[k]) for k in range(4)
        )
        picture[rows > ridge] = np.array([0.1, 0.35, 0.15]) * (1 - depth * 0.25)
    picture += random.normal(0, 0.02, picture.shape)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def blurred(picture):
    """Each point the mean of its neighbourhood, by sums along rows and columns."""
    for axis in (0, 1):
        shifted = [np.roll(picture, step, axis) for step in (-2, -1, 0, 1, 2)]
        picture = sum(shifted) / 5
    return picture


def develop(picture):
    """Tones, sharpness and edges of one picture; small, as it goes on the sheet."""
    tones = (picture / 255.0) ** 0.8
    sharp = (1.5 * tones - 0.5 * blurred(tones)).clip(0, 1)
    grey = sharp @ [0.3, 0.6, 0.1]
    edges = np.hypot(*np.gradient(grey))
    marked = np.where(edges[:, :, None] > 0.15, [1.0, 0.3, 0.1], sharp)
    small = marked.reshape(HEIGHT // SMALL, SMALL, WIDTH // SMALL, SMALL, 3).mean((1, 3))
    return (small * 255).astype(np.uint8)


def place(sheet, number):
    """Where on the sheet a picture belongs: a view of it."""
    height, width = HEIGHT // SMALL, WIDTH // SMALL
    row, column = divmod(number, 4)
    return sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]


def print_on(spot, picture):
    """Develop a picture straight onto its place, and say how bright it is."""
    spot[:] = develop(picture)
    return float(spot.mean())


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
    same = parallel == serial and bool((sheet == expected).all())
    if len(sys.argv) > 3:
        head = b"P6 %d %d 255\n" % (sheet.shape[1], sheet.shape[0])
        Path(sys.argv[3]).write_bytes(head + sheet.tobytes())
    print(f"{count} photographs, the same sheet as in one process: {same}")
    print(f"{middle - begin:.2f} s in one process, {end - middle:.2f} s with {pool}")


if __name__ == "__main__":
    main()
