"""WDBC (569 real biopsies) as the four hospitals' CSV files: the measurements are real, whose they are is made."""
import csv
import random
from pathlib import Path

import numpy
from sklearn.datasets import load_breast_cancer

from hospitals import HOSPITALS, Hospital
from people import Person, Town


def column_name(sklearn_name: str) -> str:  # "mean radius", "radius error", "worst concave points"
    return sklearn_name.replace(" ", "_")


def date(hospital: Hospital, year: int, month: int, day: int) -> str:
    """A date as that hospital's system exports it: ROC years with slashes, ISO, or seven ROC digits."""
    if hospital.name == "central":
        return "%04d-%02d-%02d" % (year, month, day)
    if hospital.name == "south":
        return "%03d%02d%02d" % (year - 1911, month, day)
    return "%d/%02d/%02d" % (year - 1911, month, day)


def write_wdbc(folder: Path, town: Town, seed: int) -> dict[str, int]:
    """One CSV for each hospital under folder/HOSPITAL. Returns counts."""
    wdbc = load_breast_cancer()
    draw = random.Random(seed)
    order = numpy.random.default_rng(seed).permutation(len(wdbc.target))
    names = [column_name(n) for n in wdbc.feature_names]
    counts = {"real_rows": len(order), "damaged_rows": 0}
    for at, hospital in enumerate(HOSPITALS):
        (folder / hospital.name).mkdir(parents=True)
        path = folder / hospital.name / f"病理_{hospital.institution}_匯出.csv"
        with path.open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(["chart_no", "national_id", "name", "birth_date", "exam_date", "diagnosis", *names,
                            "scanner_vendor", "phone", "address", "note"])
            for row in order[at::len(HOSPITALS)]:
                person = town.person()
                values = [repr(float(v)) for v in wdbc.data[row]]
                table.writerow(line(town, hospital, draw, person, "BM"[1 - wdbc.target[row]], values))
            # Rows as exports have them once in a while; none may become a sample.
            good = [repr(float(v)) for v in wdbc.data[order[at]]]
            wrong = list(good)
            wrong[3] = "見備註"
            table.writerow(line(town, hospital, draw, town.person(), "B", wrong))              # text for a number
            table.writerow(line(town, hospital, draw, town.person(), "疑似惡性", good))        # no such diagnosis
            table.writerow(line(town, hospital, draw, town.person(), "B", good)[:-5])          # cut short
            counts["damaged_rows"] += 3
    return counts


def line(town: Town, hospital: Hospital, draw: random.Random, person: Person, diagnosis: str, values: list[str]) -> list[str]:
    exam = (2025, draw.randint(1, 12), draw.randint(1, 28))
    note = f"{person.name}, 電話 {person.phone}\n家屬: {person.name}之母"  # a quoted field with a line break in it
    return [town.chart(person, hospital.name), person.national, person.name, date(hospital, *person.birth),
            date(hospital, *exam), diagnosis, *values, hospital.table_vendor, person.phone, person.address, note]
