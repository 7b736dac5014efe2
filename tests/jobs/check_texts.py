"""The texts of checks and of the release desk's findings, read from the C++ that makes them: texts_in(SOURCE, CONTEXT) gives each as a format, {} where
something stands that is no literal.

Not a compiler: it knows how these texts are put together (literals, +, ?:, variables and short functions of the same file, rows of tables), and
gives what it does not know a place. A text that is made in another way is a place, too, so it is better made in one of these.
"""
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# By the context (msgctxt) that their translations have: where they are made, and in which files.
FOLDERS = {"check": ("slurm/preflight", "slurm/session", "jobs/cli", "jobs/service", "jobs/slurm", "jobs/wire", "core/policy"), "finding": ("jobs/release",)}
FOLDERS["place"] = FOLDERS["finding"]   # of a finding
MAKES = {"check": r"\b(required|advised|Check|Verdict)\b", "finding": r"\b(Findings?|Unfit|Text|Picture|Config|Budget)\b"}
MAKES["place"] = MAKES["finding"]
NOT_OF_A_FILE = ("options", "table", "groups", "budget", "desk")   # what refuses a configuration's key
# Which arguments people read: what was looked at, what was found, the remedy.
CALLS = {"required": (0, 2, 3), "advised": (0, 2, 3), "need": (0, 2, 3), "want": (0, 2, 3), "add": (0, 2, 3), "tried": (0, 1, 2), "check": (0, 2, 3),
         "check_folder": (0, 4), "check_file": (1, 4), "check_mount": (0,), "bad": (0, 1)}
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\'|[A-Za-z_]\w*|\d[\w.]*|::|->|\+=|<<|[=!<>]=|&&|\|\||\S')
OPEN, CLOSE = "([{", ")]}"
MOST = 64   # texts of one expression


def tokens_of(text: str) -> list[str]:
    text = re.sub(r"//.*|^#.*", "", re.sub(r'R"(\w*)\((?s:.*?)\)\1"', '""', text), flags=re.M)
    return TOKEN.findall(text)


def end_of(tokens: list[str], at: int) -> int:
    """Behind what is opened at `at`."""
    depth = 0
    for i in range(at, len(tokens)):
        depth += (tokens[i] in OPEN) - (tokens[i] in CLOSE)
        if depth == 0:
            return i + 1
    return len(tokens)


def split(tokens: list[str], *at: str) -> list[list[str]]:
    """At these tokens, where nothing is open."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in OPEN) - (token in CLOSE)
        if depth == 0 and token in at:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def is_literal(token: str) -> bool:
    return token.startswith('"')


def plain(literal: str) -> str:
    text = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), literal[1:-1])
    return text.replace("{", "{{").replace("}", "}}")


@dataclass
class Function:
    """One that returns a text: each that is returned."""
    parameters: list[str]
    returned: list[list[str]]
    reader: "Reader"

    def texts(self, given: list[list[str]], depth: int) -> list[str]:
        known = dict(zip(self.parameters, given))
        return Reader.unique(text for one in self.returned for text in self.reader.read(one, known, depth)) or ["{}"]


class File:
    """One source file: its tables' rows, its short functions, and in each part (function, class) its variables."""

    def __init__(self, text: str):
        whole = tokens_of(text)
        self.parts = [tokens_of(part) for part in re.split(r"(?m)^(?=\S.*\{$)", text)]
        self.fields = {whole[i + 1]: self.fields_of(whole[i + 2:end_of(whole, i + 2)]) for i, token in enumerate(whole[:-2])
                       if token == "struct" and whole[i + 2] == "{"}
        self.rows = {name: self.rows_of(name, whole) for name in self.fields}
        self.functions: dict[str, Function] = {}
        for found in re.finditer(r"(?m)^( *)(?:static )?(?:std::string|const char\*) ((?:\w+::)?)(\w+)\(([^()]*)\)(?: const)? \{(?: (.*) \}$|\n((?s:.*?))^\1\}$)", text):
            body = tokens_of(found[5] or found[6])
            returned = [split(body[i + 1:], ";")[0] for i, token in enumerate(body) if token == "return"]
            parameters = [re.findall(r"\w+", one)[-1] for one in found[4].split(",") if one.strip()]
            self.functions[found[3]] = self.functions[found[2] + found[3]] = Function(parameters, returned, Reader(self, body))

    @staticmethod
    def fields_of(tokens: list[str]) -> list[str]:
        names = []
        for statement in split(tokens[1:-1], ";"):
            if "(" in statement:
                continue   # a function
            for one in split(statement, ","):
                words = [token for token in split(one, "=")[0] if re.match(r"[A-Za-z_]", token)]
                names += words[-1:]
        return names

    def rows_of(self, name: str, tokens: list[str]) -> list[list[list[str]]]:
        rows = []
        for i, token in enumerate(tokens[:-2]):
            if token != name or tokens[i - 1] == "struct":
                continue
            at = i + 1
            if tokens[at] == "{":   # one that is made where it is needed
                rows.append(tokens[at:end_of(tokens, at)])
                continue
            if tokens[at + 1] == "(" and (body := end_of(tokens, at + 1)) < len(tokens) and tokens[body] == "{":   # a function that returns one
                inside = tokens[body:end_of(tokens, body)]
                rows += [inside[k + 1:end_of(inside, k + 1)] for k, one in enumerate(inside[:-1]) if one == "return" and inside[k + 1] == "{"]
                continue
            body = next((k for k in range(at, min(at + 12, len(tokens))) if tokens[k] == "{"), at)
            inside = tokens[body:end_of(tokens, body)]
            if "=" in tokens[at:body]:
                while inside[:2] == ["{", "{"] and end_of(inside, 1) == len(inside) - 1 and len(split(inside[1:-1], ",")) == 1 \
                        and inside[2] == "{":
                    inside = inside[1:-1]
                rows += [row for row in split(inside[1:-1], ",") if row[:1] == ["{"]] or [inside]
        return [split(row[1:-1], ",") for row in rows]


class Reader:
    def __init__(self, file: File, part: list[str]):
        self.file, self.part = file, part

    def assigned(self, name: str) -> list[list[str]]:
        """What a variable of this part gets, by = or where it is made."""
        part, found = self.part, []
        for i, token in enumerate(part[:-1]):
            if token != name or i and part[i - 1] in (".", "->", "::"):
                continue
            if part[i + 1] == "=":
                found.append(split(split(part[i + 2:], ";")[0], ",")[0])
            elif part[i + 1] == "{" and i and part[i - 1] in ("string", ","):
                found.append(part[i + 2:end_of(part, i + 1) - 1])
            elif part[i + 1] == "+=":
                found.append(["+="])   # of any length
            elif part[i + 1] == "(" and name.endswith("_"):   # where an object is made
                found.append(part[i + 2:end_of(part, i + 1) - 1])
            elif "[" in part[max(0, i - 6):i] and ":" in part[i:i + 6]:   # for (const auto& [a, b] : {std::pair{..}, ..})
                begin, end = max(k for k in range(i) if part[k] == "["), part.index(":", i)
                if part[end + 1] == "{" and part[end - 1] == "]":
                    names = split(part[begin + 1:end - 1], ",")
                    rows = [split(row[row.index("{") + 1:-1], ",") for row in split(part[end + 2:end_of(part, end + 1) - 1], ",") if "{" in row]
                    found += [row[names.index([name])] for row in rows if [name] in names and len(row) == len(names)]
        return found

    def streamed(self, name: str) -> list[str] | None:
        for i, token in enumerate(self.part[:-1]):
            if token == name and self.part[i + 1] == "<<":
                pieces = split(split(self.part[i + 2:], ";")[0], "<<")
                return [token for piece in pieces if piece[-1] not in ("oct", "left") for token in ["+", *piece]][1:]
        return None

    def read(self, tokens: list[str], known: dict[str, list[str]], depth: int = 0) -> list[str]:
        """Each text that these tokens can be."""
        tokens = list(tokens)
        if depth > 12 or not tokens or tokens[0] == "[":
            return ["{}"]
        if len(choice := split(tokens, "?")) > 1:
            rest = tokens[len(choice[0]) + 1:]
            open_, at = 0, 0
            while not (rest[at] == ":" and open_ == 0):
                open_ += (rest[at] in OPEN or rest[at] == "?") - (rest[at] in CLOSE or rest[at] == ":")
                at += 1
            return self.unique(self.read(rest[:at], known, depth + 1) + self.read(rest[at + 1:], known, depth + 1))
        if len(sum_ := split(tokens, "+")) > 1:
            parts = [self.read(part, known, depth + 1) for part in sum_]
            return self.unique("".join(texts) for texts in itertools.product(*parts))
        if all(is_literal(one) or one.isupper() for one in tokens) and any(map(is_literal, tokens)):
            return ["".join(plain(one) if is_literal(one) else "{}" for one in tokens)]
        if tokens[0] == "(" and end_of(tokens, 0) == len(tokens):
            return self.read(tokens[1:-1], known, depth + 1)
        if tokens[:4] == ["std", "::", "string", "("] and end_of(tokens, 3) == len(tokens):
            return self.read(tokens[4:-1], known, depth + 1)
        if len(tokens) == 1 and re.match(r"[A-Za-z_]\w*$", tokens[0]):
            if tokens[0] in known:
                return known[tokens[0]]
            given = self.assigned(tokens[0])
            texts = [text for one in given if one != ["+="] for text in self.read(one, {**known, tokens[0]: ["{}"]}, depth + 1)]
            if ["+="] in given:
                texts += [text + "{}" for text in texts or [""]]
            return self.unique(text for text in texts if text) or ["{}"]
        if len(tokens) == 3 and tokens[1] == "." and tokens[0] + "." + tokens[2] in known:
            return known[tokens[0] + "." + tokens[2]]
        if tokens[1:] == [".", "str", "(", ")"] and (stream := self.streamed(tokens[0])):
            return self.read(stream, known, depth + 1)
        if tokens[1:2] == ["."] and tokens[3:] == ["(", ")"] and tokens[2] in self.file.functions:
            return self.file.functions[tokens[2]].texts([], depth + 1)
        if len(tokens) > 2 and tokens[0] in self.file.functions and tokens[1] == "(" and end_of(tokens, 1) == len(tokens):
            given = [self.read(one, known, depth + 1) for one in split(tokens[2:-1], ",") if one]
            return self.file.functions[tokens[0]].texts(given, depth + 1)
        return ["{}"]

    @staticmethod
    def unique(texts) -> list[str]:
        """Places side by side are one."""
        texts = list(dict.fromkeys(re.sub(r"(?:\{\}){2,}", "{}", text) for text in texts))
        assert len(texts) <= MOST, texts
        return texts

    def by_rows(self, tokens: list[str]):
        """The texts of an argument: for each row of a table whose fields it names."""
        named = {(tokens[i], tokens[i + 2]) for i in range(len(tokens) - 2) if tokens[i + 1] == "." and re.match(r"\w", tokens[i])}
        for struct, fields in self.file.fields.items():
            its = [(name, field) for name, field in named if field in fields]
            if not its or not self.file.rows[struct]:
                continue
            for row in self.file.rows[struct]:
                known = {}
                for name, field in its:
                    at = fields.index(field)
                    known[f"{name}.{field}"] = self.read(row[at], {}) if at < len(row) else [""]
                yield from self.read(tokens, known)
            return
        yield from self.read(tokens, {})

    def places(self):
        """Of the gate: code, where, what to change (jobs/release/findings)."""
        part = self.part
        for i, token in enumerate(part[:-1]):
            if token in ("refuse", "flag", "end") and part[i + 1] == "(":
                *_, where, _ = [[], [], *split(part[i + 2:end_of(part, i + 1) - 1], ",")]
                if len(where) > 1 or "where" in "".join(where):   # else a code, or nothing
                    yield from self.read(where, {})

    def findings(self):
        """What to change; of weights and pictures: why."""
        part = self.part
        for i, token in enumerate(part[:-1]):
            if token in ("refuse", "flag", "end") and part[i + 1] == "(" and not (part[i - 1] == "." and part[i - 2] in NOT_OF_A_FILE):
                yield from self.read(split(part[i + 2:end_of(part, i + 1) - 1], ",")[-1], {})
            elif token == "{" and len(row := split(part[i + 1:end_of(part, i) - 1], ",")) == (2 if part[i - 1] == "Unfit" else 4) and \
                    (part[i - 1] == "Unfit" or "Weight" in row[1]):
                yield from self.read(row[-1], {})
            elif token in ("change", "why") and part[i - 1] == "." and part[i + 1] == "=":
                yield from self.read(split(part[i + 2:], ";")[0], {})
            elif token == "refusal" and part[i - 2:i] == ["Budget", "::"]:
                yield from self.file.functions["Budget::refusal"].texts([], 0)

    def texts(self):
        part = self.part
        for i, token in enumerate(part[:-1]):
            given = []
            if part[i + 1] == "(" and token in (*CALLS, ")") and (token != ")" or "advised" in part[max(0, i - 3):i]):
                arguments = split(part[i + 2:end_of(part, i + 1) - 1], ",")
                given = [arguments[at] for at in CALLS.get(token, (0, 2, 3)) if at < len(arguments)]
                if len(arguments) < 2 and token not in ("check_mount",):
                    given = []
            elif token == "{" and len(row := split(part[i + 1:end_of(part, i) - 1], ",")) == 7 and (row[3][:1] == ["Verdict"] or "Verdict" in row[3]):
                given = [row[2], row[5], row[6]]
            elif token in ("found", "remedy") and part[i - 1] == "." and part[i + 1] == "=":
                given = [split(part[i + 2:], ";")[0]]
            elif token == "push_back" and part[i - 2] in ("doors", "open"):
                given = [part[i + 2:end_of(part, i + 1) - 1]]
            for one in given:
                yield from self.by_rows(one)


def is_for_people(text: str) -> bool:
    """Words; not a setting (of Slurm, the kernel, sshd), a program's or a file's name, or only what stands in places."""
    bare = text.replace("{}", " ").strip()
    return bool(re.search(r"[A-Za-z]{2}", bare)) and not re.fullmatch(r"\S*[A-Z./_=]\S*|(aloft-\w+|scontrol)( -\S+)*", bare) and \
        not re.fullmatch(r"\w+(forwarding|tunnel|userrc|environment|command) \{\}", text)


def files_of(source: Path, context: str) -> dict[str, File]:
    files = {}
    for folder in FOLDERS[context]:
        for path in sorted((source / folder).glob("*.cpp")):
            text = path.read_text()
            if re.search(MAKES[context], text) and not (context != "check" and path.name.endswith("_main.cpp")):
                files[str(path.relative_to(source))] = File(text)
    everywhere = Counter(name for file in files.values() for name in file.functions)
    shared = {name: one for file in files.values() for name, one in file.functions.items() if everywhere[name] == 1}
    for file in files.values():
        file.functions = {**shared, **file.functions}
    return files


def texts_in(source: Path, context: str) -> dict[str, str]:
    """Each text, and a file that makes it."""
    found: dict[str, str] = {}
    for path, file in files_of(source, context).items():
        for part in file.parts:
            reader = Reader(file, part)
            for one in {"check": reader.texts, "finding": reader.findings, "place": reader.places}[context]():
                if is_for_people(one):
                    found.setdefault(one, path)
    return found


if __name__ == "__main__":
    import sys
    for text, path in texts_in(Path(sys.argv[1]), sys.argv[2]).items():
        print(f"{path}\t{text}")
