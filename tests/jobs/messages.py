#!/usr/bin/env python3
"""messages.py SOURCE ALOFT: what aloft says has a translation, all of it, and a bad translation does no harm.

The sources' messages are what xgettext finds; what goes round it is found, too. The catalogues are GNU gettext's: its own programs judge them.
"""
import functools
import gettext
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import check_texts

SOURCE, ALOFT = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
LANGUAGES = SOURCE / "jobs/cli/languages"
# Where an argument is for people: function and its number, the object not counted.
KEYWORDS = {"message": 1, "tr": 1, "failure": 2, "marked": 1, "add_verb": 4, "add_option": 3, "add_flag": 3, "add_subcommand": 2,
            "add_option_group": 2}
# Texts of checks, which are put into a language where they are shown (jobs/cli/recognised).
CHECKS = {"doctor.cpp"}
COMMANDS = "admin|apply|audit|cancel|catalogue|doctor|grant|jobs|logs|release|requeue|review|shell|submit|top|train|stage|usage|watch"
HAN = re.compile(r"[\u4e00-\u9fff]")


def run(*command, **more) -> str:
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def sources() -> list[Path]:
    return sorted(f for part in ("core", "jobs") for f in (SOURCE / part).rglob("*.cpp")
                  if (not f.name.endswith("_main.cpp") or f.name == "aloft_main.cpp") and re.search(r"\b(message|tr|failure|marked)\(|CLI::", f.read_text()))


def entries(po: Path, folder: Path, context: str | None = None) -> dict[str, str]:
    """As a program reads them: fuzzy and obsolete ones are none. Of a context (msgctxt) or of none."""
    run("msgfmt", "-o", folder / "read.mo", po)
    with open(folder / "read.mo", "rb") as file:
        catalogue = {key: value for key, value in gettext.GNUTranslations(file)._catalog.items() if key}
    head = "" if context is None else context + "\4"
    return {key[len(head):]: value for key, value in catalogue.items() if key.startswith(head) and "\4" not in key[len(head):]}


def places(text: str) -> list[str]:
    """The numbers of its places, {} counted."""
    names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    return sorted(name or str(i) for i, name in enumerate(names))


@functools.cache
def pattern_of(entry: str) -> tuple[tuple, re.Pattern]:
    """What of two entries is preferred: the lower; and what an entry is made for."""
    literals = [part.replace("{{", "{").replace("}}", "}") for part in entry.split("{}")]
    return (-sum(map(len, literals)), len(literals), entry.encode()), re.compile("(.*?)".join(map(re.escape, literals)), re.S)


def entry_of(text: str, formats) -> tuple[str, list[str]] | None:
    """As jobs/cli/recognised: the entry with the most literal text that `text` is made of, and what is in its places."""
    for one in sorted(formats, key=lambda one: pattern_of(one)[0]):
        if found := pattern_of(one)[1].fullmatch(text):
            return one, list(found.groups())
    return None


def unrecognised(texts: dict[str, str], formats: list[str]) -> tuple[dict[str, str], set[str]]:
    """The texts that no entry is made for: none fits, or words would stay English in a place; and the entries that none of them needs."""
    missing, unused = {}, set(formats)
    for text, path in texts.items():
        found = entry_of(text.replace("{}", "\0").replace("{{", "{").replace("}}", "}"), formats)
        if found is None or any(" " in place.strip() and check_texts.is_for_people(place.replace("\0", "")) for place in found[1]):
            missing[text] = path
        else:
            unused.discard(found[0])
    return missing, unused


def bypasses(text: str) -> list[str]:
    """Words for people that no translation reaches."""
    literal = r'"(?:[^"\\\n]|\\.)*"'
    found = []
    for statement in re.split(r"[;{}]\s", re.sub(r'(?m)//.*$|^#include.*$|R"\((?s:.*?)\)"', "", text)):
        statement = " ".join(statement.split())
        # What tr takes, keys of JSON, what is compared and names of files are no words for people.
        rest = re.sub(rf"\btr\((?:{literal} ?)+|\.(?:at|value)\({literal}|[!=]= {literal}|/ {literal}", "", statement)
        if re.search(r"\bError\((core::)?Fault::|\bc(out|err) <<|(?<!\w)print\(common, ", rest) and \
           any(re.search("[A-Za-z]{3}", word) for word in re.findall(literal, re.sub(r"\{\{.*\}\}", "", rest))):
            found.append(statement)
    return found


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="aloft-messages-"))
        pot = cls.folder / "aloft.pot"
        run("xgettext", "--language=C++", "--from-code=UTF-8", "-k", *(f"-k{name}:{at}" for name, at in KEYWORDS.items()), "-o", pot,
            *sources())
        run("msgen", pot, "-o", cls.folder / "english.po", stderr=subprocess.DEVNULL)
        text = (cls.folder / "english.po").read_text().replace("charset=CHARSET", "charset=UTF-8")
        (cls.folder / "english.po").write_text(text)
        cls.found = set(entries(cls.folder / "english.po", cls.folder))
        # A locale of this name, whatever this machine has: the characters are those of C.UTF-8.
        cls.locales = cls.folder / "locales"
        shutil.copytree("/usr/lib/locale/C.utf8", cls.locales / "zh_TW.UTF-8")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def says(self, *words, program=ALOFT, **environment) -> str:
        environment = {"LANG": "zh_TW.UTF-8", **environment}
        done = subprocess.run([program, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"PATH": os.environ["PATH"], "LOCPATH": str(self.locales), **environment})
        return done.stdout

    def with_catalogue(self, po: str) -> Path:
        """aloft beside another catalogue."""
        home = Path(tempfile.mkdtemp(dir=self.folder))
        (home / "bin").mkdir()
        shutil.copy(ALOFT, home / "bin/aloft")
        catalogue = home / "share/locale/zh_TW/LC_MESSAGES"
        catalogue.mkdir(parents=True)
        (home / "one.po").write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n' + po)
        run("msgfmt", "-o", catalogue / "aloft.mo", home / "one.po")
        return home / "bin/aloft"

    def test_each_message_has_a_translation_and_no_other_is_there(self):
        self.assertGreater(len(self.found), 400)
        for po in sorted(LANGUAGES.glob("*.po")):
            run("msgfmt", "--check", "-o", os.devnull, po)
            for kind in ("--only-fuzzy", "--only-obsolete", "--untranslated"):
                self.assertEqual(run("msgattrib", kind, po), "", f"{po.name}: {kind}")
            known = entries(po, self.folder)
            self.assertEqual(sorted(self.found - set(known)), [], f"not in {po.name}")
            self.assertEqual(sorted(set(known) - self.found), [], f"in {po.name} alone")

    def test_a_translation_has_the_places_and_the_edges_of_the_english_text(self):
        for po in sorted(LANGUAGES.glob("*.po")):
            for english, other in [pair for context in (None, "check", "finding", "place") for pair in entries(po, self.folder, context).items()]:
                self.assertEqual(places(english), places(other), english)
                self.assertEqual(english.endswith("\n"), other.endswith("\n"), english)
                self.assertNotRegex(other, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", english)
                for command in re.findall(rf"\baloft (?:{COMMANDS})\b|--[a-z][a-z0-9-]+", english):
                    self.assertIn(command, other, "a command or an option is not translated")

    def test_each_text_of_a_check_or_a_finding_has_an_entry_and_each_entry_a_text(self):
        for context, least in {"check": 300, "finding": 110, "place": 5}.items():
            texts = check_texts.texts_in(SOURCE, context)
            self.assertGreater(len(texts), least)
            for po in sorted(LANGUAGES.glob("*.po")):
                missing, unused = unrecognised(texts, list(entries(po, self.folder, context)))
                self.assertEqual(missing, {}, f"not in {po.name}")
                self.assertEqual(sorted(unused), [], f"in {po.name} alone")
        for po in sorted(LANGUAGES.glob("*.po")):   # by this the program finds the file
            run("msgfmt", "-o", self.folder / "read.mo", po)
            with open(self.folder / "read.mo", "rb") as file:
                self.assertEqual(gettext.GNUTranslations(file).info()["language"], po.stem)

    def test_a_text_without_an_entry_is_named_and_so_is_an_entry_without_a_text(self):
        known = ["absent", "install {}: {} by it", "{}: not there"]
        for text, is_missing in {"absent": False, "{}: not there": False, "install nft: {} by it": False, "/bin/sh: not there": False, "gone": True,
                                 "absent now": True, "{}": True, "install {}: the job's wall by it": True, "{} is gone: not there": True}.items():
            self.assertEqual(text in unrecognised({text: "a.cpp"}, known)[0], is_missing, text)
        self.assertEqual(unrecognised({"absent": "a.cpp", "{}: not there": "a.cpp"}, known)[1], {"install {}: {} by it"})

    def test_texts_of_checks_are_read_from_the_sources_however_they_are_put_together(self):
        planted = """
struct Row { const char *name, *why; };
constexpr Row kRows[] = {{"sky", "it may fall"}, {"sea", "it " "may " PREFIX "rise"}};
std::string again(const std::string& host) { return "ask on " + host; }
Check one(const fs::path& path) {
    std::string fault = path.empty() ? "there is none" : bad(path) ? path.string() + " is bad" : "";
    if (worse) fault = e.what();
    for (const Row& row : kRows) all.push_back((row.needed ? &required : &advised)(std::string("the ") + row.name, true, "it is {so}", row.why));
    return required("one " + std::to_string(n), fault.empty(), fault.empty() ? "all is well" : "fault: " + fault, again(host) + "; then wait");
}
void two() { checks.push_back({host, "site", "a \\"word\\"", Verdict::bad, true, "seen there", "mend it now"}); }
"""
        file = check_texts.File(planted.replace('\\\\"', '\\"'))
        found = [text for part in file.parts for text in check_texts.Reader(file, part).texts() if check_texts.is_for_people(text)]
        self.assertEqual(sorted(set(found)), sorted([
            "one {}", "all is well", "fault: there is none", "fault: {} is bad", "fault: {}", "ask on {}; then wait", "the sky", "the sea",
            "it is {{so}}", "it may fall", "it may {}rise", 'a "word"', "seen there", "mend it now"]))

    def test_what_goes_round_the_translation_is_found(self):
        for planted in ('throw Error(Fault::usage, "no such thing: " + name); ', 'std::cerr << "job " << n << \'\\n\'; ',
                        'print(common, answer, "done at last"); ', 'throw core::Error(core::Fault::data, name + ": is bad"); '):
            self.assertEqual(len(bypasses(planted)), 1, planted)
        for good in ('throw failure(Fault::usage, "no such thing: {}", name); ', "std::cout << tr(\"job {}\", n) << '\\n'; ",
                     'print(common, {{"key", name}}, tr("done")); ', 'print(common, answer, ""); '):
            self.assertEqual(bypasses(good), [], good)
        for file in sorted((SOURCE / "jobs/cli").glob("*.cpp")):
            if file.name not in CHECKS:
                self.assertEqual(bypasses(file.read_text()), [], file.name)

    def test_each_column_has_a_head(self):
        heads = set(re.findall(r'marked\("(\w+)"\)', (SOURCE / "jobs/cli/heads.cpp").read_text()))
        columns = set()
        for file in (SOURCE / "jobs/cli").glob("*.cpp"):
            for call in re.findall(r"print_(?:rows|checks)\([^;]*;", file.read_text()):
                for names in re.findall(r'\{((?:\s*"[a-z_0-9]+",?)+)\s*\}', call):
                    columns |= set(re.findall(r'"(\w+)"', names))
        self.assertGreater(len(columns), 40)
        self.assertEqual(sorted(columns - heads), [])

    def test_the_help_of_every_command_is_in_the_language(self):
        def walk(*words) -> int:
            text = self.says(*words, "--help")
            self.assertRegex(text.splitlines()[0], HAN, words)
            self.assertIn("選項:", text)
            self.assertNotRegex(text, r"\bREQUIRED\b|\bNeeds:|\bExcludes:|\[OPTIONS\]|\bSUBCOMMAND", words)
            commands, inside = [], ""
            entry: list[str] = []
            for line in [*text.splitlines()[1:], ""]:
                if re.match(r"  \S", line) or not line.startswith(" "):   # the one before is whole
                    whole = " ".join(entry)
                    if inside in ("選項:", "子指令:", "引數:") and re.search(r"\s{2}\S*\s", whole.strip()):
                        self.assertRegex(whole, HAN, f"{words}: {whole}")
                    if inside == "子指令:" and whole.strip():
                        commands.append(whole.split()[0])
                    entry = []
                if line and not line.startswith(" "):
                    inside = line
                elif line.strip():
                    entry.append(line)
            return 1 + sum(walk(*words, command) for command in commands)
        self.assertGreater(walk(), 60)

    def test_who_asks_for_no_language_or_for_one_that_is_not_there_reads_english(self):
        english = self.says("--help", LANG="C")
        self.assertNotRegex(english, HAN)
        self.assertIn("Usage:", english)
        self.assertRegex(self.says("--help"), HAN)
        self.assertRegex(self.says("--help", LANG="C", LC_ALL="zh_TW.UTF-8"), HAN)
        self.assertRegex(self.says("--help", LANG="C", LC_MESSAGES="zh_TW.UTF-8", LC_CTYPE="C.UTF-8"), HAN)
        for environment in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C.UTF-8"}, {"LANG": "de_DE.UTF-8"}, {"LANG": "fr_FR.UTF-8"},
                            {"LC_MESSAGES": "C"}, {"LC_CTYPE": "C"}, {"LANGUAGE": "de"}, {"LANG": "../../zh_TW.UTF-8"}):
            self.assertEqual(self.says("--help", **environment), english, environment)

    def test_a_translation_whose_places_are_others_is_not_used(self):
        for bad in ("例", "例 {} {}", "例 {1}", "例 {", "例 }", "例 {x}", "例 {:n}", "例 {0} {}"):
            program = self.with_catalogue(f'msgid "Example:  {{}}"\nmsgstr "{bad}"\n')
            english = self.says("catalogue", "list", "--help", program=program, LANG="C")
            self.assertIn("Example:  aloft catalogue list", english)
            self.assertEqual(self.says("catalogue", "list", "--help", program=program), english, bad)
        good = self.with_catalogue('msgid "Example:  {}"\nmsgstr "例：{0}"\n')
        self.assertIn("例：aloft catalogue list", self.says("catalogue", "list", "--help", program=good))

    def test_a_mistake_in_a_command_line_is_told_in_the_language(self):
        said = self.says("review", "decide", "A-7", "--group", "magic")
        self.assertRegex(said, HAN)
        self.assertIn("--help", said)


unittest.main(argv=sys.argv[:1], verbosity=1)
