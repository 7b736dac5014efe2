"""What the shipped profiles let pass by its header: no head however it is spelled, no slide's label, photograph, capture, film or paper,
unless the delivery answers for it; and all that may pass. Each image is one file of its own pixels, judged under every profile that
knows its class, and looked for in the shards or in the quarantine. Run as builds.py says."""
import io, json, shutil, sys, unicodedata, warnings

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from builds import SOURCE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

sys.path.insert(0, str(SOURCE / "tests/identifiers"))
from corpus_files import nifti
from corpus_made import IMAGE, derived

STORAGE = "1.2.840.10008.5.1.4.1.1."
# Class, modality; those of which a surface can be made come with the profiles that list them.
VOLUMES = {"CT": (STORAGE + "2", ("imaging", "ct-volumes")), "MR": (STORAGE + "4", ("imaging", "mr-volumes")), "PT": (STORAGE + "128", ("imaging",))}
ENHANCED = {"CT": (STORAGE + "2.1", ("imaging", "ct-volumes")), "MR": (STORAGE + "4.1", ("imaging", "mr-volumes")), "PT": (STORAGE + "130", ("imaging",))}
WIDE = {i: i + 0xFEE0 for i in range(33, 127)}
PROFILES = ("imaging", "chest-xray", "ct-volumes", "mr-volumes", "ultrasound")

# Body Part Examined of heads: terms of PS3.16, what scanners and people write, and what keyboards make of it.
HEADS = ["HEAD", "Head", "SKULL", "skull ", "BRAIN", "FACE", "ORBIT", "SELLA", "IAC", "NECK+HEAD", "HEAD AND NECK", "HEADNECK", "CHEST\\HEAD", "CHEST/HEAD",
         "WHOLEBODY", "CSPINE", "EAR", "JAW", "TMJ", "ZYGOMA", "MAXILLA", "PARASINUS", "Kopf", "Schädel", "頭部", "腦", "臉部", "顱", "眼眶", "頭頸部", "面部",
         unicodedata.normalize("NFD", "Schädel"), "HEAD".translate(WIDE), "Ｂrain", "\u200bHEAD", "CHEST頭"]
# Descriptions beside a body part that may pass.
HINTS = ["BRAIN^ROUTINE", "t1_mprage_brain", "HeadNeck CTA", "HEAD/NECK", "Schädel nativ", unicodedata.normalize("NFD", "Schädel nativ"), "SKULLBASE", "WholeBrain perfusion",
         "Paranasal sinuses", "maxillofacial", "C-Spine", "Cervical spine", "Orbits", "IAC", "Sella", "face 3D", "Cerebrum", "encephalon", "Brainstem", "Crâne", "cráneo",
         "頭部CT", "頭部", "腦部MRI", "脑", "BRAIN平掃", "臉部重建", "脸", "顏面骨", "顱底", "眼眶", "鼻竇", "下顎", "頸椎", "牙齒", "BRAIN".translate(WIDE), "ＢＲＡＩＮ平掃",
         unicodedata.normalize("NFKD", "頭部"), "脳", "두부 뇌", "CT HEAD–NECK", "“HEAD” CT", "HEAD·NECK", "HEAD’S", "Face™", "CTHEAD", "FACES", "IAMS", "CTA H&N",
         "HWS nativ", "Kleinhirn", "oreille", "CUELLO", "顳骨", "頚椎", "두개골", "BRAİN", "B R A I N"]
# The same where the file says nothing of its characters.
UNSAID = [("頭部CT", "big5"), ("頭部CT", "gb18030"), ("頭部", "shift_jis"), ("Schädel", "latin-1")]
# CID 4's codes of head, brain, face, neck, orbit, ear, SNOMED CT and RT; and one that says it in words alone.
CODES = [("69536005", "Head"), ("T-D1100", "Kopf"), ("12738006", ""), ("89545001", "x"), ("45048000", ""), ("363654007", ""), ("117590005", ""),
         ("774007", "Head and Neck"), ("LOCAL1", "頭部"), ("LOCAL2", "BRAIN".translate(WIDE))]
# What may pass, as it is written.
PARTS = ["CHEST", "Chest ", "chest", "THORAX", "HAND", "HANDS", "LEFT HAND", "ABDOMEN", "ABD", "ABDOMEN^PELVIS", "CHEST/ABD/PELVIS", "CHEST AND ABDOMEN", "KNEE", "L KNEE",
         "HEART", "CARDIAC", "LSPINE", "LUMBAR", "PROSTATE", "LIVER", "HIP", "FOOT", "CHEST".translate(WIDE), "胸部", "腹部", "骨盆", "膝"]
FREE = ["incidental finding, temporal resolution", "header check", "T2 haste", "heart short axis", "early arterial", "胸部 平面", "abdomen 60 s", "craniocaudal",
        "cervical cancer", "superficial", "axilla", "大腿骨頭", "全身麻醉", "자궁경부", "metatarsal heads", "femoral head", "HEART–LUNG"]


class Passing(Builds):
    hospitals = ("north",)

    @classmethod
    def setUpClass(cls):
        warnings.filterwarnings("ignore", module="pydicom")  # of values that are longer than allowed, or no codes
        cls.begin(*(f"{name}@1" for name in (*PROFILES, "pictures", "nifti-volumes")))

        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        cls.cases = {name: [] for name in PROFILES}
        cls.pixels = 0

    @staticmethod
    def item(**values):
        out = Dataset()
        for key, value in values.items():
            setattr(out, key, value)
        return out

    def image(self, sop, modality, **more):
        """An image of a chest that may pass, but for what `more` says; no two have the same pixels."""
        type(self).pixels += 1
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{self.pixels}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.4.{self.pixels}", f"1.2.5.{self.pixels}"
        ds.PatientID, ds.PatientSex, ds.PatientAge, ds.StudyDate = f"P{self.pixels}", "F", "045Y", "20240601"
        ds.Modality, ds.ImageType, ds.BodyPartExamined, ds.BurnedInAnnotation = modality, ["ORIGINAL", "PRIMARY", "AXIAL"], "CHEST", "NO"
        ds.Rows = ds.Columns = 8
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 0
        ds.PixelData = np.full(64, self.pixels, "<u2").tobytes()
        for key, value in more.items():
            if value is None:
                delattr(ds, key)
            elif key == "groups":
                where, region = value
                sequence = Sequence([self.item(FrameAnatomySequence=Sequence([self.item(FrameLaterality="U", AnatomicRegionSequence=Sequence([region]))]))])
                setattr(ds, where, sequence)
            elif key == "BodyPartExamined":
                ds.add_new(0x00180015, "LO", value)  # as it is written: CS has neither lower case nor Chinese
            else:
                setattr(ds, key, value)
        return ds

    def case(self, profiles, what, reason, ds):
        """`reason`: why it may not pass under these profiles; None if it may."""
        for profile in profiles:
            self.cases[profile].append((what, reason, ds))

    def judged(self, profile, name, deliveries, declared=""):
        """What a build makes of a delivery: of each sample its first pixel, and of each file that was left out its reason, by its place."""
        out, more = self.root / "out" / name, ["--deliveries", str(self.described(name, declared))]
        definition = self.root / "configs/datasets" / f"{profile}.toml"
        self.build(profile, out, 1, deliveries=deliveries, definition=definition, more=more)
        shown = [int(one["image"].flat[0]) for one in Version(out, self.keys / f"{profile}@1.key").samples()]
        return shown, {one["number"]: one["reason"] for one in map(json.loads, (out / "reports/quarantine.jsonl").read_text().splitlines())}

    def check(self, profile, name, cases, declared=""):
        """Each of `cases` has become what it must; how many pass, and how many do not."""
        folder = self.root / "deliveries" / name / "north"
        folder.mkdir(parents=True)
        for number, (_, _, ds) in enumerate(cases):
            ds.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)
        shown, left = self.judged(profile, name, folder.parent, declared)
        self.assertEqual(len(shown) + len(left), len(cases))
        wrong = []
        for number, (what, reason, ds) in enumerate(cases):
            found = left.get(number)
            self.assertEqual(found is None, int.from_bytes(ds.PixelData[:2], "little") in shown, what)
            if found != reason and not (reason == "head" and found in ("risk_face", "unlisted_anatomy")):
                wrong.append((what, reason, found))
        self.assertEqual(wrong, [], "of these: what it is, the reason that is right (None: it may pass), and what was found")
        return len(shown), len(left)

    def anatomy(self):
        """Volumes, by what they say of the body."""
        region = lambda value, meaning: self.item(CodeValue=value, CodingSchemeDesignator="SCT" if value[0] in "0123456789" else "99HIS", **({"CodeMeaning": meaning} if meaning else {}))
        for modality, (sop, profiles) in VOLUMES.items():
            for head in HEADS:
                self.case(profiles, f"{modality} of {head!a}", "head", self.image(sop, modality, BodyPartExamined=head))
            for hint in HINTS:
                for where in ("SeriesDescription", "StudyDescription", "ProtocolName") if modality == "MR" else ("SeriesDescription",):
                    self.case(profiles, f"{modality}, {where} {hint!a}", "risk_face", self.image(sop, modality, **{where: hint}))
            for hint, encoding in UNSAID:
                self.case(profiles, f"{modality}, {hint!a} in {encoding}", "risk_face",
                          self.image(sop, modality, SpecificCharacterSet=None, SeriesDescription=hint.encode(encoding).decode("latin-1")))
            self.case(profiles, f"{modality}, a chest in big5", None,
                      self.image(sop, modality, SpecificCharacterSet=None, SeriesDescription="胸部CT".encode("big5").decode("latin-1")))
            for value, meaning in CODES:
                self.case(profiles, f"{modality}, region {value}, {meaning!a}", "risk_face", self.image(sop, modality, AnatomicRegionSequence=Sequence([region(value, meaning)])))
            self.case(profiles, f"{modality}, nothing said", "unlisted_anatomy", self.image(sop, modality, BodyPartExamined=None))
            self.case(profiles, f"{modality}, nothing but a hint", "risk_face", self.image(sop, modality, BodyPartExamined=None, SeriesDescription="頭部"))
            self.case(profiles, f"{modality}, features", "risk_face", self.image(sop, modality, RecognizableVisualFeatures="YES"))
            for part in PARTS:
                self.case(profiles, f"{modality} of {part!a}", None, self.image(sop, modality, BodyPartExamined=part))
            for text in FREE:
                self.case(profiles, f"{modality}, {text!a}", None, self.image(sop, modality, SeriesDescription=text))
            for part in ("ELSEWHERE", "13", "THYROID", "???", "手機"):
                self.case(profiles, f"{modality} of {part!a}", "unlisted_anatomy", self.image(sop, modality, BodyPartExamined=part))
        for modality, (sop, profiles) in ENHANCED.items():
            for where in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
                for value, meaning in CODES:
                    self.case(profiles, f"enhanced {modality}, {where}, {value}", "risk_face",
                              self.image(sop, modality, NumberOfFrames=1, groups=(where, region(value, meaning))))
                self.case(profiles, f"enhanced {modality}, {where}, a chest", None,
                          self.image(sop, modality, NumberOfFrames=1, BodyPartExamined=None, groups=(where, region("51185008", "Thorax"))))
            self.case(profiles, f"enhanced {modality}, nothing said", "unlisted_anatomy", self.image(sop, modality, NumberOfFrames=1, BodyPartExamined=None))
    def text(self):
        """Signs of text in the pixels, under the profile that lists the class, and classes that none does."""
        cr, dx, ct, us, sm = STORAGE + "1", STORAGE + "1.1", VOLUMES["CT"][0], STORAGE + "6.1", STORAGE + "77.1.6"
        xray, burned = ("imaging", "chest-xray"), "risk_burned_in_text"
        for sop, modality, profiles in ((cr, "CR", xray), (dx, "DX", xray), (ct, "CT", VOLUMES["CT"][1]), (us, "US", ("ultrasound",))):
            self.case(profiles, f"{modality}, clean", None, self.image(sop, modality))
            self.case(profiles, f"{modality}, declared", burned, self.image(sop, modality, BurnedInAnnotation="YES"))
            for conversion in ("DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN", "sd"):
                self.case(profiles, f"{modality}, conversion {conversion}", burned, self.image(sop, modality, ConversionType=conversion))
            for kind in ("SCREEN SAVE", "SCREENSHOT", "SECONDARY CAPTURE", "SCANNED", "SCANNED FORM", "DOSE_INFO", "CSA REPORT", "PHOTO FILE", "CT_SOM5 PROT", "PATIENT PROTOCOL"):
                self.case(profiles, f"{modality}, {kind}", burned, self.image(sop, modality, ImageType=["DERIVED", "SECONDARY", kind]))
            for other in ("OT", "SC", "DOC", "HC"):
                self.case(profiles, f"{modality} as {other}", burned, self.image(sop, other))
        self.case(("ultrasound",), "US, unsaid", burned, self.image(us, "US", BurnedInAnnotation=None))
        for head in ("HEAD", "頭部", "FACE", "Orbit"):
            self.case(("ultrasound",), f"US of {head!a}", "risk_face", self.image(us, "US", BodyPartExamined=head))
            self.case(("ultrasound",), f"US, {head!a}", "risk_face", self.image(us, "US", SeriesDescription=f"fetal {head} 3D"))
        for neck in ("NECK", "CAROTID", "頸動脈", "HALS"):
            self.case(("ultrasound",), f"US of {neck!a}", None, self.image(us, "US", BodyPartExamined=neck))
        self.case(("ultrasound",), "US, nothing said", None, self.image(us, "US", BodyPartExamined=None))
        for kind, more, reason in (("VOLUME", {}, None), ("THUMBNAIL", {"SpecimenLabelInImage": "NO"}, None), ("THUMBNAIL", {}, burned), ("LABEL", {}, burned), ("OVERVIEW", {}, burned),
                                   ("OVERVIEW", {"SpecimenLabelInImage": "NO"}, burned), ("VOLUME", {"SpecimenLabelInImage": "YES"}, burned), ("MACRO", {}, burned), ("", {}, burned)):
            self.case(("imaging",), f"slide, {kind} {more}", reason, self.image(sm, "SM", ImageType=["ORIGINAL", "PRIMARY", kind, "NONE"], **more))
        self.case(("imaging",), "slide, no kind", burned, self.image(sm, "SM", ImageType=None))
        captures = [STORAGE + one for one in ("7", "7.1", "7.2", "7.3", "7.4")]
        photographs = [STORAGE + "77.1." + one for one in ("1", "2", "4", "5.1", "5.2", "7")]  # endoscopy, microscope, camera, eye, skin
        for profile in PROFILES:
            for sop in (*captures, *photographs, STORAGE + "13.1.2", "1.2.840.113619.4.2", ""):
                modality = {captures[0]: "OT", photographs[0]: "ES"}.get(sop, "XC")
                self.case((profile,), f"class {sop or 'none'}", "unlisted_sop_class", self.image(sop or "1.2.3", modality, **({} if sop else {"SOPClassUID": ""})))
            for conversion in ("SD", "DI", "SI", "WSD"):
                self.case((profile,), f"capture, {conversion}", "unlisted_sop_class", self.image(captures[0], "OT", ConversionType=conversion))
            for document in ("104.1", "104.2", "88.11", "88.33", "11.1", "9.1.1"):
                self.case((profile,), f"document {document}", "not_selected", self.image(STORAGE + document, "DOC"))
            if profile != "imaging":
                self.case((profile,), "slide", "unlisted_sop_class", self.image(sm, "SM", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]))

    def test_what_is_no_head_and_no_text_passes_and_nothing_else(self):
        self.anatomy()
        self.text()
        counts = {}
        for profile in PROFILES:
            derived(self.root / "configs", profile, profile, 'columns = ["site", "sex", "age"]\n' + IMAGE)
            counts[profile] = self.check(profile, profile, self.cases[profile])
        for profile, (passed, left) in counts.items():
            self.assertGreaterEqual(passed, 2, profile)
            self.assertGreaterEqual(left, 50, profile)
        self.assertGreaterEqual(counts["imaging"][0], 100)
        # What a hospital answers for passes, but not with signs of text.
        faces = ("head", "risk_face", "unlisted_anatomy")
        for profile, declared in (("imaging", "phantom"), ("ct-volumes", "defaced"), ("mr-volumes", "defaced")):
            cases = [(what, None if reason in faces else reason, ds) for what, reason, ds in self.cases[profile]][::7]
            passed, left = self.check(profile, f"{profile}-{declared}", cases, f'[[declared]]\nis = "{declared}"\n')
            self.assertGreater(min(passed, left), 2)

    def test_what_says_nothing_of_itself_passes_only_if_it_is_declared(self):
        """Pictures and NIfTI: whatever their names say."""
        plant = lambda place, sort: place[-8:]
        for profile, suffix, made in (("pictures", "png", self.picture), ("nifti-volumes", "nii", lambda n: nifti(plant, "file", np.full((2, 8, 8), n, "i2")))):
            columns, samples = ('columns = ["site", "scan"]\n', 'samples = "volume"\n') if profile == "nifti-volumes" else ('columns = ["site"]\n', "")
            derived(self.root / "configs", profile, profile, samples + columns + IMAGE)
            folder = self.root / "deliveries" / profile / "north/someone"
            folder.mkdir(parents=True)
            for number, name in enumerate(("head", "hand", "chest", "頭部")):
                (folder / f"{name}.{suffix}").write_bytes(made(number + 1))
            path = 'path = "{patient}/{scan}.*"\n'
            for number, (declared, passed) in enumerate((("", 0), ('[[declared]]\nis = "phantom"\n', 4), ('[[declared]]\nis = "defaced"\n', 4), ('[[declared]]\nfolder = "others"\nis = "defaced"\n', 0))):
                name = f"{profile}-{number}"
                if not passed:
                    self.failed(3, "quarantine", profile, self.root / "out" / name, 1, deliveries=folder.parent.parent, definition=self.root / "configs/datasets" / f"{profile}.toml",
                                more=["--deliveries", str(self.described(name, path + declared))])
                    continue
                shown, left = self.judged(profile, name, folder.parent.parent, path + declared)
                self.assertEqual((sorted(shown), left), ([1, 2, 3, 4], {}))

    def described(self, name, text):
        (self.root / "out").mkdir(exist_ok=True)
        (self.root / f"{name}.toml").write_text(f'name = "north"\n{text}')
        return self.root / f"{name}.toml"

    @staticmethod
    def picture(value):
        out = io.BytesIO()
        Image.fromarray(np.full((8, 8), value, "u1")).save(out, "PNG")
        return out.getvalue()

Passing.find = sys.argv[2]

if __name__ == "__main__":
    main()
