"""Tables with identifiers in every place, for corpus.py."""
import csv, tomllib

import numpy as np

from corpus_made import Made, derived, described


def wdbc(plant, root, configs):
    made = Made(configs / "datasets/wdbc.toml", field="features", told={"label": "benign", "vendor": "other"}, more=described(root, configs, "wdbc", more='[tables]\nencoding = "big5"\ntitle_rows = 2\n'))
    (configs / "deliveries/wdbc/north.toml").write_text('name = "north"\n')
    profile = tomllib.loads((configs / "deid/biopsy-table.toml").read_text())
    measures = next(field["from"] for field in profile["fields"] if field["name"] == "features")

    def row(file, number, **other):
        said = {"chart_no": plant(f"{file}/chart_no", "chart"), "national_id": plant(f"{file}/national_id", "national"), "name": plant(f"{file}/name", "name2"),
                "birth_date": plant(f"{file}/birth_date", "date"), "exam_date": "20240601", "diagnosis": "B", "scanner_vendor": plant(f"{file}/scanner_vendor", "roman"),
                "phone": plant(f"{file}/phone", "phone"), "address": plant(f"{file}/address", "address"),
                "note": f'said "{plant(f"{file}/note", "name")}",\nand {plant(f"{file}/note, line 2", "roman")}'}
        return {**said, **{name: number + i for i, name in enumerate(measures)}, **other}

    def table(path, rows, encoding="utf-8-sig", above="", names=()):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding=encoding) as out:
            out.write(above)
            writer = csv.writer(out)
            writer.writerow([*rows[0], *names])
            writer.writerows([*one.values(), *names] for one in rows)

    def keep(one):
        made.kept.append(np.array([one[name] for name in measures], "f4"))
        return one

    table(root / "north" / f"{plant('wdbc/file name', 'roman')}.csv", [
        keep(row("wdbc/1", 1)), keep(row("wdbc/2", 2)), row("wdbc/3", 3, diagnosis=plant("wdbc/3/diagnosis", "name")),
        row("wdbc/4", 4, mean_radius=plant("wdbc/4/mean_radius", "national")), row("wdbc/5", 5, exam_date=plant("wdbc/5/exam_date", "phone"))],
        names=[plant("wdbc/a column's name", "name")])
    table(root / "south" / "big5.csv", [keep(row("wdbc/6", 6))], "big5", above=f"# {plant('wdbc/comment', 'name')}\n# {plant('wdbc/second comment', 'roman')}\n")
    (root / "north" / f"{plant('wdbc/another name', 'name')}.csv").write_text(plant("wdbc/no header", "name") + "\n")
    (root / "north" / "notes.txt").write_text(plant("wdbc/notes", "name"))
    made.left_out = {"unlisted": 1, "bad_value": 2, "bad_header": 1, "not_selected": 1}
    return made


def marks(plant, root, configs):
    """Tables of the general profile: comments between the rows, columns that nobody named, of the same name, and beyond the header."""
    columns = ["site", "label", "sex", "age", "exam_day", "study"]
    fields = f"""columns = {columns}
[[fields]]
name = "values"
shape = [1]
dtype = "f32"
[maps.label]
categories = ["benign", "malignant"]
[maps.label.codes]
B = "benign"
M = "malignant"
"""
    made = Made(derived(configs, "marks", "tables", fields), field="values", told={"label": "benign", "sex": "F"}, more=described(root, configs, "marks", more='[tables]\nseparator = "tab"\n'))
    (configs / "deliveries/marks/north.toml").write_text('name = "north"\n')
    header = ["national_id", "patient_id", "label", "sex", "birth_date", "exam_date", "study_uid", "value", "physician", "remark"]

    def row(file, number, **other):
        said = {"national_id": plant(f"{file}/national_id", "national"), "patient_id": plant(f"{file}/patient_id", "chart"), "label": "B", "sex": "F", "birth_date": plant(f"{file}/birth_date", "date"),
                "exam_date": "20240601", "study_uid": plant(f"{file}/study_uid", "uid"), "value": number, "physician": plant(f"{file}/physician", "roman"), "remark": f'"{plant(f"{file}/remark", "name")}";\n{plant(f"{file}/remark, line 2", "phone")}'}
        return list({**said, **other}.values())

    def table(path, rows, delimiter=","):
        with open(path, "w", newline="", encoding="utf-8") as out:
            csv.writer(out, delimiter=delimiter).writerows([[*header, plant(f"marks/{path.name}/a column's name", "name")], *([*one, plant(f"marks/{path.name}/unnamed {i}", "address")] for i, one in enumerate(rows))])

    good = [row(f"marks/{n}", n + 1) for n in range(3)]
    made.kept = [np.array([n + 1], "f4") for n in range(3)]
    table(root / "north/rows.csv", [good[0], row("marks/label", 7, label=plant("marks/label/label", "name")), row("marks/value", 8, value=plant("marks/value/value", "national")), good[1]])
    with open(root / "north/rows.csv", "a", encoding="utf-8") as out:
        out.write(f"# {plant('marks/comment', 'name')}\r\n")
    table(root / "south/rows.tsv", [good[2]], "\t")
    made.left_out = {"unlisted": 1, "bad_value": 1, "bad_row": 1}  # the comment is no row
    return made
