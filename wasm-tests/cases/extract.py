"""Makes spec/*.tsv from the tables of the specification: extract.py SPEC_DIRECTORY OUTPUT_DIRECTORY.

One line a row: id, issue that brings it (empty: due now), first cells. Ids are SPEC-SECTION-rNN, NN counting the rows of
all tables in that section. Run by `cargo xtask generate` where FAIRLEAD_SPECIFICATION names its directory.
"""
import re
import sys
from pathlib import Path

SECTIONS = {
    "application-gateway": ("AG", ["3", "4", "5.1", "5.2", "6", "12.1", "13", "14", "17"]),
    "connectivity-validator": ("CV", ["3", "4.2", "4.3", "5"]),
}
# Rows that belong to a later issue, by id.
LATER = Path(__file__).with_name("later.tsv")


def cells(line):
    return [c.strip() for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def rows(text, sections):
    section, in_table, counts = "", False, {}
    lines = text.splitlines()
    for i, line in enumerate(lines):
        heading = re.match(r"#+ ([0-9]+(?:\.[0-9]+)?)\.? ", line)
        if heading:
            section, in_table = heading.group(1), False
        elif line.startswith("#"):
            in_table = in_table and False
        if not line.startswith("|"):
            in_table = False
            continue
        if re.match(r"\|[ :|-]+\|$", line):
            in_table = True
            continue
        if in_table and section in sections:
            counts[section] = counts.get(section, 0) + 1
            yield section, counts[section], cells(line)


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    later = dict(l.split("\t")[:2] for l in LATER.read_text().splitlines() if l and not l.startswith("#"))
    for name, (tag, sections) in SECTIONS.items():
        out = ["# id\tcomes with\trow (made by extract.py)"]
        for section, number, row in rows((source / f"{name}.md").read_text(), sections):
            ident = f"{tag}-{section}-r{number:02}"
            text = " | ".join(c for c in row[:2] if c).replace("\t", " ")
            out.append(f"{ident}\t{later.get(ident, '')}\t{text[:110]}")
        (target / f"{name}.tsv").write_text("\n".join(out) + "\n")


main()
