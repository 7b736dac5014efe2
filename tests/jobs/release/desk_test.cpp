#include "jobs/release/desk.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "jobs/release/budget.h"
#include "jobs/release/differencing.h"
#include "support/scratch.h"
#include "weights_files.h"

using namespace jobs;
using Catch::Contains;

namespace {

Context context() {
    Context out;
    out.vocabulary = vocabulary_of(out.rules, "");
    return out;
}

Judged judge_files(const std::filesystem::path& folder,
                   const std::vector<std::pair<std::string, std::string>>& files,
                   const std::string& title = "a title") {
    core::make_directories(folder / "author", 0700);
    std::vector<QuarantinedFile> copies;
    for (const auto& [name, bytes] : files) {
        core::write_atomically(folder / "author" / name, bytes);
        copies.push_back({name, bytes.size(), core::to_hex(core::sha256(core::view(bytes)))});
    }
    const core::Bytes secret(32, 1);
    return judge(folder, copies, title, context(), secret);
}

std::string title_of(const std::string& given) {
    std::vector<Finding> findings;
    const std::string out = plain_title(given, findings);
    return findings.empty() ? out : "refused";
}

}  // namespace

TEST_CASE("names, order and bytes of what leaves are the gate's") {
    const test::Scratch scratch;
    const std::string model = test::Mlp({8}, 8).file(), one = R"({"accuracy":0.91})",
                      two = "{ \"loss\" : 0.5 }";
    const Judged judged =
        judge_files(scratch / "a", {{"Wang.json", one}, {"m.safetensors", model}, {"zz.json", two}});
    REQUIRE_FALSE(judged.refused());
    REQUIRE(judged.files.size() == 3);
    CHECK(judged.files[0].name == "metrics-1.json");
    CHECK(judged.files[1].name == "metrics-2.json");
    CHECK(judged.files[2].name == "model.safetensors");
    std::uint64_t bits = judged.bits;
    for (const LeavingFile& file : judged.files) {
        const std::string bytes = core::read_text(scratch / "a" / "canonical" / file.name);
        CHECK(file.bytes == bytes.size());
        CHECK(file.sha256 == core::to_hex(core::sha256(core::view(bytes))));
        CHECK_FALSE(core::read_text(scratch / "a" / "rendered" / (file.name + ".txt")).empty());
        CHECK(file.bits > 0);
        bits -= file.bits;
    }
    CHECK(bits > 0);  // the title
    CHECK_FALSE(std::filesystem::exists(scratch / "a" / "author"));
    CHECK_THAT(core::read_text(scratch / "a" / "criteria.json"), Contains("\"smallest_count\": 10"));
    CHECK(core::read_text(scratch / "a" / "criteria.json").find("Wang") == std::string::npos);
    const Judged again =
        judge_files(scratch / "b", {{"b.json", two}, {"c.json", one}, {"a.safetensors", model}});
    CHECK(again.approval() == judged.approval());  // neither names nor their order leave
}

TEST_CASE("an approval is of a title, of names and of bytes") {
    const test::Scratch scratch;
    const auto approval = [&](const std::string& text, const std::string& title) {
        const Judged judged = judge_files(scratch / core::random_id(), {{"a.json", text}}, title);
        CHECK_FALSE(judged.refused());
        CHECK(judged.approval() == approval_of(judged.title, judged.files));
        std::vector<LeavingFile> back;
        for (const LeavingFile& file : judged.files) back.push_back(leaving_file(to_json(file)));
        CHECK(approval_of(judged.title, back) == judged.approval());
        CHECK(bits_of(judged.title, back) == judged.bits);
        return judged.approval();
    };
    const std::string first = approval(R"({"accuracy":0.91})", "one");
    CHECK(first == approval(R"({ "accuracy": 0.91 })", "One."));
    CHECK(first != approval(R"({"accuracy":0.92})", "one"));
    CHECK(first != approval(R"({"accuracy":0.91})", "two"));
}

TEST_CASE("one refused file refuses the request, says which and leaves nothing on disk") {
    const test::Scratch scratch;
    const Judged judged = judge_files(
        scratch / "a",
        {{"good.json", R"({"accuracy":0.91})"}, {"bad.json", R"({"patients":3})"}, {"x.exe", "MZ"}});
    CHECK(judged.refused());
    CHECK(judged.files.empty());
    CHECK_FALSE(std::filesystem::exists(scratch / "a"));
    std::string of;
    for (const Finding& finding : judged.findings)
        if (finding.weight == Finding::Weight::refuse) of += finding.file + " ";
    CHECK_THAT(of, Contains("bad.json") && Contains("x.exe") && !Contains("good.json"));
}

TEST_CASE("metrics may state the digest of the weights that leave, and no other") {
    const test::Scratch scratch;
    const std::string model = test::Mlp({8}, 8).file();
    const std::string digest = core::to_hex(core::sha256(core::view(model))), other(64, 'a');
    const Judged judged = judge_files(
        scratch / "a", {{"m.safetensors", model},
                        {"j.json", "{\"model_sha256\":\"" + digest + "\",\"sha256\":\"" + other + "\"}"}});
    REQUIRE_FALSE(judged.refused());
    const std::string text = core::read_text(scratch / "a" / "canonical" / "metrics.json");
    CHECK(text.find(digest) == std::string::npos);
    CHECK(text.find(other) == std::string::npos);
    CHECK_THAT(text, Contains(judged.files[1].sha256));
}

TEST_CASE("a title is short plain words") {
    CHECK(title_of("Digits, first model") == "digits first model");
    CHECK(title_of("  resnet-18 of 2026. ") == "resnet-18 of 2026");
    for (const char* bad :
         {"", "ab", "8472639", "0123 45678", "caf\xc3\xa9 au lait", "a\tb c", "a=b c", "a\nb c",
          "abcdefghijklmnopqrstuvwxyz", "a very long title that goes on and on for more than sixty letters"})
        CHECK(title_of(bad) == "refused");
}

TEST_CASE("what reviewers read cannot move their terminal") {
    CHECK(printable_text("a\tb\n") == "a\tb\n");
    CHECK(printable_text("\x1b[2Ja\r\x7f") == "?[2Ja??");
    CHECK(printable_text("\xc2\x9b"
                         "1m") == "?1m");  // CSI in one character
    CHECK(printable_text("a\xe2\x80\xae"
                         "b") == "a?b");  // from right to left
    CHECK(printable_text("a\xe2\x80\x8b"
                         "b") == "a?b");                      // no width
    CHECK(printable_text("\xe9\x9b\xb2") == "\xe9\x9b\xb2");  // a letter
    CHECK_THAT(printable_text("\xff\xfe"), !Contains("\xff"));
}

TEST_CASE("a budget is spent bit by bit and says what is left") {
    Budget budget{1000, 400};
    CHECK(budget.refusal(600).empty());
    CHECK_THAT(budget.refusal(601), Contains("601 bits") && Contains("600 are left"));
    budget.spent_bits = 2000;
    CHECK(budget.left_bits() == 0);
    CHECK_THAT(budget.refusal(1), Contains("0 are left"));
}

TEST_CASE("room is kept for the ledger, and for other accounts") {
    const Room good{1, 100, 4, 1000, 5000, 1000};
    CHECK(good.refusal(900).empty());
    CHECK_THAT(good.refusal(901), Contains("the 1000 bytes"));
    Room full = good;
    full.open_requests = 4;
    CHECK_THAT(full.refusal(1), Contains("as many as an account may have"));
    Room tight = good;
    tight.free_bytes = 1500;  // two copies of 251 would reach into the reserve
    CHECK(tight.refusal(250).empty());
    CHECK_THAT(tight.refusal(251), Contains("beside the ledger"));
    tight.free_bytes = 999;
    CHECK_THAT(tight.refusal(0), Contains("beside the ledger"));
}

TEST_CASE("the desk's rules come from release.toml, and a misspelt one is refused") {
    const test::Scratch scratch;
    core::write_atomically(
        scratch / "r.toml",
        "[budget]\nbits_per_grant_year = 5\n[desk]\nopen_requests = 2\n[groups]\nhel = \"g\"\n");
    const ReleaseRules rules = ReleaseRules::load(scratch / "r.toml");
    CHECK(rules.desk.bits_per_grant_year == 5);
    CHECK(rules.desk.open_requests == 2);
    CHECK(rules.desk.groups.at("hel") == "g");
    for (const char* bad :
         {"[budget]\nbits = 5\n", "[desk]\nopen_requests = -1\n", "[groups]\nhel = \"a b\"\n"}) {
        core::write_atomically(scratch / "r.toml", bad);
        CHECK_THROWS_AS(ReleaseRules::load(scratch / "r.toml"), core::Error);
    }
}

TEST_CASE("what a table tells by itself is not hidden by one that left before") {
    const auto table = [](const std::string& of, std::vector<std::pair<std::string, std::int64_t>> counts) {
        std::vector<CountCell> out;
        for (const auto& [label, count] : counts) out.push_back({of + ".patients", {label}, count});
        return out;
    };
    const auto before = table("{a@1}", {{"total", 700}, {"north", 300}, {"south", 280}, {"east", 120}});
    for (const char* of : {"{a@1}", "{a@2}"}) {  // 5 are in the rest
        const auto now = table(of, {{"total", 305}, {"north", 200}, {"south", 100}});
        CHECK_FALSE(check_differencing(now, {}, 10).empty());
        CHECK_FALSE(check_differencing(now, {{"R-1", before, {}, {}}}, 10).empty());
    }
}

TEST_CASE("counts of several datasets and of one of them do not leave by one grant") {
    const auto table = [](const std::string& of, std::int64_t count) {
        return std::vector<CountCell>{{of + ".strata.site", {"north"}, count}};
    };
    const auto refused = [&](const std::string& before, const std::string& now, std::int64_t count = 120) {
        return !check_differencing(table(now, count), {{"R-1", table(before, 117), {}, {}}}, 10).empty();
    };
    CHECK(refused("{a@1}{test}", "{a@1*b@1}{test}"));
    CHECK(refused("{a@1*b@1}{test}", "{b@1}{test}"));
    CHECK(refused("{a@1*b@1}{test}", "{b@1*a@1}{test}"));
    CHECK(refused("{a@1*b@1}{test}", "{b@1*c@1}{test}", 500));
    CHECK(refused("{a@1}{test}", "{a@2*b@1}{test}"));
    CHECK(refused("{a@1}{test}", "{a@1 * b@1}{test}"));
    CHECK(refused("{a@1}{test}", "{a@2}{test}"));  // 120 beside 117
    CHECK_FALSE(refused("{a@1}{test}", "{a@2}{test}", 117));
    CHECK_FALSE(refused("{a@1}{test}", "{b@1}{test}"));
    CHECK_FALSE(refused("{a@1}{train}", "{a@1*b@1}{test}"));
    CHECK_FALSE(refused("{a@1*b@1}{test}", "{a@1*b@1}{test}", 117));
    CHECK_FALSE(refused("", "{a@1*b@1}{test}"));
}
