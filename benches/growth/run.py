#!/usr/bin/env python3
"""How the cost of an event grows: with the size of its line, with connections, and by the mode of its frames.

    benches/growth/run.py [--runs N] [--megabytes N] [--router FILE] [-- COMMAND...]

Runs `cargo bench --bench end_to_end` (or COMMAND in its place), prints tables for benches/README.md, and draws
`benches/growth/size.svg`: CPU seconds per million events over the bytes of a line, with the straight line through them.
Python 3 alone is needed.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = [100, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000]
CONNECTIONS = [1, 10, 100, 1_000]
MODES = ["message", "forward", "packed"]
EVENTS_MAX = 1_000_000
COLUMNS = ["bytes", "rate", "cpu", "kernel", "peak", "idle", "listening", "wire"]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 70, 40, 20, 60


def measure(options, *arguments):
    """The medians of some runs, by column."""
    command = [*options.command, "--runs", str(options.runs), *map(str, arguments)]
    if options.router:
        command += ["--router", options.router]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line for line in said.splitlines() if re.match(r"\|\s+\d+ \|", line)]
    row = next((line for line in rows if line.endswith("median")), rows[-1])
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    faults = sum(int(cell) for cell in cells[-4:])
    if faults:
        sys.exit(f"{' '.join(command)}: {faults} events out of order, twice or missing, or requests against the rules\n{said}")
    return dict(zip(COLUMNS, map(float, cells[: len(COLUMNS)])))


def events(options, size):
    """So many that each size moves about the same number of bytes."""
    return max(10_000, min(EVENTS_MAX, options.megabytes * 1_000_000 // (size + 130)))


def straight(points):
    """Offset and slope of the line with the least relative errors, and the largest of these."""
    weights = [1 / (y * y) for _, y in points]
    total = sum(weights)
    x_mean = sum(w * x for w, (x, _) in zip(weights, points)) / total
    y_mean = sum(w * y for w, (_, y) in zip(weights, points)) / total
    slope = sum(w * (x - x_mean) * (y - y_mean) for w, (x, y) in zip(weights, points))
    slope /= sum(w * (x - x_mean) ** 2 for w, (x, _) in zip(weights, points))
    offset = y_mean - slope * x_mean
    return offset, slope, max(abs(offset + slope * x - y) / y for x, y in points)


def plot(points, fit):
    """The measured points and the line through them."""
    offset, slope, _ = fit
    x_max, y_max = max(x for x, _ in points) * 1.05, max(y for _, y in points) * 1.1
    across = lambda x: LEFT + x / x_max * (WIDTH - LEFT - RIGHT)  # noqa: E731
    down = lambda y: HEIGHT - BOTTOM - y / y_max * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    text = lambda x, y, words, at="middle": f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{at}">{words}</text>'  # noqa: E731
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        text(WIDTH / 2, 22, "CPU seconds per million events, by bytes of a line"),
    ]
    for step in range(6):
        x, y = x_max * step / 5, y_max * step / 5
        out.append(f'<path d="M{LEFT} {down(y):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out += [text(LEFT - 8, down(y) + 4, f"{y:.0f}", "end"), text(across(x), HEIGHT - BOTTOM + 20, f"{x:,.0f}")]
    out.append(text(WIDTH / 2, HEIGHT - 12, f"{offset:.2f} + {slope * 1000:.2f} for each 1,000 bytes"))
    ends = f"M{across(0):.1f} {down(offset):.1f}L{across(x_max):.1f} {down(offset + slope * x_max):.1f}"
    out.append(f'<path d="{ends}" stroke="#3366cc" fill="none"/>')
    out += [f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="4" fill="#cc3333"/>' for x, y in points]
    return "\n".join([*out, "</svg>", ""])


def table(head, rows):
    print(f"\n| {head} | CPU s/M | of them in the kernel | events/s | MB/s of lines | peak MB |\n|---|---:|---:|---:|---:|---:|")
    for name, row in rows:
        rate = row["rate"] * row["bytes"] / 1e6
        print(f"| {name} | {row['cpu']:.2f} | {row['kernel']:.2f} | {row['rate']:,.0f} | {rate:.0f} | {row['peak']:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=200, help="of each run, about [200]")
    parser.add_argument("--router")
    parser.add_argument("command", nargs="*", default=["cargo", "bench", "--bench", "end_to_end", "--"])
    options = parser.parse_args()
    sizes = [(size, measure(options, "--bytes", size, "--events", events(options, size))) for size in SIZES]
    table("bytes of a line", [(f"{size:,}", row) for size, row in sizes])
    points = [(size, row["cpu"]) for size, row in sizes]
    fit = straight(points)
    print(f"\n{fit[0]:.2f} + {fit[1] * 1000:.2f} for each 1,000 bytes; no size is more than {fit[2]:.0%} away from that.")
    (HERE / "size.svg").write_text(plot(points, fit))
    count = events(options, 200)
    many = [(n, measure(options, "--bytes", 200, "--events", count, "--connections", n)) for n in CONNECTIONS]
    table("connections, 200 B", [(f"{n:,}", row) for n, row in many])
    modes = [(mode, measure(options, "--bytes", 200, "--events", count, "--mode", mode)) for mode in MODES]
    table("mode, 200 B", modes)
    lines = [(kind, measure(options, "--bytes", 200, "--events", count, "--lines", kind)) for kind in ("plain", "json", "varied")]
    table("lines, 200 B", lines)


if __name__ == "__main__":
    main()
