"""`aloft-stage card`: what may be told of a sealed version to everybody, valid Croissant 1.1 and HealthDCAT-AP, without a small count. Run as builds.py says."""
import base64, hashlib, json, logging, re, subprocess
from importlib import resources

import mlcroissant
import pyshacl
import rdflib
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from builds import STAGE, SOURCE, HOSPITALS, Builds, main

DECLARED = """dataset = "wdbc"
title = "Biopsies of two hospitals"
description = "Thirty measurements of cell nuclei, and the diagnosis."
url = "https://data.example.org/wdbc"
licence = "https://data.example.org/wdbc/terms"
version = 1
published = "2026-11-27"
identifier = "https://doi.org/10.5555/wdbc"
citation = "Example Hospital Trust: Biopsies, 2026"
keywords = ["biopsy"]
languages = ["en"]
[creator]
name = "Example Hospital Trust"
[contact]
name = "Data access office"
email = "access@data.example.org"
[use]
terms = ["DUO:0000007", "DUO:0000021"]
[use.details]
"DUO:0000007" = "Breast cancer (MONDO:0007254)."
[datasheet]
motivation = "Why it was made."
collection = "How it was collected."
uses = "What it is for."
maintenance = "Who keeps it."
"""
HEALTH = """
[health]
legislation = ["http://data.europa.eu/eli/reg/2025/327/oj"]
categories = ["http://healthdataportal.eu/resource/authority/healthcategories/EHRS"]
themes = ["http://healthdataportal.eu/resource/authority/health-theme/CANCER_DISEASE"]
places = ["http://publications.europa.eu/resource/authority/country/DEU"]
sample = "https://data.example.org/wdbc/example"
legal_basis = ["https://w3id.org/dpv/legal/eu/gdpr#A9-2-j"]
population = "Women who had a biopsy."
[health.publisher]
name = "Example Hospital Trust"
url = "https://hospitals.example.org"
email = "data@hospitals.example.org"
type = "http://healthdataportal.eu/resource/authority/publisher-type/healthcareSystem"
note = "A trust of hospitals."
trusted_data_holder = false
[health.access_body]
name = "Example Health Data Access Body"
url = "https://body.example.org"
email = "permits@body.example.org"
"""
HEADINGS = ["Motivation", "Composition", "Collection process", "Preprocessing, cleaning, labelling", "Uses", "Distribution", "Maintenance"]
SAMPLES = {"north": 43, "south": 4}


class Card(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("wdbc@1")

    def sealed(self):
        """A version of 43 patients at north and 4 at south, and its steward's public key."""
        out, public = self.root / "version", self.root / "steward.pub"
        if out.exists():
            return out, public
        for hospital in HOSPITALS:
            self.table(self.root / "deliveries", hospital, [(f"{hospital}{i}", 1950 + i % 40, i) for i in range(SAMPLES.get(hospital, 0))])
        self.build("wdbc", out, 1, deliveries=self.root / "deliveries", definition=SOURCE / "configs/datasets/wdbc.toml")
        key = Ed25519PrivateKey.generate()
        for path, kind, raw in ((self.root / "steward.key", "ed25519-private", key.private_bytes_raw()), (public, "ed25519-public", key.public_key().public_bytes_raw())):
            path.write_text(f"aloft-key-1 {kind} {base64.b64encode(raw).decode()}\n")
            path.chmod(0o600)
        return out, public

    def seal(self, out):
        if not (out / "manifest.sig.json").exists():
            subprocess.run([STAGE, "seal", out, "--key", self.root / "steward.key"], check=True, capture_output=True)

    def declared(self, text=DECLARED):
        (self.root / "card.toml").write_text(text)
        return self.root / "card.toml"

    def card(self):
        version, public = self.sealed()
        self.seal(version)
        done = subprocess.run([STAGE, "card", version, "--card", self.declared(), "--steward", public, "--out", self.root / "card", "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return version, json.loads(done.stdout), self.root / "card/croissant.json", self.root / "card/datasheet.md"

    def judged(self, card):
        """What mlcroissant says of a card that it takes: the dataset's metadata and its complaints."""
        (self.root / "judged.json").write_text(json.dumps(card))
        metadata = mlcroissant.Dataset(jsonld=self.root / "judged.json").metadata
        return metadata, [str(one) for one in (*metadata.ctx.issues.errors, *metadata.ctx.issues.warnings)]

    def test_it_is_croissant_as_its_own_library_reads_it(self):
        card = json.loads(self.card()[2].read_text())
        metadata, complaints = self.judged(card)
        self.assertEqual(complaints, [])
        self.assertTrue(metadata.ctx.is_v1_1())
        self.assertEqual([str(one.id) for one in metadata.distribution], ["manifest.json", "shards"])
        fields = {field.id for one in metadata.record_sets for field in one.fields}
        self.assertLess({"samples/features", "samples/patient", "samples/label", "category/label/name"}, fields)
        # What the specification requires of a dataset, which its library only asks for in part.
        self.assertLess({"@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished"}, {*card})
        # The judge can say no.
        for key, value in (("license", None), ("datePublished", None), ("version", "one"),
                           ("distribution", [{"@type": "cr:FileObject", "@id": "manifest.json"}])):
            broken = {**card, key: value}
            if value is None:
                del broken[key]
            with self.subTest(key):
                try:
                    self.assertNotEqual(self.judged(broken)[1], [])
                except mlcroissant.ValidationError:
                    pass

    def test_terms_of_use_are_terms_of_duo(self):
        _, _, path, _ = self.card()
        graph = rdflib.Graph().parse(path, format="json-ld", base="https://data.example.org/")
        schema, duo = rdflib.Namespace("https://schema.org/"), rdflib.Namespace("http://purl.obolibrary.org/obo/DUO_")
        dataset = next(graph.subjects(schema.usageInfo))
        self.assertEqual({*graph.objects(dataset, schema.usageInfo)}, {duo["0000007"], duo["0000021"]})
        self.assertEqual([str(one) for one in graph.objects(duo["0000007"], schema.description)], ["Breast cancer (MONDO:0007254)."])

    def of_health(self, declared=DECLARED + HEALTH):
        """The card for catalogues of health data, as it lies and as a graph."""
        version, public = self.sealed()
        self.seal(version)
        done = subprocess.run([STAGE, "card", version, "--card", self.declared(declared), "--steward", public, "--out", self.root / "health", "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        path = self.root / "health/healthdcat.jsonld"
        self.assertEqual(json.loads(done.stdout)["healthdcat"], str(path))
        return path, rdflib.Graph().parse(path, format="json-ld")

    def shapes(self):
        """HealthDCAT-AP's shapes for sensitive data, as the package has them. Its shapes of agents and distributions of health data `extend` the general ones by a
        property that SHACL does not know; those are for all of a class, so nothing is lost by it, but for distributions: each is judged by the general shape here."""
        try:
            resources.files("dh_healthdcat")
        except ModuleNotFoundError:
            self.skipTest("configs/install-deps could not install configs/python/shapes.txt")
        shapes = rdflib.Graph().parse(data=(resources.files("dh_healthdcat") / "validate/shapes/hdap-validator-sensitivity-shape.ttl").read_text(), format="turtle")
        base = rdflib.Namespace("https://semiceu.github.io/DCAT-AP/releases/3.0.0/html/shacl/shapes.ttl#")
        shapes.add((base.Distribution_Shape, rdflib.SH.targetClass, rdflib.DCAT.Distribution))
        return shapes, base

    def test_it_is_healthdcat_ap_as_its_shapes_have_it(self):
        _, graph = self.of_health()
        shapes, base = self.shapes()
        conforms, _, report = pyshacl.validate(graph, shacl_graph=shapes, inference="none")
        self.assertTrue(conforms, report)
        self.assertEqual(len([*graph.subjects(rdflib.RDF.type, rdflib.DCAT.Dataset)]), 1)  # else there is nothing to judge
        # The judge can say no: of each property that one of these shapes asks for, once all of it is taken out.
        asked = {path for name in ("Dataset", "healthDistribution", "HealthAgent", "HealthPublisherAgent", "Kind", "Distribution", "Agent")
                 for rule in shapes.objects(base[f"{name}_Shape"], rdflib.SH.property) if shapes.value(rule, rdflib.SH.minCount)
                 for path in shapes.objects(rule, rdflib.SH.path)}
        self.assertGreater(len(asked), 25)
        for path in sorted(asked):
            with self.subTest(path):
                broken = rdflib.Graph()
                for triple in graph:
                    broken.add(triple)
                broken.remove((None, path, None))
                self.assertLess(len(broken), len(graph))
                self.assertFalse(pyshacl.validate(broken, shacl_graph=shapes, inference="none")[0])

    def test_what_catalogues_of_health_data_read_is_the_same_as_on_the_other_cards(self):
        path, graph = self.of_health()
        health, dcat, dct = rdflib.Namespace("http://healthdataportal.eu/ns/health#"), rdflib.DCAT, rdflib.DCTERMS
        dataset = next(graph.subjects(rdflib.RDF.type, dcat.Dataset))
        self.assertEqual(str(dataset), "https://doi.org/10.5555/wdbc")
        version = self.sealed()[0]
        digest = hashlib.sha256((version / "manifest.json").read_bytes()).digest()
        self.assertEqual({str(one) for one in graph.objects(dataset, dct.identifier)},
                         {"https://doi.org/10.5555/wdbc", "ni:///sha-256;" + base64.urlsafe_b64encode(digest).decode().rstrip("=")})
        # 47 samples and patients; their exact number is nowhere, and sizes do not give it: what is told is the schema's alone.
        self.assertEqual([graph.value(dataset, health[name]).toPython() for name in ("numberOfRecords", "numberOfUniqueIndividuals")], [50, 50])
        size = graph.value(graph.value(dataset, dcat.distribution), dcat.byteSize).toPython()
        manifest = json.loads((version / "manifest.json").read_text())
        schema = manifest["schema"]
        (features,) = schema["fields"]
        self.assertEqual((features["dtype"], features["shape"]), ("f32", [30]))
        self.assertEqual(size, 10 ** len(str(1000 * (4 * 30 + 16 * len(schema["columns"])) - 1)))
        self.assertNotIn("47", re.sub("sha-256;[^\"]*", "", path.read_text()))
        self.assertIn("DUO:0000007 disease specific research (Breast cancer (MONDO:0007254).); DUO:0000021 ethics approval required", path.read_text())
        for secret in (parent[key] for parent in manifest["parents"] for key in ("names_hmac", "contents_hmac")):
            self.assertNotIn(secret, path.read_text())

    def test_what_a_catalogue_of_health_data_asks_for_is_asked_for(self):
        version, public = self.sealed()
        self.seal(version)
        whole = DECLARED + HEALTH
        for old, new, why in (('trusted_data_holder = false\n', "", "[publisher]: trusted_data_holder: missing; true or false"),
                              ('url = "https://body.example.org"\n', "", "[access_body]: url"),
                              ('themes = ["http', 'themes = ["', "themes: expected an address"),
                              ('places = ["http://publications.europa.eu/resource/authority/country/DEU"]', "places = []", "places: missing"),
                              ('note = "A trust of hospitals."', 'note = "<b>"', "note: expected one line of plain words"),
                              ('keywords = ["biopsy"]\n', "", "keywords: missing; a catalogue of health data asks for one"),
                              ("population", "populace", "populace")):
            self.assertIn(old, whole)
            self.refused(2, why, "card", version, "--card", self.declared(whole.replace(old, new)), "--steward", public, "--out", self.root / "none")
        self.card()
        self.assertFalse((self.root / "card/healthdcat.jsonld").exists())

    @staticmethod
    def figures(sheet):
        """Whole numbers that stand by themselves in a datasheet's part on the composition."""
        return {int(word) for word in re.findall(r"(?<![\w.\-\\<])\d+(?![\w])(?!\.\d)", sheet.split("## Composition")[1].split("## ")[0])}

    def test_no_small_count_and_no_exact_one_is_in_it(self):
        version, _, program, people = self.card()
        card, sheet = json.loads(program.read_text()), people.read_text()
        manifest = json.loads((version / "manifest.json").read_text())
        self.assertEqual((manifest["samples"], manifest["splits"]["by"]), (47, "patient"))
        self.assertIn("Samples: 50. Patients: 50.", sheet)
        self.assertIn("| site | south | \\<10 |", sheet)
        sites = next(one for one in card["recordSet"] if one["@id"] == "category/site")["data"]
        self.assertEqual({one["category/site/name"]: one["category/site/samples"] for one in sites},
                         {"north": "40", "central": "0", "south": "<10", "east": "0"})
        exact = {47, *SAMPLES.values(), *(n for kind in ("samples", "patients") for n in manifest["splits"][kind].values())} - {0}
        # What else is a number there: shapes, dates, how many categories there are.
        exact -= {30, 1, 2026, *(len(one.get("names", [])) for one in manifest["schema"]["columns"])}
        # Keys are drawn, and splits with them: an exact count may be a round one, which is what the sheet shows of it.
        exact -= {*range(0, 50, 10)}
        self.assertEqual(self.figures(sheet) & exact, set())
        self.assertEqual(self.figures(sheet.replace("Samples: 50.", "Samples: 47.")) & exact, {47})
        # Sizes of 47 samples of one shape tell how many there are; extremes of measurements are one patient's.
        composition = sheet.split("## Composition")[1].split("## ")[0]
        for text in (card["distribution"][1]["description"], composition):
            self.assertNotIn("bytes", text)
        self.assertIn("| split | field | mean | deviation |", composition)
        for text in (program.read_text(), sheet):
            for secret in (parent[key] for parent in manifest["parents"] for key in ("names_hmac", "contents_hmac")):
                self.assertNotIn(secret, text)

    def test_its_identifier_is_the_manifests(self):
        version, told, program, people = self.card()
        digest = hashlib.sha256((version / "manifest.json").read_bytes())
        identifier = "ni:///sha-256;" + base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
        card = json.loads(program.read_text())
        self.assertEqual((told["identifier"], card["identifier"]), (identifier, [identifier, "https://doi.org/10.5555/wdbc"]))
        self.assertEqual(card["distribution"][0]["sha256"], digest.hexdigest())
        self.assertIn(identifier, people.read_text())

    def test_a_datasheet_has_the_headings_of_one_and_what_was_declared(self):
        sheet = self.card()[3].read_text()
        self.assertEqual(re.findall(r"^## (.*)$", sheet, re.M), HEADINGS)
        for words in ("Why it was made.", "How it was collected.", "What it is for.", "Who keeps it.", "DUO:0000007 (DS): disease specific research. Breast cancer",
                      "113100", "| Retain Longitudinal Temporal Information Modified Dates Option | exam\\_day |", "at least 5 were asked for", "up to 3650 days"):
            self.assertIn(words, sheet)

    def test_what_was_declared_is_no_markup(self):
        version, public = self.sealed()
        self.seal(version)
        text = DECLARED.replace("Why it was made.", "![x](https://tracker.example.org/x.png) and [a](javascript:b)")
        done = subprocess.run([STAGE, "card", version, "--card", self.declared(text), "--steward", public, "--out", self.root / "plain"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\\!\\[x\\]\\(https://", (self.root / "plain/datasheet.md").read_text())
        self.assertNotIn("<", (self.root / "plain/croissant.json").read_text())

    def test_the_same_again_is_the_same(self):
        before = [path.read_bytes() for path in self.card()[2:]]
        self.assertEqual([path.read_bytes() for path in self.card()[2:]], before)

    def test_what_is_not_sealed_has_no_card(self):
        version, public = self.sealed()
        seal = version / "manifest.sig.json"
        self.seal(version)
        kept = seal.read_bytes()
        seal.unlink()
        self.refused(5, "not sealed", "card", version, "--card", self.declared(), "--steward", public, "--out", self.root / "none")
        seal.write_bytes(kept)
        self.refused(2, "--steward: missing", "card", version, "--card", self.declared(), "--out", self.root / "none")
        self.assertFalse((self.root / "none").exists())

    def test_a_declaration_that_cannot_be_meant_is_refused(self):
        version, public = self.sealed()
        self.seal(version)
        for old, new, why in (('dataset = "wdbc"', 'dataset = "digits"', "dataset: is not the one"),
                              ("keywords", "keyword", "keyword"),
                              ("DUO:0000021", "DUO:0000001", "terms: expected terms of the Data Use Ontology"),
                              ("DUO:0000021", "DUO:0000007", "stands twice"),
                              ("DUO:0000021", "DUO:0000022", "DUO:0000022: missing; geographical restriction"),
                              ('terms = ["DUO:0000007", "DUO:0000021"]', 'terms = ["DUO:0000021"]', "terms: expected one permission"),
                              ('"DUO:0000021"', '"DUO:0000042"', "terms: expected one permission"),
                              ('terms = ["DUO:0000007", "DUO:0000021"]', 'terms = ["DUO:0000004", "DUO:0000045"]', "stands by itself"),
                              ('terms = ["DUO:0000007", "DUO:0000021"]', 'terms = ["DUO:0000011", "DUO:0000044"]', "and prohibited"),
                              ("version = 1", "version = 2", "version: is not the one"),
                              ("version = 1\n", "", "version"),
                              ('["biopsy"]', '["</script><script>"]', "keywords: expected one line of plain words"),
                              ('["biopsy"]', '["biopsy\\u009b"]', "keywords: expected one line of plain words"),
                              ('["en"]', '["english please"]', "languages: expected tags"),
                              ("Why it was made.", "Why \u202e it was made.", "motivation: expected one line of plain words"),
                              ("2026-11-27", "2026-13-27", "published: expected a date"),
                              ('licence = "https://', 'licence = "', "licence: expected an address"),
                              ("access@", "access.", "email: expected"),
                              ("Why it was made.", "<script>x</script>", "motivation: expected one line of plain words"),
                              ('uses = "What it is for."\n', "", "uses")):
            self.assertIn(old, DECLARED)
            self.refused(2, why, "card", version, "--card", self.declared(DECLARED.replace(old, new)), "--steward", public, "--out", self.root / "none")

    def test_the_example_is_taken(self):
        version, public = self.sealed()
        self.seal(version)
        example = (SOURCE / "configs/cards/digits.toml").read_text().replace('dataset = "digits"', 'dataset = "wdbc"')
        done = subprocess.run([STAGE, "card", version, "--card", self.declared(example), "--steward", public, "--out", self.root / "example"], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)


logging.disable()
main()
