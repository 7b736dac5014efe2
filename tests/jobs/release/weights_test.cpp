#include "jobs/release/weights.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/files.h"
#include "jobs/release/safetensors.h"
#include "support/scratch.h"
#include "weights_files.h"

using namespace jobs;
using Catch::Contains;

namespace {

const core::Bytes kSecret(32, 7);

struct Tried {
    Leaving weights;
    std::string code;       // of what refused it, "" if nothing
    std::string canonical;  // what leaves
};

Tried try_file(const std::string& bytes, core::ByteView secret = kSecret) {
    const test::Scratch scratch;
    core::write_atomically(scratch / "in", bytes);
    Tried out;
    out.weights = prepare_weights(scratch / "in", scratch / "out",
                                  {secret, [](const std::string& word) {
                                       return word == "digits@1" || word == "benign" || word == "dose";
                                   }});
    for (const Finding& finding : out.weights.findings)
        if (finding.weight == Finding::Weight::refuse) out.code = finding.code;
    CHECK(out.code.empty() == std::filesystem::exists(scratch / "out"));
    if (out.code.empty()) out.canonical = core::read_text(scratch / "out", 1 << 30);
    return out;
}

// A tensor of what leaves, widened to float again.
std::vector<float> leaving(const std::string& canonical, const std::string& name) {
    const test::Scratch scratch;
    core::write_atomically(scratch / "f", canonical);
    const SafeTensors file(scratch / "f");
    for (const SafeTensor& tensor : file.tensors()) {
        if (tensor.name != name) continue;
        core::Bytes bytes(tensor.end - tensor.begin);
        file.read(tensor.begin, bytes.data(), bytes.size());
        if (tensor.dtype == "F32") return test::floats_of(std::string(bytes.begin(), bytes.end()));
        std::vector<float> out;
        for (std::size_t i = 0; i < bytes.size(); i += 2)
            out.push_back(
                std::bit_cast<float>(static_cast<std::uint32_t>(bytes[i] | bytes[i + 1] << 8) << 16));
        return out;
    }
    throw std::runtime_error("no tensor " + name);
}

// Hides `payload`, `width` bits from bit `from` of each value of a tensor; how much of it is there afterwards.
template <class Hide, class Read>
double survives(std::size_t bits, Hide hide, Read read) {
    test::Mlp model({2048, 1024});  // 3 M values: room for 1 MB at 4 bits a value
    std::mt19937 draw(2);
    std::vector<bool> payload(bits);
    for (std::size_t i = 0; i < bits; ++i) payload[i] = draw() & 1;
    auto values = test::floats_of(model.at("layer2.weight").data);
    hide(values, payload);
    model.at("layer2.weight").data = test::bytes_of(values);
    const Tried tried = try_file(model.file());
    REQUIRE(tried.code == "");
    const auto out = leaving(tried.canonical, "layer2.weight");
    std::size_t same = 0;
    for (std::size_t i = 0; i < bits; ++i) same += read(out, i) == payload[i];
    return static_cast<double>(same) / static_cast<double>(bits);
}

double survives_in_bits(int width) {
    const auto per = static_cast<std::size_t>(width);
    return survives(
        8 << 20 > 2048 * 1024 * width ? static_cast<std::size_t>(2048 * 1024 * width) : std::size_t{8} << 20,
        [&](std::vector<float>& values, const std::vector<bool>& payload) {
            for (std::size_t i = 0; i < payload.size(); ++i) {
                auto bits = std::bit_cast<std::uint32_t>(values[i / per]);
                bits = (bits & ~(1U << i % per)) | static_cast<std::uint32_t>(payload[i]) << i % per;
                values[i / per] = std::bit_cast<float>(bits);
            }
        },
        [&](const std::vector<float>& values, std::size_t i) {
            return (std::bit_cast<std::uint32_t>(values[i / per]) >> i % per & 1) != 0;
        });
}

}  // namespace

TEST_CASE(
    "what leaves is a model of the same architecture, each value within a step of bf16 and right on "
    "average") {
    test::Mlp model;
    model.metadata["aloft.dataset"] = "digits@1";
    model.metadata["aloft.recipe_sha256"] = std::string(64, 'a');
    model.metadata["aloft.began_from"] = R"([{"sha256":")" + std::string(64, 'a') + R"(","dataset":""}])";
    model.metadata["aloft.classes"] = R"(["benign","1"])";
    const Tried tried = try_file(model.file());
    REQUIRE(tried.code == "");
    CHECK(tried.weights.findings.empty());
    const auto before = test::floats_of(model.at("layer1.weight").data),
               after = leaving(tried.canonical, "layer1.weight");
    REQUIRE(before.size() == after.size());
    double sum = 0;
    bool near = true;
    for (std::size_t i = 0; i < before.size(); ++i) {
        near = near && std::abs(after[i] - before[i]) <= std::abs(before[i]) / 128;
        sum += static_cast<double>(after[i] - before[i]);
    }
    CHECK(near);
    CHECK(std::abs(sum / static_cast<double>(before.size())) < 2e-6);
    CHECK(tried.weights.bits > 15 * 512 * 512 * 2);
    CHECK(tried.weights.bits < 16 * 512 * 520 * 2);
    CHECK_THAT(tried.weights.rendered, Contains("layer1.weight [512,512] BF16: 262144 values"));
    CHECK(tried.canonical.find(std::string(64, 'a')) == std::string::npos);  // nothing proves that digest
    CHECK(tried.canonical.find("began_from") == std::string::npos);
    const test::Scratch scratch;
    core::write_atomically(scratch / "f", tried.canonical);
    const SafeTensors file(scratch / "f");
    CHECK(file.own_digest() == file.metadata().at("aloft.sha256"));
    CHECK(file.metadata().at("aloft.dataset") == "digits@1");
}

TEST_CASE("the rounding is the content's and the site's: neither name, order nor metadata choose it") {
    const test::Mlp model({8}, 8);
    test::Mlp other = model;
    std::reverse(other.tensors.begin(), other.tensors.end());
    other.metadata.erase("format");
    const std::string one = try_file(model.file()).canonical;
    CHECK(one == try_file(model.file()).canonical);
    CHECK(one == try_file(other.file()).canonical);  // the order of tensors is gone
    CHECK(one != try_file(model.file(), core::Bytes(32, 8)).canonical);
    auto values = test::floats_of(other.at("layer1.weight").data);
    values[0] = std::nextafter(values[0], 1.0F);  // one bit of one value: every value is drawn anew
    other.at("layer1.weight").data = test::bytes_of(values);
    const auto a = leaving(one, "layer1.weight"),
               b = leaving(try_file(other.file()).canonical, "layer1.weight");
    CHECK(std::count_if(a.begin(), a.end(), [&, i = 0](float value) mutable {
              return value != b[static_cast<std::size_t>(i++)];
          }) > 5);
}

TEST_CASE("a megabyte hidden in low bits comes back as if by chance") {
    CHECK(survives_in_bits(4) == Approx(0.5).margin(0.01));
    CHECK(survives_in_bits(16) == Approx(0.5).margin(0.01));
}

TEST_CASE("signs of zeros and denormals carry nothing") {
    const std::size_t bits = 1 << 20;
    CHECK(survives(
              bits,
              [](std::vector<float>& values, const std::vector<bool>& payload) {
                  for (std::size_t i = 0; i < payload.size(); ++i) values[i] = payload[i] ? -0.0F : 0.0F;
              },
              [](const std::vector<float>& values, std::size_t i) { return std::signbit(values[i]); }) ==
          Approx(0.5).margin(0.01));
    CHECK(survives(
              bits,
              [](std::vector<float>& values, const std::vector<bool>& payload) {
                  for (std::size_t i = 0; i < payload.size(); ++i)
                      values[i] = std::bit_cast<float>(
                          static_cast<std::uint32_t>((i % 0x3fffff) << 1 | (payload[i] ? 1U : 0U)));
              },
              [](const std::vector<float>& values, std::size_t i) {
                  return (std::bit_cast<std::uint32_t>(values[i]) & 1) != 0;
              }) == Approx(0.5).margin(0.01));
}

TEST_CASE("tensors of other types, names, shapes and numbers are refused") {
    const auto changed = [](auto change) {
        test::Mlp model({8}, 8);
        change(model);
        return try_file(model.file()).code;
    };
    CHECK(changed([](auto&) {}) == "");
    CHECK(changed([](test::Mlp& m) {  // doubles: 63 of 64 bits are free
              m.at("layer1.weight").dtype = "F64";
              m.at("layer1.weight").data += m.at("layer1.weight").data;
          }) == "dtype");
    CHECK(changed([](test::Mlp& m) {  // a table of patients as halves
              std::string csv;
              while (csv.size() < 128) csv += "12,1.5,";
              m.at("layer1.weight").dtype = "F16";
              m.at("layer1.weight").data = csv.substr(0, 128);
          }) == "dtype");
    CHECK(changed([](test::Mlp& m) {
              m.at("layer1.weight").dtype = "BF16";
              m.at("layer1.weight").data.resize(128);
          }) == "dtype");
    CHECK(changed([](test::Mlp& m) { m.at("layer1.weight").dtype = "I32"; }) == "dtype");
    CHECK(changed([](test::Mlp& m) {
              m.tensors.push_back({"counter", "I64", {}, std::string(8, '\1')});
          }) == "architecture");
    CHECK(changed([](test::Mlp& m) {
              m.tensors.push_back({"SGVsbG8gV29ybGQ", "F32", {1}, std::string(4, '\0')});
          }) == "architecture");
    CHECK(changed([](test::Mlp& m) { m.at("layer1.bias").name = "layer1.bjas"; }) == "architecture");
    CHECK(changed([](test::Mlp& m) { m.at("layer1.bias").shape = {2, 4}; }) == "architecture");
    CHECK(changed([](test::Mlp& m) { m.tensors.pop_back(); }) == "architecture");
    CHECK(changed([](test::Mlp& m) {
              auto values = test::floats_of(m.at("layer1.bias").data);
              values[3] = NAN;
              m.at("layer1.bias").data = test::bytes_of(values);
          }) == "hidden-payload");
    CHECK(changed([](test::Mlp& m) { m.at("layer1.bias").data.replace(0, 8, "Wang Xia"); }) ==
          "hidden-payload");
    // Digits as floats are small numbers, but still text.
    test::Mlp model({64}, 16);
    std::string csv;
    while (csv.size() < 4096) csv += std::to_string(csv.size()) + ",";
    model.at("layer1.weight").data = csv.substr(0, 4096);
    CHECK(try_file(model.file()).code == "hidden-payload");
}

TEST_CASE("metadata says what the gate can spell itself, and nothing else") {
    const auto with = [](const std::string& key, const std::string& value) {
        test::Mlp model({8}, 8);
        model.metadata[key] = value;
        return try_file(model.file());
    };
    CHECK(with("note", "Wang Xiao Ming").code == "metadata");
    CHECK(with("format", "Wang Xiao Ming").code == "metadata");
    CHECK(with("aloft.dataset", "WangXiaoMing@19620305").code == "metadata");
    CHECK(with("aloft.classes", R"(["Wang","Ming"])").code == "metadata");
    CHECK(with("aloft.classes", R"(["0","0"])").code == "metadata");
    CHECK(with("aloft.classes", R"(["1","0"])").code == "metadata");
    CHECK(with("aloft.classes", R"(["0","1","2"])").code == "architecture");
    CHECK(with("aloft.shape", "[9]").code == "architecture");
    CHECK(with("aloft.shape", "[8,8]").code == "architecture");
    CHECK(with("aloft.sha256", std::string(64, 'a')).code == "metadata");  // not the file's
    CHECK(with("aloft.recipe_sha256", "Wang Xiao Ming").code == "metadata");
    CHECK(with("aloft.model", "name = \"mlp\"\nhidden = [9]\ndropout = 0\n").code == "architecture");
    CHECK(with("aloft.model", "name = \"mlp\"\nhidden = [8]\nnote = \"Wang\"\n").code == "architecture");
    CHECK(with("aloft.model", "name = \"perceptron\"\n").code == "architecture");
    CHECK(with("aloft.model", "not toml").code == "architecture");
    const Tried spelt = with("aloft.model", "# Wang\nname='mlp'\nhidden=[ 8 ]\ndropout=0.1234567\n");
    CHECK(spelt.code == "");
    CHECK_THAT(spelt.canonical, Contains(R"(name = \"mlp\"\nhidden = [8]\ndropout = 0.120000\n)"));
    CHECK(spelt.canonical.find("Wang") == std::string::npos);
    test::Mlp none({8}, 8);
    none.metadata = nullptr;
    CHECK(try_file(none.file()).code == "architecture");
}

TEST_CASE("a payload beside the tensors is refused, wherever it hides") {
    const test::Mlp model({8}, 8);
    const std::string good = model.file();
    const std::size_t header =
        static_cast<unsigned char>(good[0]) + 256U * static_cast<unsigned char>(good[1]);
    const auto with_header = [&](const std::string& text, const std::string& data) {
        std::string out(8, '\0');
        for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(text.size() >> (8 * i));
        return try_file(out + text + data).code;
    };
    const std::string text = good.substr(8, header), data = good.substr(8 + header);
    CHECK(with_header(text, data) == "");
    CHECK(with_header(text + "      ", data) == "");
    CHECK(with_header(text, data + "x") == "hidden-payload");
    CHECK(with_header(text, data.substr(1)) != "");
    CHECK(with_header(text + std::string(64, ' '), data) == "hidden-payload");
    CHECK(with_header(" " + text, data) == "hidden-payload");
    CHECK(with_header(text.substr(0, text.size() - 1) + "," + text.substr(text.find("\"input.mean\"")),
                      data) != "");
    CHECK(with_header(R"({"\u0077":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "\0\0\0\0") != "");
    CHECK(with_header("[[[[[[[[]]]]]]]]", data) == "type");
    CHECK(with_header(R"({"w":{"dtype":"F32","shape":[0,19620305],"data_offsets":[0,0]}})", "") == "shape");
    CHECK(try_file("short").code == "type");
}

TEST_CASE("digits that are drawn, as those of ciphertext, are shown to the reviewers") {
    test::Mlp model;
    std::mt19937 draw(3);
    auto values = test::floats_of(model.at("layer1.weight").data);
    for (float& value : values)  // seven bits of payload behind the point of each
        value = std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) & 0xff80ffffU) |
                                     static_cast<std::uint32_t>(draw() & 0x7f) << 16);
    model.at("layer1.weight").data = test::bytes_of(values);
    const Tried tried = try_file(model.file());
    CHECK(tried.code == "");
    REQUIRE(tried.weights.findings.size() == 1);
    CHECK(tried.weights.findings[0].code == "mantissa");
}

TEST_CASE("a regression's mean keeps what its deviation needs, and leaves as one") {
    test::Mlp model({8}, 8);
    const auto as = [&](const char* task, const char* outputs) {
        model.metadata["aloft.task"] = task;
        model.metadata["aloft.classes"] = outputs;
        model.at("layer2.weight").shape = {1, 8};
        model.at("layer2.weight").data.resize(8 * sizeof(float));
        model.at("layer2.bias").shape = {1};
        model.at("layer2.bias").data.resize(sizeof(float));
        return try_file(model.file());
    };
    CHECK(as("regression", R"(["0"])").code == "architecture");  // without its mean and scale
    model.tensors.push_back({"output.mean", "F32", {1}, test::bytes_of({1957.25F})});
    model.tensors.push_back({"output.scale", "F32", {1}, test::bytes_of({0.1F})});
    CHECK(as("multilabel", R"(["0"])").code == "architecture");  // of flags there is none
    CHECK(as("Wang", R"(["0"])").code == "architecture");
    const Tried tried = as("regression", R"(["0"])");
    REQUIRE(tried.code == "");
    CHECK_THAT(tried.weights.rendered, Contains("regression of [\"0\"]"));
    CHECK(std::abs(leaving(tried.canonical, "output.mean").at(0) - 1957.25F) * 0.1F <= 0.0157F);
    CHECK(tried.canonical.find("\"aloft.task\":\"regression\"") != std::string::npos);
    // As aloft-train writes it: the column's name, if the enclave knows it.
    CHECK_THAT(as("regression", R"(["dose"])").weights.rendered, Contains("dose"));
    CHECK(as("regression", R"(["surname"])").code == "metadata");
}

TEST_CASE("a segmentation leaves with the names of its classes that are numbers or words of the vocabulary") {
    test::Mlp model({8}, 8);
    const std::string unet = "name = \"unet2d\"\nwidth = 8\nblocks = [1, 1]";
    const Architecture wanted = architecture_of(unet, {1, 16, 16}, 2, "segmentation");
    model.metadata["aloft.model"] = wanted.model;
    model.metadata["aloft.shape"] = "[1,16,16]";
    model.metadata["aloft.task"] = "segmentation";
    model.tensors.clear();
    std::mt19937 draw(7);
    std::normal_distribution<float> normal(0, 0.05F);
    for (const auto& rule : wanted.tensors) {
        std::int64_t count = 1;
        for (const auto size : rule.shape) count *= size;
        std::vector<float> values(static_cast<std::size_t>(count));
        for (float& value : values) value = rule.name == "input.scale" ? 2.0F : normal(draw);
        model.tensors.push_back({rule.name, "F32", rule.shape, test::bytes_of(values)});
    }
    const auto named = [&](const char* classes) {
        model.metadata["aloft.classes"] = classes;
        return try_file(model.file());
    };
    CHECK(named(R"(["0","1"])").code == "");
    CHECK_THAT(named(R"(["0","benign"])").weights.rendered, Contains("benign"));
    CHECK(named(R"(["0","benign"])").code == "");
    CHECK(named(R"(["background","liver"])").code == "metadata");  // the recipe's, which nobody added
}

TEST_CASE("a feature's mean keeps what its standard deviation needs, whatever its size") {
    test::Mlp model({8}, 8);
    std::vector<float> means{1957.25F, 880.5F, 0.0061F, -3e5F, 0, 1, 2, 3},
        scales{0.1F, 0.0017F, 333, 0.5F, 1, 1, 1, 0};
    model.at("input.mean").data = test::bytes_of(means);
    model.at("input.scale").data = test::bytes_of(scales);
    const Tried tried = try_file(model.file());
    REQUIRE(tried.code == "");
    const auto mean = leaving(tried.canonical, "input.mean");
    for (std::size_t i = 0; i < 7; ++i) CHECK(std::abs(mean[i] - means[i]) * scales[i] <= 0.0157F);
    CHECK(mean[7] == 0);
}
