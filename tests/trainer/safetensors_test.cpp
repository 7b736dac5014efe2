#include "trainer/model/safetensors.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using namespace trainer;
using Catch::Contains;

namespace {

core::Bytes file_of(const std::string& header, const std::string& data) {
    core::Bytes out(8);
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(header.size() >> (8 * i));
    for (const std::string* part : {&header, &data}) out.insert(out.end(), part->begin(), part->end());
    return out;
}

}  // namespace

TEST_CASE("what is written is read back, of any type and layout") {
    const test::Scratch scratch;
    at::manual_seed(1);
    TensorFile file;
    for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf})
        file.tensors.push_back({c10::toString(type), at::randn({3, 2, 5}).to(type)});
    file.tensors.push_back({"long", at::arange(7)});
    file.tensors.push_back({"bool", at::arange(3).eq(1)});
    file.tensors.push_back({"scalar", at::scalar_tensor(2.5)});
    file.tensors.push_back({"empty", at::zeros({0, 4})});
    file.tensors.push_back(
        {"channels last", at::randn({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast)});
    file.tensors.push_back({"transposed", at::randn({4, 6}).t()});
    file.metadata["note"] = "text with \"quotes\"";
    write_safetensors(scratch / "f", file);
    const TensorFile back = read_safetensors(scratch / "f", Origin::ours);
    CHECK(back.metadata == file.metadata);
    REQUIRE(back.tensors.size() == file.tensors.size());
    for (const auto& each : file.tensors) {
        CHECK(back.tensor(each.name).scalar_type() == each.tensor.scalar_type());
        CHECK(at::equal(back.tensor(each.name), each.tensor));
    }
}

TEST_CASE("the format is the published one: length, JSON header, tensors side by side from a multiple of 8") {
    const test::Scratch scratch;
    write_safetensors(scratch / "f",
                      {{{"a", at::tensor({1.0F, 2.0F})}, {"b", at::tensor({std::int64_t{3}})}}, {}});
    const core::Bytes bytes = core::read_file(scratch / "f");
    const std::size_t header = bytes[0] + 256u * bytes[1];
    CHECK((8 + header) % 8 == 0);
    const std::string text(bytes.begin() + 8, bytes.begin() + 8 + static_cast<std::ptrdiff_t>(header));
    CHECK_THAT(text, Contains(R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})"));
    CHECK_THAT(text, Contains(R"("b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]})"));
    CHECK(bytes.size() == 8 + header + 16);
    CHECK(bytes[8 + header + 3] == 0x3f);  // 1.0F, little endian
    CHECK(bytes[8 + header + 8] == 3);
}

TEST_CASE("a file by another program opens, without our digest") {
    const auto file = parse_safetensors(
        file_of(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"__metadata__":{"format":"pt"}})",
                "AB"),
        "f", Origin::anywhere);
    CHECK(at::equal(file.tensor("w"), at::tensor({65, 66}, at::kByte)));
    CHECK_THROWS_WITH(file.tensor("v"), Contains("v is missing"));
}

TEST_CASE("one flipped bit anywhere is found") {
    const test::Scratch scratch;
    write_safetensors(scratch / "f", {{{"a", at::arange(5)}}, {{"step", "12"}}});
    const core::Bytes good = core::read_file(scratch / "f");
    CHECK_NOTHROW(parse_safetensors(good, "f", Origin::ours));
    for (std::size_t i = 0; i < good.size(); ++i) {
        core::Bytes bad = good;
        bad[i] ^= 1;
        CHECK_THROWS_AS(parse_safetensors(bad, "f", Origin::ours), core::Error);
    }
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK_THROWS_AS(parse_safetensors(core::ByteView(good).first(size), "f", Origin::ours), core::Error);
}

TEST_CASE("what is not exactly the format is refused") {
    const auto one = [](const std::string& entry) { return "{\"w\":" + entry + "}"; };
    const std::pair<std::string, std::string> cases[] = {
        {"", ""},
        {" {}", ""},
        {"[]", ""},
        {"{", ""},
        {"{}", "x"},  // a byte that belongs to nothing
        {one(R"({"dtype":"U8","shape":[2],"data_offsets":[0,1]})"), "A"},
        {one(R"({"dtype":"U8","shape":[1],"data_offsets":[0,2]})"), "AB"},
        {one(R"({"dtype":"U8","shape":[1],"data_offsets":[1,2]})"), "AB"},
        {one(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})"), "A"},
        {one(R"({"dtype":"U8","shape":[1.0],"data_offsets":[0,1]})"), "A"},
        {one(R"({"dtype":"Q8","shape":[1],"data_offsets":[0,1]})"), "A"},
        {one(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})"), "A"},
        {one(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"code":"x"})"), "A"},
        {one(R"({"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]})"), ""},
        {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
         "A"},
        {R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
         "ABC"},
        {R"({"__metadata__":{"a":1}})", ""},
        {R"({"__metadata__":{"aloft.sha256":"zz"}})", ""}};
    for (const auto& [header, data] : cases) {
        INFO(header);
        CHECK_THROWS_AS(parse_safetensors(file_of(header, data), "f", Origin::anywhere), core::Error);
    }
    core::Bytes too_long = file_of("{}", "");
    too_long[7] = 0x7f;
    CHECK_THROWS_AS(parse_safetensors(too_long, "f", Origin::anywhere), core::Error);
}

TEST_CASE("tensors are copied by name, and one that does not fit is an error") {
    const TensorFile file{{{"model.a", at::arange(3)}}, {}};
    const std::vector<NamedTensor> fits{{"a", at::zeros({3}, at::kLong)}},
        other{{"a", at::zeros({4}, at::kLong)}};
    copy_tensors(file, "model.", fits);
    CHECK(at::equal(fits[0].tensor, at::arange(3)));
    CHECK_THROWS_WITH(copy_tensors(file, "model.", other), Contains("another shape"));
}

TEST_CASE("a released model, of bf16, opens as float32; nothing else changes its type") {
    const TensorFile file{{{"a", at::tensor({1.5F, -2.0F}).to(at::kBFloat16)}}, {}};
    const std::vector<NamedTensor> wide{{"a", at::zeros({2})}}, narrow{{"a", at::zeros({2}, at::kHalf)}};
    copy_tensors(file, "", wide);
    CHECK(at::equal(wide[0].tensor, at::tensor({1.5F, -2.0F})));
    CHECK_THROWS_WITH(copy_tensors(file, "", narrow), Contains("another shape or type"));
}
