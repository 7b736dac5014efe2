#include "staging/deid/profile.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/definition.h"
#include "staging/deid/risk.h"
#include "support/scratch.h"

using namespace staging;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

fs::path configs() {
    return fs::path(std::getenv("ALOFT_SOURCE")) / "configs";
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}
std::string refusal(const std::string& toml) {
    try {
        Profile::parse(toml, "imaging.toml");
    } catch (const core::Error& e) {
        return e.fault() == core::Fault::usage ? e.what() : "another fault";
    }
    return "accepted";
}

}  // namespace

TEST_CASE("the installed profiles and datasets load, and fit each other") {
    for (const char* name : {"digits", "wdbc", "mixed"}) {
        const Definition definition =
            Definition::load(configs() / "datasets" / (std::string(name) + ".toml"), {"north", "east"});
        CHECK(definition.id() == std::string(name) + "@1");
        CHECK(definition.wanted.size() >= definition.columns.size());
    }
    for (const fs::directory_entry& file : fs::directory_iterator(configs() / "deid"))
        CHECK(Profile::load(file.path()).name == file.path().stem());
    CHECK_THROWS_WITH(Definition::load(configs() / "datasets/digits.toml", {"nort"}),
                      Contains("did you mean \"north\"?"));
}

TEST_CASE("a profile that cuts faces off names the head and the brain that tell where") {
    const std::string shipped = core::read_text(configs() / "deid/mr-volumes.toml");
    const Profile profile = Profile::parse(shipped, "mr-volumes.toml");
    CHECK(profile.pixels.faces == FacePolicy::quarantine);
    const std::string cuts = replaced(shipped, "\nfaces = \"quarantine\"", "\nfaces = \"deface\"");
    CHECK(Profile::parse(cuts, "mr-volumes.toml").pixels.faces == FacePolicy::deface);
    CHECK(Profile::parse(cuts, "mr-volumes.toml").pixels.face_template.head.ends_with("ch2.nii.gz"));
    const std::string imaging = core::read_text(configs() / "deid/imaging.toml");
    CHECK_THAT(refusal(replaced(imaging, "\nfaces = \"quarantine\"", "\nfaces = \"deface\"")),
               Contains("head"));
    CHECK_THAT(refusal(replaced(cuts, "brain_sha256 = \"592", "brain_sha256 = \"Z92")),
               Contains("brain_sha256"));
    CHECK_THAT(refusal(replaced(cuts, "brain_sha256", "brain_sha25")), Contains("brain_sha256"));
}

TEST_CASE("a profile cannot be weakened by a slip of the pen") {
    const std::string good = core::read_text(configs() / "deid/imaging.toml");
    REQUIRE(refusal(good) == "accepted");
    CHECK_THAT(refusal(replaced(good, "\nfaces = ", "\nfases = ")), Contains("did you mean \"faces\"?"));
    CHECK_THAT(refusal(replaced(good, "faces = \"quarantine\"", "faces = \"maybe\"")), Contains("faces"));
    CHECK_THAT(refusal(replaced(good, "\"CTImageStorage\"", "\"CTImageStorge\"")),
               Contains("did you mean \"CTImageStorage\"?"));
    CHECK_THAT(refusal(replaced(good, "\"CTImageStorage\"", "\"1.2.840.10008.5.1.4.1.1.104.1\"")),
               Contains("holds no image"));
    CHECK_THAT(refusal(replaced(good, "\"ABDOMEN\",", "\"HEAD\",")),
               Contains("no term for a part that shows no face"));
    CHECK_THAT(refusal(replaced(good, "[pixels]\n", "[pixels]\nspellings = {KOPF = \"HEAD\"}\n")),
               Contains("KOPF"));
    CHECK_THAT(refusal(replaced(good, "missing = \"nan\"", "missing = \"none\"")),
               Contains("expected \"nan\""));
    CHECK_THAT(refusal(replaced(good, "born = \"PatientBirthDate\"", "borne = \"PatientBirthDate\"")),
               Contains("born"));
    CHECK_THAT(refusal(replaced(good, "pool_above = 89", "pool_above = 120")), Contains("above 89 identify"));
    CHECK_THAT(refusal(replaced(good, "max_shift_days = 3650", "max_shift_days = 1")),
               Contains("max_shift_days"));
    CHECK_THAT(refusal(replaced(good, "k = 5", "k = 0")), Contains("[risk]: k: expected 1 or more"));
    CHECK_THAT(refusal(replaced(good, "transform = \"shift\"", "transform = \"shfit\"")),
               Contains("did you mean \"shift\"?"));
    CHECK_THAT(refusal(replaced(good, "name = \"sex\"", "name = \"age\"")), Contains("stands twice"));
    CHECK_THAT(refusal(good + "\nextra = 1\n"), Contains("extra"));
    const std::string masks = refusal(replaced(good, "source = \"dicom\"", "source = \"raster-indices\""));
    CHECK_THAT(masks,
               Contains("no such format") && !Contains("there are: dicom, nifti, raster, raster-indices"));
}

TEST_CASE("a dataset cannot take what its profile does not let through") {
    const test::Scratch folder;
    fs::create_directories(folder / "deid");
    fs::create_directories(folder / "datasets");
    fs::copy(configs() / "deid/imaging.toml", folder / "deid/imaging.toml");
    fs::copy(configs() / "deliveries", folder / "deliveries");
    const std::string good = core::read_text(configs() / "datasets/digits.toml");
    const auto refused = [&](const std::string& toml) -> std::string {
        core::write_atomically(folder / "datasets/digits.toml", toml);
        try {
            Definition::load(folder / "datasets/digits.toml", {"north"});
        } catch (const core::Error& e) {
            return e.what();
        }
        return "accepted";
    };
    REQUIRE(refused(good) == "accepted");
    CHECK_THAT(refused(replaced(good, "\"exam_day\"]", "\"exam_day\", \"patient_name\"]")),
               Contains("does not let \"patient_name\" through"));
    CHECK_THAT(refused(replaced(good, "\"sex\", \"age\"", "\"age\"")),
               Contains("measures risk over \"sex\""));
    CHECK_THAT(refused(good + "\n[maps.vendor]\ncategories = [\"a\"]\ncodes = {A = \"a\"}\n"),
               Contains("the profile gives these codes"));
    CHECK_THAT(refused(replaced(good, "train = 0.6", "train = 0.7")), Contains("add up to 1"));
}

namespace {

// Which of the installed profiles let an image pass, by its facts.
std::string passes(const Facts& facts) {
    std::string out;
    for (const char* name : {"chest-xray", "ct-volumes", "imaging", "mr-volumes", "ultrasound"}) {
        const Profile profile = Profile::load(configs() / "deid" / (std::string(name) + ".toml"));
        if (!pixel_risk(facts, profile.pixels)) out += (out.empty() ? "" : " ") + std::string(name);
    }
    return out;
}
Facts image(const char* sop_class, const char* modality, const char* body_part) {
    Facts facts;
    facts.sop_class = find_sop_class(sop_class)->uid;
    facts.modality = modality;
    facts.body_part = body_part;
    facts.image_type = "ORIGINAL\\PRIMARY";
    return facts;
}

}  // namespace

TEST_CASE(
    "no installed profile lets a head, an enhanced object that says nothing, or a slide's label through") {
    CHECK(passes(image("CTImageStorage", "CT", "CHEST")) == "ct-volumes imaging");
    CHECK(passes(image("MRImageStorage", "MR", "PELVIS")) == "imaging mr-volumes");
    CHECK(passes(image("ComputedRadiographyImageStorage", "CR", "CHEST")) == "chest-xray imaging");
    for (const char* part : {"HEAD", "BRAIN", "Schädel", "", "NECK", "XYZ"}) {
        CHECK(passes(image("CTImageStorage", "CT", part)) == "");
        CHECK(passes(image("MRImageStorage", "MR", part)) == "");
        CHECK(passes(image("EnhancedMRImageStorage", "MR", part)) == "");
        CHECK(passes(image("EnhancedCTImageStorage", "CT", part)) == "");
    }
    CHECK(passes(image("XRay3DCraniofacialImageStorage", "DX", "")) == "");
    CHECK(passes(image("VLPhotographicImageStorage", "XC", "HAND")) == "");
    Facts enhanced = image("EnhancedMRImageStorage", "MR", "");
    enhanced.anatomy = {"12738006", "Brain"};
    CHECK(passes(enhanced) == "");
    enhanced.anatomy = {"416775004", "Chest, Abdomen and Pelvis"};
    CHECK(passes(enhanced) == "imaging mr-volumes");
    Facts slide = image("VLWholeSlideMicroscopyImageStorage", "SM", "");
    CHECK(passes(slide) == "");  // nobody says that it is no label
    slide.image_type = "ORIGINAL\\PRIMARY\\VOLUME\\NONE";
    CHECK(passes(slide) == "imaging");
    slide.image_type = "ORIGINAL\\PRIMARY\\LABEL\\NONE";
    CHECK(passes(slide) == "");
    Facts capture = image("SecondaryCaptureImageStorage", "CT", "CHEST");
    CHECK(passes(capture) == "");
    Facts reformat = image("CTImageStorage", "CT", "CHEST");
    reformat.image_type = "DERIVED\\SECONDARY\\MPR";
    CHECK(passes(reformat) == "ct-volumes imaging");
    Facts sound = image("UltrasoundImageStorage", "US", "ABDOMEN");
    CHECK(passes(sound) == "");
    sound.burned_in_annotation = "NO";
    CHECK(passes(sound) == "ultrasound");
}

TEST_CASE("text in pixels is blanked where a profile says so, and quarantined where it says nothing") {
    for (const char* name :
         {"chest-xray", "ct-volumes", "mr-volumes", "imaging", "ultrasound", "nifti-volumes", "pictures"})
        CHECK(Profile::load(configs() / "deid" / (std::string(name) + ".toml")).pixels.text ==
              TextPolicy::blank);
    const std::string blanks = core::read_text(configs() / "deid/imaging.toml"),
                      line = "\ntext = \"blank\"\n";
    CHECK(Profile::parse(replaced(blanks, line, "\n"), "p").pixels.text == TextPolicy::quarantine);
    for (const TextPolicy policy : {TextPolicy::quarantine, TextPolicy::blank, TextPolicy::allow}) {
        const std::string says = "\ntext = \"" + std::string(text_policy_name(policy)) + "\"\n";
        CHECK(Profile::parse(replaced(blanks, line, says), "p").pixels.text == policy);
    }
    CHECK_THAT(refusal(replaced(blanks, line, "\ntext = \"keep\"\n")), Contains("expected \"quarantine\""));
}

TEST_CASE("a dataset needs no column but its patient and split") {
    const test::Scratch folder;
    std::string profile = core::read_text(configs() / "deid/imaging.toml");
    profile = replaced(profile, "quasi_identifiers = [\"site\", \"sex\", \"age\"]", "quasi_identifiers = []");
    core::write_atomically(folder / "imaging.toml", profile);
    core::write_atomically(
        folder / "set.toml",
        "name = \"set\"\nversion = \"1\"\nprofile = \"imaging.toml\"\n[[fields]]\nname = \"image\"\n"
        "shape = []\ndtype = \"u16\"\n[splits]\ntrain = 1\n");
    const Definition definition = Definition::load(folder / "set.toml", {"north"});
    REQUIRE(definition.schema.columns.size() == 3);
    CHECK(definition.schema.columns[kPatientColumn].name == "patient");
    CHECK(definition.schema.columns[kSplitColumn].name == "split");
    CHECK(definition.schema.columns[2].name == "inverted");  // computed from the pixels
}

TEST_CASE("the categories that stand for missing and unknown stay when the dataset brings its own codes") {
    const test::Scratch folder;
    std::string profile = core::read_text(configs() / "deid/imaging.toml");
    profile =
        replaced(profile, "from = \"AdmittingDiagnosesCodeSequence[0].CodeValue\"\ntransform = \"map\"\n",
                 "from = \"AdmittingDiagnosesCodeSequence[0].CodeValue\"\ntransform = \"map\"\nmissing = "
                 "\"none\"\nunknown = \"more\"\n");
    core::write_atomically(folder / "imaging.toml", profile);
    core::write_atomically(
        folder / "set.toml",
        "name = \"set\"\nversion = \"1\"\nprofile = \"imaging.toml\"\ncolumns = [\"site\", \"sex\", "
        "\"age\", \"label\"]\n[[fields]]\nname = \"image\"\nshape = []\ndtype = \"u16\"\n"
        "[maps.label]\ncategories = [\"a\"]\n[maps.label.codes]\nA = \"a\"\n[splits]\ntrain = 1\n");
    const Definition definition = Definition::load(folder / "set.toml", {"north"});
    CHECK(definition.schema.columns[definition.schema.column("label")].names ==
          std::vector<std::string>{"a", "none", "more"});
}
