"""Made people with the identifiers that hospitals' files have: nobody here exists.

Names, national IDs (their checksum holds), ROC dates, chart numbers, telephones and addresses are drawn from a seed.
Everything drawn is remembered, so that the search for identifiers in what staging wrote knows what to look for.
"""
import random
from dataclasses import dataclass, field

# The romanisation beside each character; 許, 功 and 蓋 hold the byte 0x5C in Big5, which splits DICOM values.
SURNAMES = {"陳": "Chen", "林": "Lin", "黃": "Huang", "張": "Chang", "李": "Lee", "王": "Wang", "吳": "Wu", "劉": "Liu",
            "蔡": "Tsai", "楊": "Yang", "許": "Hsu", "鄭": "Cheng", "謝": "Hsieh", "郭": "Kuo", "洪": "Hung", "邱": "Chiu",
            "曾": "Tseng", "廖": "Liao", "賴": "Lai", "徐": "Hsu", "蓋": "Kai"}
GIVEN = {"志": "Chih", "明": "Ming", "淑": "Shu", "芬": "Fen", "美": "Mei", "玲": "Ling", "建": "Chien", "宏": "Hung",
         "雅": "Ya", "婷": "Ting", "俊": "Chun", "傑": "Chieh", "怡": "Yi", "君": "Chun", "家": "Chia", "豪": "Hao",
         "惠": "Hui", "文": "Wen", "國": "Kuo", "華": "Hua", "秀": "Hsiu", "英": "Ying", "冠": "Kuan", "宇": "Yu",
         "成": "Cheng", "功": "Kung", "麗": "Li", "珍": "Chen", "詩": "Shih", "涵": "Han"}
CITIES = ["臺北市中正區", "新北市板橋區", "桃園市中壢區", "臺中市西屯區", "臺南市安平區", "高雄市三民區", "花蓮縣吉安鄉"]
ROADS = ["明德路", "中山北路", "民生東路", "成功街", "信義路", "和平西路", "建國南路"]
# The letter of a national ID stands for two digits of its checksum.
LETTERS = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36)))


def national_id(draw: random.Random, sex: str) -> str:
    letter = draw.choice("ABCDEFHKN")
    digits = [1 if sex == "M" else 2] + [draw.randrange(10) for _ in range(7)]
    code = LETTERS[letter]
    total = code // 10 + code % 10 * 9 + sum(d * w for d, w in zip(digits, range(8, 0, -1)))
    return letter + "".join(map(str, digits)) + str(-total % 10)


@dataclass
class Person:
    """One made patient. `charts` holds the record number at each hospital that has seen them."""
    name: str          # 王小明
    roman: str         # Wang^HsiaoMing
    sex: str
    national: str
    birth: tuple[int, int, int]
    phone: str
    address: str
    charts: dict[str, str] = field(default_factory=dict)

    @property
    def birth_dicom(self) -> str:
        return "%04d%02d%02d" % self.birth

    @property
    def birth_roc(self) -> str:  # as tables have it: 62/03/05
        return "%d/%02d/%02d" % (self.birth[0] - 1911, *self.birth[1:])

    @property
    def birth_roc_text(self) -> str:
        return "民國%d年%d月%d日" % (self.birth[0] - 1911, *self.birth[1:])


class Town:
    """Draws people, and remembers every identifier that was given to a file."""

    def __init__(self, seed: int):
        self.draw = random.Random(seed)
        self.people: list[Person] = []
        self.planted: dict[str, set[str]] = {}
        self._names: set[str] = set()
        self._charts: set[str] = set()

    def person(self) -> Person:
        draw = self.draw
        while True:  # a name of its own each, so that a finding names its source
            surname, given = draw.choice(list(SURNAMES)), draw.sample(list(GIVEN), 2)
            if (name := surname + "".join(given)) not in self._names:
                break
        self._names.add(name)
        sex = draw.choice("MF")
        roman = SURNAMES[surname] + "^" + "".join(GIVEN[c] for c in given)
        birth = (draw.randint(1928, 2005), draw.randint(1, 12), draw.randint(1, 28))
        phone = "09%02d-%03d-%03d" % (draw.randrange(100), draw.randrange(1000), draw.randrange(1000))
        address = f"{draw.choice(CITIES)}{draw.choice(ROADS)}{draw.randint(1, 400)}號{draw.randint(1, 20)}樓"
        made = Person(name, roman, sex, national_id(draw, sex), birth, phone, address)
        self.people.append(made)
        for kind, value in (("name", name), ("name_roman", roman), ("name_roman", roman.replace("^", " ")),
                            ("national_id", made.national), ("phone", phone), ("phone", phone.replace("-", "")),
                            ("address", address), ("birth_date_roc", made.birth_roc_text)):
            self.note(kind, value)
        return made

    def chart(self, person: Person, hospital: str) -> str:
        """The person's record number at that hospital, given at the first visit."""
        if hospital not in person.charts:
            while True:
                number = f"{hospital[0].upper()}{self.draw.randrange(10**7, 10**8)}"
                if number not in self._charts:
                    break
            self._charts.add(number)
            person.charts[hospital] = self.note("chart_number", number)
        return person.charts[hospital]

    def note(self, kind: str, value: str) -> str:
        """Remembers an identifier that goes into a file, and hands it back."""
        self.planted.setdefault(kind, set()).add(value)
        return value
