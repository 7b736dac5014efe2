#include "jobs/cli/curves.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/files.h"
#include "core/base/width.h"

using namespace jobs;

namespace {

// What aloft-train wrote of a run of four epochs on one rank.
std::string log_of_a_run() {
    return core::read_text(std::string(std::getenv("ALOFT_SOURCE")) + "/tests/jobs/cli/run.jsonl");
}

Curves read_curves(std::string_view log, std::size_t piece = SIZE_MAX) {
    CurveReader reader;
    for (std::size_t at = 0; at < log.size(); at += std::min(piece, log.size() - at))
        reader.take(log.substr(at, piece));
    return reader.curves();
}

std::string step(int at, const std::string& loss) {
    return R"({"event":"step","step":)" + std::to_string(at) + R"(,"loss":)" + loss + "}\n";
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

}  // namespace

TEST_CASE("the log of a run has its losses and its score, by step") {
    const Curves curves = read_curves(log_of_a_run());
    REQUIRE(curves.loss.size() == 8);
    CHECK(curves.loss.front().step == 10);
    CHECK(curves.loss.front().value == Approx(1.3807995721697808));
    CHECK(curves.loss.back().step == 48);
    REQUIRE(curves.validation_loss.size() == 4);
    CHECK(curves.validation_loss.back().value == Approx(0.936907));
    CHECK(curves.measure == "accuracy");
    REQUIRE(curves.scores.size() == 4);
    CHECK(curves.scores.back().step == 48);
    CHECK(curves.scores.back().value == Approx(0.484375));
}

TEST_CASE("a run that was resumed counts each step once, and half a line is none") {
    const Curves curves = read_curves(step(10, "3") + step(20, "2") + step(30, "9") + step(20, "1.5") +
                                      R"({"event":"step","step":40,"lo)");
    REQUIRE(curves.loss.size() == 2);
    CHECK(curves.loss.back().step == 20);
    CHECK(curves.loss.back().value == 1.5);
}

TEST_CASE("a step beyond what a run can have takes nothing away") {
    const std::string most = R"({"event":"step","step":18446744073709551615,"loss":1})"
                             "\n"
                             R"({"event":"step","step":9223372036854775808,"loss":1})"
                             "\n";
    const Curves curves = read_curves(step(10, "3") + most + step(20, "2") + most);
    REQUIRE(curves.loss.size() == 2);
    CHECK(curves.loss.front().step == 10);
    CHECK(curves.loss.back().step == 20);
}

TEST_CASE("a log in pieces is the same log, and a line too long ends where it ends") {
    const std::string log =
        log_of_a_run() + std::string(100000, 'x') + "\n" + step(1000, "0.5") + "{\"event\"";
    const auto whole = curve_lines(read_curves(log), 80, Glyphs::ascii);
    CHECK(whole.front().starts_with("loss: 0.5 at step 1000"));
    for (const std::size_t piece : {1u, 7u, 4096u})
        CHECK(curve_lines(read_curves(log, piece), 80, Glyphs::ascii) == whole);
}

TEST_CASE("a run of more steps than are kept is thinned out, its first and its last step stay") {
    CurveReader reader;
    const int steps = static_cast<int>(CurveReader::kMostPoints) * 2 + 5;
    for (int i = 1; i <= steps; ++i) reader.take(step(i, std::to_string(steps - i)));
    const auto& loss = reader.curves().loss;
    CHECK(loss.size() <= CurveReader::kMostPoints);
    CHECK(loss.size() >= CurveReader::kMostPoints / 2);
    CHECK(loss.front().step == 1);
    CHECK(loss.back().step == steps);
    CHECK(std::is_sorted(loss.begin(), loss.end(),
                         [](const Point& a, const Point& b) { return a.step < b.step; }));
}

TEST_CASE("what is no event of a run is passed over, and no text of a log is shown") {
    const std::string hostile =
        "\x1b]0;mine\x07\n[1,2]\n{}\nnull\n" + std::string(100000, '[') + "\n" +
        R"({"event":"step","step":-1,"loss":1})"
        "\n"
        R"({"event":"step","step":1e300,"loss":1})"
        "\n"
        R"({"event":"step","step":"1","loss":1})"
        "\n"
        R"({"event":["step"],"step":1,"loss":1})"
        "\n"
        R"({"event":"step","step":1,"loss":1e999})"
        "\n"
        R"({"event":"step","step":1,"loss":"\u001b[2J"})"
        "\n"
        R"({"event":"epoch","step":2,"validation":{"\u001b[2J":1,"accuracy":"0.5","auroc":0.5}})"
        "\n"
        R"({"event":"epoch","step":3,"validation":[1]})"
        "\n";
    const Curves curves = read_curves(hostile);
    CHECK(curves.loss.empty());
    CHECK(curves.measure == "auroc");
    REQUIRE(curves.scores.size() == 1);
    const std::string drawn = joined(curve_lines(curves, 80, Glyphs::ascii));
    CHECK(drawn.find('\x1b') == std::string::npos);
    CHECK(drawn.find("validation, auroc: 0.5 at step 2") != std::string::npos);
}

TEST_CASE("curves fit the columns, in braille and in ASCII") {
    const Curves curves = read_curves(log_of_a_run());
    for (const std::size_t columns : {10u, 60u, 63u, 80u, 200u})
        for (const Glyphs glyphs : {Glyphs::unicode, Glyphs::ascii}) {
            const auto lines = curve_lines(curves, columns, glyphs);
            REQUIRE(lines.size() == 24);
            for (const std::string& line : lines) {
                CHECK(core::width_of(line) <= std::clamp<std::size_t>(columns, 60, 80));
                if (glyphs == Glyphs::ascii)
                    for (const char c : line) CHECK((c >= ' ' && c < 0x7f));
            }
        }
}

TEST_CASE("a loss that falls is drawn from the upper left to the lower right") {
    std::string log;
    for (int i = 0; i <= 100; ++i) log += step(i, std::to_string(100 - i));
    const auto lines = curve_lines(read_curves(log), 80, Glyphs::ascii);
    REQUIRE(lines.size() == 12);
    CHECK(lines[0] == "loss: 0 at step 100");
    CHECK(lines[1].starts_with("        100 |."));
    CHECK(lines[1].find_last_not_of(' ') < 30);
    CHECK(lines[10].starts_with("          0 |"));
    CHECK(lines[10].ends_with("."));
    CHECK(lines[10].find('.') > 60);
    CHECK(lines[11].ends_with("100"));
    for (std::size_t row = 2; row <= 10; ++row)
        CHECK(lines[row].find('.', 13) >= lines[row - 1].find('.', 13));
    const auto braille = curve_lines(read_curves(log), 80, Glyphs::unicode);
    CHECK(braille[1].find("\xe2\xa0\x91") != std::string::npos);  // U+2811: dots 1 and 5
}

TEST_CASE("a run of one step, of equal losses and of enormous ones is drawn") {
    CHECK(curve_lines(read_curves(""), 80, Glyphs::ascii).empty());
    CHECK(curve_lines(read_curves(step(7, "2")), 80, Glyphs::ascii).size() == 12);
    CHECK(curve_lines(read_curves(step(7, "2") + step(8, "2")), 80, Glyphs::unicode).size() == 12);
    CHECK(curve_lines(read_curves(step(1, "-1.7e308") + step(2, "1.7e308")), 80, Glyphs::unicode).size() ==
          12);
}

TEST_CASE("the folder of a run is what the job's script gives aloft-train") {
    const auto of = [](const std::string& line) { return run_folder_of("#!/bin/sh\nexec " + line + "\n"); };
    CHECK(of("'aloft-train' 'fit' '--out' '/aloft/workspace/out'") == "/aloft/workspace/out");
    CHECK(of("'env' 'A=b' '/opt/aloft/bin/aloft-train' 'fit' '--out=run 1'") == "run 1");
    CHECK(of("'aloft-train' '--out' 'it'\\''s'") == "it's");
    CHECK(of("'aloft' 'train' 'fit' '--out' 'run'") == "run");
    CHECK(of("'/opt/aloft/bin/aloft' 'train' 'fit' '--out=run'") == "run");
    CHECK(of("'aloft-train' 'fit' '--out' 'first' '--seed' '1' '--out' 'last'") == "last");
    CHECK(of("'aloft-train' 'fit' '--out' '--out=x'") == "--out=x");
    CHECK_FALSE(of("'aloft' 'stage' 'train' '--out' 'x'"));
    CHECK_FALSE(of("'aloft-train' 'fit' '--' '--out' 'x'"));
    CHECK_FALSE(of("'aloft-train' 'fit' '--out='"));
    CHECK_FALSE(of("'aloft'"));
    CHECK_FALSE(of("'python3' 'train.py' '--out' 'x'"));
    CHECK_FALSE(of("'aloft-train' 'fit' '--out'"));
    CHECK_FALSE(of("'--out' 'x' 'aloft-train'"));
    CHECK_FALSE(of("aloft-train --out $(reboot)"));
    CHECK_FALSE(run_folder_of("#!/bin/bash\nsrun aloft-train fit --out x\n"));
    CHECK_FALSE(run_folder_of(""));
}
