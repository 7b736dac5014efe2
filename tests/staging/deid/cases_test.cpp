#include "staging/deid/cases.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

namespace fs = std::filesystem;
using Catch::Contains;
using namespace staging;

namespace {

fs::path configs() {
    return fs::path(std::getenv("ALOFT_SOURCE")) / "configs";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

// A copy of the configuration, in which a test changes texts.
struct Configuration {
    test::Scratch folder;
    std::string dataset = core::read_text(configs() / "datasets/nodules.toml");
    std::string labels = core::read_text(configs() / "deid/study-labels.toml");
    std::string images = core::read_text(configs() / "deid/ct-volumes.toml");
    Configuration() {
        fs::create_directories(folder / "deid");
        fs::create_directories(folder / "datasets");
        fs::copy(configs() / "deliveries", folder / "deliveries");
    }
    Definition load(const std::vector<fs::path>& descriptions = {}) const {
        core::write_atomically(folder / "datasets/nodules.toml", dataset);
        core::write_atomically(folder / "deid/study-labels.toml", labels);
        core::write_atomically(folder / "deid/ct-volumes.toml", images);
        return Definition::load(folder / "datasets/nodules.toml", {"north"}, descriptions);
    }
    std::string refusal(const std::vector<fs::path>& descriptions = {}) const {
        try {
            load(descriptions);
        } catch (const core::Error& e) {
            CHECK(e.fault() == core::Fault::usage);
            return e.what();
        }
        return "accepted";
    }
    void with_patients() {
        labels = replaced(labels, "[dates]",
                          "[[patient]]\nfrom = \"patient_id\"\nkind = \"record-number\"\n[dates]");
    }
};

std::string from_dataset(const std::string& from, const std::string& to) {
    Configuration changed;
    changed.dataset = replaced(changed.dataset, from, to);
    return changed.refusal();
}
std::string from_labels(const std::string& from, const std::string& to) {
    Configuration changed;
    changed.labels = replaced(changed.labels, from, to);
    return changed.refusal();
}

}  // namespace

TEST_CASE("labels stand behind all other columns, with their own rules") {
    const Definition definition = Configuration().load();
    REQUIRE(definition.labels);
    CHECK(definition.key->match == Match::accession);
    CHECK_FALSE(definition.key->is_uid);
    const auto& columns = definition.schema.columns;
    CHECK(first_label_column(definition) == columns.size() - 3);
    CHECK(columns[columns.size() - 3].names == std::vector<std::string>{"benign", "malignant"});
    CHECK(columns.back().name == "report_day");
    CHECK(definition.labels->files.match("labels/a/b.csv"));
    CHECK(definition.labels->files.match("labels/b.csv"));
    CHECK_FALSE(definition.labels->files.match("scans/b.csv"));
    // What becomes of a row is part of the rules.
    Configuration other;
    other.labels += "# changed\n";
    CHECK(other.load().rules_sha256 != definition.rules_sha256);
}

TEST_CASE("a table of labels that could not be joined rightly is refused by name") {
    REQUIRE(Configuration().refusal() == "accepted");
    CHECK_THAT(from_dataset("unmatched = \"leave_out\"", "unmatched = \"drop\""), Contains("\"keep\""));
    CHECK_THAT(from_dataset("match = \"accession\"", "match = \"name\""), Contains("\"instance\""));
    CHECK_THAT(from_dataset("match = \"accession\"", "match = \"instance\""), Contains("many instances"));
    CHECK_THAT(from_dataset("match = \"accession\"", "match = \"patient\""), Contains("[[patient]]"));
    CHECK_THAT(from_dataset("column = \"accession\"", "colum = \"accession\""), Contains("column"));
    CHECK_THAT(from_dataset("files = \"labels/**/*.csv\"", "files = \"/labels/*.csv\""),
               Contains("relative"));
    CHECK_THAT(from_dataset("columns = [\"label\", \"score\", \"report_day\"]", "columns = []"),
               Contains("what the table says"));
    CHECK_THAT(from_dataset("\"score\", \"report_day\"]", "\"scores\"]"),
               Contains("did you mean \"score\"?"));
    CHECK_THAT(from_dataset("\"exam_day\"]\nplace", "\"exam_day\", \"label\"]\nplace"),
               Contains("label is there twice"));
    CHECK_THAT(
        from_dataset("profile = \"../deid/study-labels.toml\"", "profile = \"../deid/ct-volumes.toml\""),
        Contains("no table"));
    CHECK_THAT(from_labels("max_shift_days = 3650", "max_shift_days = 365"), Contains("intervals"));
    CHECK_THAT(from_labels("missing = \"nan\"", "missing = \"none\""), Contains("expected \"nan\""));
}

TEST_CASE("newborns under their mother's number are not matched by patient") {
    Configuration by_patient;
    by_patient.with_patients();
    by_patient.dataset = replaced(by_patient.dataset, "match = \"accession\"", "match = \"patient\"");
    by_patient.dataset = replaced(by_patient.dataset, "\ncolumn = \"accession\"", "\n#");
    CHECK(by_patient.refusal() == "accepted");
    const fs::path description = by_patient.folder / "north.toml";
    core::write_atomically(description,
                           "name = \"north\"\n[newborn]\nyounger_than_days = 28\nnational_id = \"skip\"\n");
    CHECK_THAT(by_patient.refusal({description}), Contains("newborns"));
}

TEST_CASE("of both profiles' risk the stricter holds, over the columns that are taken") {
    Configuration both;
    both.labels = replaced(both.labels, "quasi_identifiers = []\nk = 5\nbelow = \"report\"",
                           "quasi_identifiers = [\"score\", \"other\"]\nk = 11\nbelow = \"suppress\"\n"
                           "sensitive = \"label\"\nl = 2");
    const RiskPolicy risk = both.load().profile.risk;
    CHECK(risk.quasi_identifiers == std::vector<std::string>{"site", "sex", "age", "score"});
    CHECK(risk.k == 11);
    CHECK(risk.suppress);
    CHECK(risk.sensitive == "label");
    CHECK(risk.l == 2);
    both.images = replaced(both.images, "k = 5", "k = 5\nsensitive = \"sex\"\nt = 0.5");
    CHECK_THAT(both.refusal(), Contains("both profiles have a sensitive column"));
}

TEST_CASE("of both profiles' hierarchies the fewer steps and patients left out hold, and one rule a column") {
    Configuration both;
    const std::string more = "below = \"suppress\"\nmost_suppressed = 0.2\nmost_steps = 100\n";
    both.labels = replaced(
        both.labels, "quasi_identifiers = []\nk = 5\nbelow = \"report\"",
        "quasi_identifiers = [\"label\"]\nk = 5\n" + more + "[risk.hierarchies.label]\nprefixes = [1]\n");
    const RiskPolicy risk = both.load().profile.risk;
    CHECK(risk.most_steps == 100);
    CHECK(risk.most_suppressed == 0.2);
    CHECK(risk.hierarchies.at("label").prefixes == std::vector<std::int64_t>{1});
    both.images = replaced(both.images, "below = \"report\"",
                           "below = \"suppress\"\nmost_suppressed = 0.1\nmost_steps = 200\n"
                           "[risk.hierarchies.sex]\n");
    const RiskPolicy stricter = both.load().profile.risk;
    CHECK(stricter.most_steps == 100);
    CHECK(stricter.most_suppressed == 0.1);
    CHECK(stricter.hierarchies.size() == 2);
}

TEST_CASE("a part whose name stands for what is missing is refused before anything is read") {
    for (const char* name : {"", "(missing)"}) {
        Configuration changed;
        changed.images = replaced(
            changed.images, "below = \"report\"",
            "below = \"suppress\"\n[risk.hierarchies.sex.parents]\nM = \"" + std::string(name) + "\"");
        CHECK_THAT(changed.refusal(), Contains("stands for what is missing"));
    }
}

TEST_CASE("a label's date moves with its image's patient") {
    const Definition definition = Configuration().load();
    const Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 6)));
    const core::Id16 row{1}, patient{2};
    const std::int64_t days = definition.profile.max_shift_days, day = 19000;
    const auto cells = label_cells(
        {row, std::string("train"), std::string("benign"), 1.5, day + pseudonyms.shift_days(row, days)},
        patient, definition, pseudonyms);
    REQUIRE(cells.size() == 3);
    CHECK(std::get<std::int64_t>(cells[2]) == day + pseudonyms.shift_days(patient, days));
}

TEST_CASE("a mask and its image have one key, by the names that both have") {
    const test::Scratch folder;
    for (const char* part : {"deid", "datasets", "deliveries"})
        fs::copy(configs() / part, folder / part, fs::copy_options::recursive);
    core::write_atomically(folder / "north.toml", "name = \"north\"\npath = \"{patient}/{scan}.nii.gz\"\n");
    const std::string good = core::read_text(configs() / "datasets/organs.toml");
    const auto load = [&](const std::string& toml) {
        core::write_atomically(folder / "datasets/organs.toml", toml);
        return Definition::load(folder / "datasets/organs.toml", {"north", "south"}, {folder / "north.toml"});
    };
    const Definition definition = load(good);
    REQUIRE(definition.masks);
    CHECK(definition.schema.fields.size() == 2);
    CHECK(definition.schema.fields[1].name == "mask");
    CHECK(definition.schema.fields[1].dtype == core::DType::u8);
    const Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 6)));
    const auto of_image = [&](const char* patient, const char* scan) {
        std::vector<std::optional<Value>> path(definition.path_names.size());
        for (std::size_t i = 0; i < path.size(); ++i)
            path[i] = Value{definition.path_names[i] == "patient" ? patient : scan, {'U', 'T'}, {}};
        return std::get<core::Id16>(mask_key(definition, Values{{}, path}, "north", pseudonyms));
    };
    const auto key = mask_key(definition, "P1/ct_mask.nii.gz", "north", pseudonyms);
    REQUIRE(key);
    CHECK(*key != core::Id16{});
    CHECK(*key == of_image("P1", "ct"));
    CHECK(*key != of_image("P2", "ct"));
    CHECK(*key != of_image("P1c", "t"));  // parts are told apart
    CHECK(of_image("P1", "") == core::Id16{});
    CHECK(*key != *mask_key(definition, "P1/ct_mask.nii.gz", "south", pseudonyms));
    CHECK_FALSE(mask_key(definition, "P1/ct.nii.gz", "north", pseudonyms));

    const auto refusal = [&](const std::string& from, const std::string& to) -> std::string {
        try {
            load(replaced(good, from, to));
        } catch (const core::Error& e) {
            return e.what();
        }
        return "accepted";
    };
    CHECK_THAT(refusal("samples = \"volume\"", "samples = \"image\""), Contains("masks lie on volumes"));
    CHECK_THAT(refusal("scan = \"path:scan\" }", "visit = \"path:scan\" }"), Contains("has no {visit}"));
    CHECK_THAT(refusal("values = [0, 1, 2]", "values = [1, 2]"), Contains("0 stands for nothing"));
    CHECK_THAT(refusal("values = [0, 1, 2]", "values = [0, 256]"), Contains("0 to 255"));
    CHECK_THAT(refusal("name = \"mask\"", "name = \"image\""), Contains("not from masks"));
    CHECK_THAT(refusal("name = \"image\"\nshape", "name = \"mask\"\nshape"), Contains("declared by [masks]"));
}
