"""Whether the catalogue and the cards of a version tell the same figures: figures.py CATALOGUE-SHOW.json FOLDER-OF-CARDS"""
import json, pathlib, re, sys

summary = json.loads(pathlib.Path(sys.argv[1]).read_text())["summary"]
cards = pathlib.Path(sys.argv[2])
sheet = (cards / "datasheet.md").read_text().replace("\\", "").split("## Composition")[1]
split_rows = sheet.split("samples | patients |\n")[1].split("\n\n")[0].splitlines()[1:]
of_sheet = {"splits": {}}
for name, pattern in (("samples", r"^Samples: (.*?)\."), ("patients", r" Patients: (.*?)\."), ("shards", r"files: (.*?)[.,]")):
    of_sheet[name] = re.search(pattern, sheet, re.M)[1]
for row in split_rows:
    split, samples, patients = (cell.strip() for cell in row.strip("|").split("|"))
    of_sheet["splits"][split] = {"samples": samples, "patients": patients}
of_catalogue = {name: str(summary[name]) for name in ("samples", "patients", "shards")}
of_catalogue["splits"] = {split: {kind: str(count) for kind, count in counts.items()} for split, counts in summary["splits"].items()}
assert of_catalogue == of_sheet, (of_catalogue, of_sheet)
# Nothing of it is exact: 569 biopsies, as the packages bring them.
assert re.fullmatch(r"\d+0", of_catalogue["samples"]) and of_catalogue["shards"] == "<10" and of_catalogue["splits"], of_catalogue
health = json.loads((cards / "healthdcat.jsonld").read_text())
assert health["healthdcatap:numberOfRecords"]["@value"] == of_catalogue["samples"], health
assert health["healthdcatap:numberOfUniqueIndividuals"]["@value"] == of_catalogue["patients"], health
assert summary["bytes"] is None, summary   # of fewer than 1000 samples
program = json.loads((cards / "croissant.json").read_text())
assert next(one for one in program["recordSet"] if one["@id"] == "samples")["description"].endswith(f"nearest ten: {of_catalogue['samples']}")
print("ok    the catalogue and the cards tell the same figures")
