#include "jobs/release/checks.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "core/base/files.h"
#include "support/scratch.h"

using namespace jobs;
using Catch::Contains;

namespace {

const std::string kOneTensor = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

std::string floats(std::initializer_list<float> values) {
    std::string out;
    for (const float value : values) out.append(reinterpret_cast<const char*>(&value), sizeof value);
    return out;
}

// The codes of what a file with this header and these bytes is refused for, "" for none.
std::string safetensors(const std::string& header, const std::string& data) {
    const test::Scratch scratch;
    std::uint64_t size = header.size();
    std::string bytes(reinterpret_cast<const char*>(&size), 8);
    core::write_atomically(scratch / "m.safetensors", bytes + header + data);
    std::string type, codes;
    for (const Finding& finding : check_file(scratch / "m.safetensors", "m.safetensors", {}, type))
        codes += finding.code;
    return codes;
}

std::string codes(const std::vector<Finding>& findings) {
    std::string out;
    for (const Finding& finding : findings) out += (out.empty() ? "" : " ") + finding.code;
    return out;
}

}  // namespace

TEST_CASE("a model that is a model passes, as PyTorch's writers and aloft-train make it") {
    CHECK(safetensors(kOneTensor, floats({1, -2})) == "");
    CHECK(safetensors(kOneTensor + "      ", floats({1, 0})) == "");
    CHECK(safetensors(
              R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
              floats({1, 2})) == "");
    const std::string hash(64, 'a');
    CHECK(
        safetensors(
            R"({"__metadata__":{"aloft.sha256":")" + hash +
                R"(","aloft.classes":"[\"0\",\"1\"]","aloft.dataset":"digits@1",)" +
                R"("aloft.model":"name = \"mlp\"\nhidden = [64, 32]\ndropout = 0.100000\n","aloft.recipe_sha256":")" +
                hash +
                R"(","aloft.shape":"[1,8,8]","format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
            floats({1, 2})) == "");
    CHECK(
        safetensors(
            R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"I64","shape":[],"data_offsets":[4,12]}})",
            std::string("\x00\x3c\x00\xc0", 4) + std::string(8, '\1').replace(2, 6, 6, '\0')) == "");
}

TEST_CASE("a payload beside the tensors is refused, wherever it hides") {
    const std::string data = floats({1, 2});
    CHECK(safetensors(kOneTensor, data + "x") == "hidden-payload");  // behind
    CHECK(safetensors(kOneTensor, data.substr(0, 7)) != "");         // short
    CHECK(safetensors(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", "abcd" + data) ==
          "hidden-payload");  // before
    CHECK(
        safetensors(
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
            floats({1, 2, 3})) == "hidden-payload");  // between
    CHECK(
        safetensors(
            R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
            data) == "hidden-payload");  // shared
    CHECK(safetensors(R"({ "w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data) ==
          "hidden-payload");                                                          // spaces
    CHECK(safetensors(kOneTensor + std::string(64, ' '), data) == "hidden-payload");  // padding
    CHECK(safetensors(R"({"\u0077":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data) ==
          "hidden-payload");  // escapes
    CHECK(
        safetensors(
            R"({"w":{"dtype":"F32","shape":[9],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
            data) == "hidden-payload");  // a key that parsers drop
    CHECK(
        safetensors(
            R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"z":{"dtype":"F32","shape":[0,7378697629],"data_offsets":[8,8]}})",
            data) == "shape");  // sizes of nothing
    CHECK(safetensors(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"note":"x"}})", data) ==
          "type");
    CHECK(
        safetensors(
            R"({"__metadata__":{"note":"the patient"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
            data) == "metadata");
    CHECK(
        safetensors(
            R"({"__metadata__":{"aloft.model":"the patient; id"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
            data) == "metadata");
    CHECK(safetensors(R"({"Wang Hsiao-ming":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data) ==
          "name");
    CHECK(safetensors(R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", data) == "dtype");
}

TEST_CASE("bytes that are no weights are refused: text, NaN with a payload, infinities") {
    CHECK(safetensors(kOneTensor, "Wang Hsi") == "hidden-payload");
    CHECK(safetensors(kOneTensor, floats({1, std::nanf("0x1234")})) == "hidden-payload");
    CHECK(safetensors(kOneTensor, floats({INFINITY, 1})) == "hidden-payload");
}

TEST_CASE("no cut or changed file makes the safetensors check fail otherwise than by refusing") {
    const std::string good = kOneTensor;
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK(safetensors(good.substr(0, size), floats({1, 2})) != "");
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x11);
        CHECK_NOTHROW(safetensors(bad, floats({1, 2})));
    }
}

TEST_CASE("what is not on the list does not leave, whatever it is called") {
    const test::Scratch scratch;
    std::string type;
    for (const char* name : {"x.exe", "x.pt", "x", "x.json.gz", "x.JSON", ".json"}) {
        core::write_atomically(scratch / name, "{}");
        CHECK(codes(check_file(scratch / name, name, {}, type)) == "type");
    }
    core::write_atomically(scratch / "x.safetensors", "{\"a\":1}");
    CHECK(codes(check_file(scratch / "x.safetensors", "x.safetensors", {}, type)) == "type");
}

TEST_CASE("rules come from a file, and a misspelt one is refused") {
    const test::Scratch scratch;
    core::write_atomically(scratch / "release.toml", "[counts]\nsmallest = 7\n");
    CHECK(ReleaseRules::load(scratch / "release.toml").smallest_count == 7);
    CHECK(ReleaseRules::load(scratch / "absent.toml").smallest_count == 10);
    core::write_atomically(
        scratch / "release.toml",
        "[counts]\nnot_counts = [\"degree\"]\n[words]\nall = [\"North\"]\nhel = [\"deaths\"]\n");
    const auto rules = ReleaseRules::load(scratch / "release.toml");
    CHECK(rules.not_counts.contains("degree"));
    CHECK(vocabulary_of(rules, "hel").find("deaths"));
    CHECK(vocabulary_of(rules, "hel").find("north")->text == "North");
    CHECK_FALSE(vocabulary_of(rules, "other").find("deaths"));
    core::write_atomically(scratch / "release.toml", "[counts]\nsmalest = 7\n");
    CHECK_THROWS_WITH(ReleaseRules::load(scratch / "release.toml"), Contains("did you mean \"smallest\""));
}
