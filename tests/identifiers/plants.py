"""Identifiers for the corpus: each place of each file gets one of its own, so that whatever is found names the place it came from.
Nobody here exists; values are drawn from a seed."""
import pathlib, random, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "jobs/demo.d"))
from people import national_id

# Of GBK, Big5, JIS X 0208 and KS X 1001, so that each of these character sets can write the names; 功 holds 0x5C in Big5.
# No surname is a given name, and those of names of two characters are their own: no name is in another.
SURNAMES = {"name": "王李林洪曾高何周朱", "name2": "田石江白馬方金丁毛池谷杜章程武孟孔牛米"}
GIVEN = "志明美玲宏雅傑怡君家豪文華秀英宇成功珍山川東西南北春夏秋冬松竹梅花木水火土光天地月星雲雨雪風"
CITIES = ["臺北市中正區", "臺中市西屯區", "臺南市安平區", "高雄市三民區"]
ROADS = ["中山北路", "民生東路", "成功街", "信義路", "和平西路", "建國南路"]
SYLLABLES = ["Chih", "Ming", "Shu", "Fen", "Mei", "Ling", "Chien", "Hung", "Ya", "Ting", "Chun", "Chieh", "Yi", "Chia", "Hao", "Hsiu"]


class Plants:
    def __init__(self, seed=11):
        self.random, self.taken = random.Random(seed), set()
        self.identifiers = []  # {"kind": the place, "value"}: several values where one identifier is spelled in several ways
        self.places = {}       # place -> sort
        self.staying = set()   # places whose identifiers reach a shard: what a hostile delivery can still do

    def __call__(self, place, sort, stays=False, drawn=False):
        """An identifier of a sort ("name", "name2": two characters, "roman", "national", "chart", "phone", "address", "date", "uid"), as
        it is to be written at `place`. `drawn`: in no bytes, but as a picture."""
        assert place not in self.places, place
        for _ in range(1000):
            value, spellings = self.draw(sort)
            # Two characters of which each has letters and digits alone in UTF-16: no search can tell them from text.
            is_text = sort == "name2" and value.encode("utf-16-le").translate(None, b"+/=_-. ").isalnum()
            if not self.taken & set(spellings) and not is_text:
                break
        else:
            raise ValueError(f"there are no more of {sort}")
        self.taken |= set(spellings)
        if drawn:
            return value
        self.places[place] = sort
        self.staying |= {place} if stays else set()
        self.identifiers += [{"kind": place, "value": one} for one in dict.fromkeys(spellings)]
        return value

    def draw(self, sort):
        draw = self.random
        if sort in SURNAMES:
            name = draw.choice(SURNAMES[sort]) + "".join(draw.sample(GIVEN, 1 if sort == "name2" else 2))
            return name, [name]
        if sort == "roman":
            last, first = draw.choice(("Wang", "Lee", "Hung", "Tseng", "Kao", "Chou")), "".join(draw.sample(SYLLABLES, 3))
            return f"{last}^{first}", [f"{last}{between}{first}" for between in ("^", " ", "_", "")] + [f"{first} {last}"]
        if sort == "national":
            value = national_id(draw, draw.choice("MF"))
        elif sort == "chart":
            value = f"N{draw.randrange(10**9, 10**10)}"
        elif sort == "phone":
            value = "09%02d-%03d-%03d" % (draw.randrange(100), draw.randrange(1000), draw.randrange(1000))
        elif sort == "address":
            value = f"{draw.choice(CITIES)}{draw.choice(ROADS)}{draw.randint(1, 400)}號{draw.randint(1, 20)}樓"
        elif sort == "uid":  # with a patient's number in it
            number = draw.randrange(10**10, 10**11)
            return f"1.2.826.0.1.{number}.1", [str(number)]
        elif sort == "date":
            y, m, d = draw.randint(1920, 2005), draw.randint(1, 12), draw.randint(1, 28)
            return "%04d%02d%02d" % (y, m, d), [form % (y, m, d) for form in ("%04d%02d%02d", "%04d-%02d-%02d", "%04d/%02d/%02d")] + [
                "%02d/%02d/%04d" % (d, m, y), "民國%d年%d月%d日" % (y - 1911, m, d)]
        else:
            raise ValueError(sort)
        return value, [value]
