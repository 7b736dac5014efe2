#include "staging/build/stage1.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <stdexcept>

#include "core/base/files.h"
#include "staging/read/messages.h"
#include "support/scratch.h"

using namespace staging;

namespace {

// A reader that reads nothing but whole files: asked for a header alone, it dies.
class WholeOnly final : public Answers {
public:
    explicit WholeOnly(const Region& region) : real_(make_answers(region)) {}
    std::size_t answer(const Question& question, core::Fd file) override {
        if (static_cast<Ask>(question.code) == Ask::read_header) throw std::runtime_error("a header alone");
        return real_->answer(question, std::move(file));
    }

private:
    std::unique_ptr<Answers> real_;
};
Answers* whole_only(const Region& region) {
    return new WholeOnly(region);
}
struct WholeReaders : Readers {
    WholeReaders() : Readers(whole_only, prepare_answers) {}
};

// NIfTI-1 of [1, 2, 3] voxels of int16, whose values begin at `offset`.
std::string nifti(float offset = 352) {
    std::string file(352, '\0');
    const auto put = [&](std::size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof value); };
    put(0, std::int32_t{348});
    std::size_t at = 40;
    for (const std::int16_t extent : {3, 3, 2, 1, 1, 1, 1, 1}) put(std::exchange(at, at + 2), extent);
    put(70, std::int16_t{4});
    put(72, std::int16_t{16});
    for (at = 76; at < 108; at += 4) put(at, 1.0F);
    put(108, offset);
    std::memcpy(file.data() + 344, "n+1", 4);
    for (std::int16_t value = 0; value < 6; ++value) file.append(reinterpret_cast<const char*>(&value), 2);
    return file;
}

struct Sink final : Stage1Sink {
    void take(const SampleRef&, const core::Sample& sample) override {
        taken.push_back(sample.fields.at(0).bytes);
    }
    void take_slices(std::vector<SliceRef>, const core::Sample&) override {}
    void take_beside(const Beside&, const core::Sample&) override {}
    void reject(const Rejected& one) override {
        left.emplace_back(std::string(one.reason) + " " + one.detail);
    }
    std::vector<core::Bytes> taken;
    std::vector<std::string> left;
};

// What stage 1 makes of the files of one delivery of NIfTI.
Sink read(const Readers& readers, const std::vector<std::pair<std::string, std::string>>& files) {
    const test::Scratch folder;
    core::make_directories(folder / "in");
    Batch batch;
    for (const auto& [name, bytes] : files) {
        core::write_atomically(folder / "in" / name, bytes);
        batch.names.push_back(name);
    }
    core::write_atomically(folder / "north.toml", "name = \"north\"\npath = \"{patient}.nii\"\n");
    core::write_atomically(folder / "profile.toml",
                           "name = \"scans\"\nversion = 1\nsource = \"nifti\"\n"
                           "[[patient]]\nfrom = \"path:patient\"\nkind = \"record-number\"\n"
                           "[dates]\nmax_shift_days = 100\n[pixels]\nfaces = \"allow\"\n"
                           "[risk]\nquasi_identifiers = [\"site\"]\nk = 2\nbelow = \"report\"\n"
                           "[[fields]]\nname = \"image\"\nfrom = \"pixels\"\ntransform = \"keep\"\n"
                           "[[columns]]\nname = \"site\"\ntransform = \"delivery\"\n");
    core::write_atomically(
        folder / "dataset.toml",
        "name = \"scans\"\nversion = \"1\"\nprofile = \"profile.toml\"\ncolumns = [\"site\"]\n"
        "sites = [\"north\"]\n[[fields]]\nname = \"image\"\nshape = []\ndtype = \"i16\"\n"
        "[splits]\ntrain = 0.5\nvalidation = 0.25\ntest = 0.25\n");
    const Definition definition =
        Definition::load(folder / "dataset.toml", {"north"}, {folder / "north.toml"});
    const Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 9)));
    Stage1 stage1(readers, definition, pseudonyms, {{"north", folder / "in"}});
    Sink sink;
    CHECK(stage1.read(batch, sink).files == files.size());
    return sink;
}

}  // namespace

TEST_CASE("a file whose header is not read alone is read once") {
    const WholeReaders readers;
    const Sink sink = read(readers, {{"P1.nii", nifti()}, {"P2.nii", nifti()}});
    CHECK(sink.taken.size() == 2);
    CHECK(sink.left.empty());
}

TEST_CASE("what is refused is refused for what it is, whether its header is read alone or not") {
    const Readers readers;
    const Sink sink = read(readers, {{"P1.nii", nifti()},
                                     {"UNKNOWN.nii", nifti()},
                                     {"P3.nii", nifti().substr(0, 353)},
                                     {"P4.nii", nifti(1)}});
    CHECK(sink.taken.size() == 1);
    CHECK(sink.left ==
          std::vector<std::string>{"placeholder_id path:patient", "truncated ", "malformed vox_offset"});
}
