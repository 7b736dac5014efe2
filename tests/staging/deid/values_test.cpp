// Values of every VR through the transforms: zero is a value, and 0x5C is a separator in text alone.
#include "staging/deid/values.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "staging/deid/clean.h"

using namespace staging;

namespace {

template <class T>
Value binary(const char* vr, std::initializer_list<T> words) {
    Value value;
    value.vr = {vr[0], vr[1]};
    for (const T word : words) {
        char bytes[sizeof(T)];
        std::memcpy(bytes, &word, sizeof word);
        value.bytes.append(bytes, sizeof bytes);
    }
    return value;
}
Value text(const char* vr, const std::string& bytes) {
    return Value{bytes, {vr[0], vr[1]}, {}};
}

ColumnRule rule(Transform transform) {
    ColumnRule out;
    out.name = "column";
    out.sources = {{"First", ""}};
    out.transform = std::move(transform);
    return out;
}

const Description& plain_north() {
    static const Description plain = Description::plain("north");
    return plain;
}

// The cell, or the reason in words.
std::variant<core::Cell, Rejection> given(const ColumnRule& rule, const std::optional<Value>& value,
                                          const Description& delivery = plain_north()) {
    static const Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 9)));
    const std::optional<Value> none;
    return transform(rule, {{&value, &none}}, {delivery, pseudonyms, {}, 100});
}
std::string reason(const std::variant<core::Cell, Rejection>& out) {
    const auto* rejection = std::get_if<Rejection>(&out);
    return rejection ? std::string(reason_name(rejection->reason)) : "taken";
}
template <class T>
T cell(const std::variant<core::Cell, Rejection>& out) {
    REQUIRE(std::holds_alternative<core::Cell>(out));
    return std::get<T>(std::get<core::Cell>(out));
}

const ColumnRule kNumber = rule(Number{-1e300, 1e300});
const ColumnRule kInteger = rule(Integer{-1e18, 1e18});

}  // namespace

TEST_CASE("zero is a value in every binary VR") {
    CHECK(cell<double>(given(kNumber, binary<double>("FD", {0}))) == 0);
    CHECK(cell<double>(given(kNumber, binary<float>("FL", {0}))) == 0);
    CHECK(cell<std::int64_t>(given(kInteger, binary<std::uint16_t>("US", {0}))) == 0);
    CHECK(cell<std::int64_t>(given(kInteger, binary<std::int16_t>("SS", {0}))) == 0);
    CHECK(cell<std::int64_t>(given(kInteger, binary<std::uint32_t>("UL", {0}))) == 0);
    CHECK(cell<std::int64_t>(given(kInteger, binary<std::int32_t>("SL", {0}))) == 0);
    CHECK(cell<std::int64_t>(given(kInteger, binary<std::uint64_t>("UV", {0}))) == 0);
    CHECK(cell<std::int64_t>(given(kInteger, binary<std::int64_t>("SV", {0}))) == 0);
    CHECK(reason(given(kInteger, Value{"", {'U', 'S'}, {}})) == "missing_attribute");
    CHECK(reason(given(kInteger, std::nullopt)) == "missing_attribute");
}

TEST_CASE("every number of a binary VR comes through, whatever its bytes are") {
    std::mt19937_64 random(7);
    int wrong = 0;
    for (int i = 0; i < 10000; ++i) {
        const std::uint64_t bits = random();
        double real;
        std::memcpy(&real, &bits, sizeof real);
        if (!std::isfinite(real) || std::abs(real) > 1e300) continue;
        const auto out = given(kNumber, binary<double>("FD", {real}));
        const auto* cell = std::get_if<core::Cell>(&out);
        wrong += !cell || *cell != core::Cell(real);
    }
    for (int word = 0; word < 65536; ++word) {
        const auto out = given(kInteger, binary<std::uint16_t>("US", {static_cast<std::uint16_t>(word)}));
        const auto* cell = std::get_if<core::Cell>(&out);
        wrong += !cell || *cell != core::Cell(std::int64_t{word});
    }
    CHECK(wrong == 0);
}

TEST_CASE("one of several values is picked, in text and in binary; several where one is expected are none") {
    ColumnRule second = kNumber;
    second.value = 1;
    CHECK(cell<double>(given(second, text("DS", "0.5\\0.25 "))) == 0.25);
    CHECK(cell<double>(given(second, binary<double>("FD", {1, 92}))) == 92);
    CHECK(cell<double>(given(second, binary<float>("FL", {1, 0}))) == 0);
    CHECK(reason(given(second, text("DS", "0.5"))) == "bad_value");
    CHECK(reason(given(second, binary<double>("FD", {1}))) == "bad_value");
    CHECK(reason(given(kNumber, text("DS", "1\\2"))) == "bad_value");
    CHECK(reason(given(kNumber, binary<double>("FD", {1, 2}))) == "bad_value");
}

TEST_CASE("numbers are read as they are typed, and nothing else is a number") {
    CHECK(cell<std::int64_t>(given(kInteger, text("IS", "1.0"))) == 1);
    CHECK(cell<std::int64_t>(given(kInteger, text("UT", " 12 "))) == 12);
    CHECK(cell<double>(given(kNumber, text("DS", "+1.5e1"))) == 15);
    for (const char* bad : {"1.5", "one", "1,0", "0x10", "nan"})
        CHECK(reason(given(kInteger, text("IS", bad))) == "bad_value");
    for (const char* bad : {"5,0", "nan", "inf", "1 2"})
        CHECK(reason(given(kNumber, text("DS", bad))) == "bad_value");
    Description comma = Description::plain("north");
    comma.decimal_comma = true;
    CHECK(cell<double>(given(kNumber, text("DS", "5,25"), comma)) == 5.25);
    CHECK(cell<double>(given(kNumber, text("DS", "5.25"), comma)) == 5.25);
    CHECK(reason(given(kNumber, text("DS", "1.234,5"), comma)) == "bad_value");
    // DICOM's own point stays one. In a table that writes commas a point may be between thousands.
    CHECK(cell<double>(given(kNumber, text("UT", "5,25"), comma)) == 5.25);
    CHECK(cell<std::int64_t>(given(kInteger, text("UT", "5,0"), comma)) == 5);
    for (const char* bad : {"1.234", "12.345.678", "1.234,5", "5.25", "1,234.5"})
        CHECK(reason(given(kNumber, text("UT", bad), comma)) == "bad_value");
    CHECK(reason(given(kInteger, text("UT", "1.000"), comma)) == "bad_value");
    for (const char* path : {"5.25", "5,25"})  // what a path says is no table's
        CHECK(cell<double>(given(kNumber, text("UR", path), comma)) == 5.25);
    CHECK(reason(given(kNumber, binary<double>("FD", {std::nan("")}))) == "bad_value");
}

TEST_CASE("a backslash separates DICOM's text, and is a sign like others in a table") {
    Codes codes;
    codes.codes = {{"A", "a"}, {"X\\Y", "x"}};
    const ColumnRule map = rule(codes);
    CHECK(cell<std::string>(given(map, text("UT", "x\\y"))) == "x");
    for (const char* two : {"17.99\\5", "17\\5", "17\\", "\\17"}) {
        CHECK(reason(given(kNumber, text("UT", two))) == "bad_value");
        CHECK(reason(given(kInteger, text("UT", two))) == "bad_value");
    }
    CHECK(reason(given(map, text("LO", "A\\A"))) == "unlisted");
    ColumnRule first = map;
    first.value = 0;
    CHECK(cell<std::string>(given(first, text("CS", "A\\B"))) == "a");
}

TEST_CASE("a binary integer is a code by its digits") {
    Codes codes;
    codes.codes = {{"0", "unsigned"}, {"1", "signed"}};
    CHECK(cell<std::string>(given(rule(codes), binary<std::uint16_t>("US", {0}))) == "unsigned");
    CHECK(cell<std::string>(given(rule(codes), binary<std::uint16_t>("US", {1}))) == "signed");
    CHECK(reason(given(rule(codes), binary<double>("FD", {1}))) == "unlisted");
}

TEST_CASE("bad values of every transform can count as missing, if the rule says so") {
    const std::vector<std::pair<Transform, Value>> bad = {{Codes{{{"A", "a"}}, {}, false}, text("LO", "B")},
                                                          {Number{0, 1}, text("DS", "2")},
                                                          {Integer{0, 1}, text("IS", "x")},
                                                          {AgeBand{5, 89}, text("AS", "***")},
                                                          {ShiftDate{}, text("DA", "***")},
                                                          {ShiftDate{}, text("DA", "990520")},
                                                          {Pseudonymise{"series"}, text("UI", "a/b")}};
    for (const auto& [how, value] : bad) {
        ColumnRule strict = rule(how);
        strict.categories = std::vector<std::string>(20, "");
        CHECK(reason(given(strict, value)) != "taken");
        strict.missing = core::Cell();
        CHECK(reason(given(strict, value)) != "taken");  // missing alone does not speak of bad values
        CHECK(reason(given(strict, std::nullopt)) == "taken");
        strict.bad_is_missing = true;
        CHECK(std::holds_alternative<std::monostate>(std::get<core::Cell>(given(strict, value))));
    }
}

TEST_CASE("text that does not decode is no value") {
    Value odd = text("LO", "\xB3\x5C");
    odd.undecodable = true;
    CHECK(reason(given(rule(Pseudonymise{"name"}), odd)) == "undecodable");
    CHECK(reason(given(rule(Codes{}), odd)) == "undecodable");
}
