// Small counts in two rows, two cells of a confusion, and functions of counts that are no share.
#include <catch2/catch.hpp>
#include <cmath>

#include "jobs/release/release_desk.h"

using desk::codes;
using desk::prepare;
using desk::text;
using Json = nlohmann::ordered_json;

namespace {

bool is_refused(const std::string& name, const std::string& bytes, const std::string& code = "small-count") {
    const auto leaving = prepare(name, bytes, desk::generous());
    INFO(bytes << " -> " << codes(leaving));
    return leaving.refused() && (" " + codes(leaving) + " ").find(" " + code + " ") != std::string::npos;
}

// As it leaves, which it does.
std::string left(const std::string& name, const std::string& bytes) {
    const auto leaving = prepare(name, bytes, desk::generous());
    INFO(bytes << " -> " << codes(leaving));
    CHECK_FALSE(leaving.refused());
    return text(leaving);
}

}  // namespace

TEST_CASE("cells of a confusion whose sums stand beside them tell no small other cell") {
    for (const char* file :
         {R"({"positives":57,"tp":55})", R"({"samples":100,"tp":60,"tn":35})",
          R"({"samples":200,"positives":80,"tn":117})", R"({"samples":200,"negatives":120,"tp":75})",
          R"({"fn":20,"fp":30,"tp":60,"samples":115})",
          R"({"positives":57,"negatives":100,"points":[{"threshold":0.5,"tp":55}]})",
          R"({"samples":300,"positives":100,"points":[{"threshold":0.5,"true_positives":98}]})"})
        CHECK(is_refused("x.json", file));
    CHECK(is_refused("x.csv", "site,positives,tp\nnorth,57,55\n"));
    CHECK(is_refused("x.csv", "measure,value\npositives,57\ntp,55\n"));
    for (const char* file : {R"({"positives":57,"tp":40})", R"({"samples":100,"tp":60,"tn":20})",
                             R"({"samples":300,"positives":100,"tp":80,"fn":20,"fp":30,"tn":170})",
                             R"({"positives":57,"tp":57})"})
        left("x.json", file);
}

TEST_CASE("a figure is judged by a denominator that stands in another row") {
    const Json rows = {{{"measure", "samples"}, {"value", 40}}, {{"measure", "accuracy"}, {"value", 0.925}}};
    CHECK(left("x.json", Json{{"results", rows}}.dump()).find("0.925") == std::string::npos);
    CHECK(left("x.csv", "measure,value\nsamples,40\naccuracy,0.925\n").find("0.925") == std::string::npos);
    CHECK(left("x.csv", "measure,train,test\nsamples,300,40\naccuracy,0.93,0.925\n").find("0.925") ==
          std::string::npos);
    CHECK(
        left(
            "x.csv",
            "site,measure,value\nnorth,support,40\nnorth,recall,0.925\nsouth,support,300\nsouth,recall,0.8\n")
            .find("0.925") == std::string::npos);
    const std::string turned = left(
        "x.json", R"({"recall":{"benign":0.925,"malignant":0.8},"support":{"benign":40,"malignant":300}})");
    CHECK(turned.find("0.925") == std::string::npos);
    CHECK(turned.find("0.8") != std::string::npos);
    // Another's denominator says nothing.
    CHECK(left("x.csv", "site,measure,value\nnorth,recall,0.925\nsouth,support,40\n").find("0.925") !=
          std::string::npos);
    // Several figures, too: 4 of 70 are missed, 7 of 80 are false alarms.
    const std::string several =
        left("x.csv", "measure,value\nsamples,150\nsensitivity,0.942857\nspecificity,0.9125\nf1,0.923077\n");
    CHECK(several.find("0.942857") == std::string::npos);
}

TEST_CASE("odds of a count are judged as the share they are made of") {
    for (const std::string row : {"odds,0.025641", "odds,39", "log_odds,-3.663562", "ratio,0.025641"}) {
        const auto at = row.find(',');
        const std::string name = row.substr(0, at), value = row.substr(at + 1);
        if (value == "39") continue;  // a whole number counts
        INFO(row);
        CHECK(left("x.csv", "patients," + name + "\n40," + value + "\n").find(value) == std::string::npos);
        CHECK(left("x.json", "{\"patients\":40,\"" + name + "\":" + value + "}").find(value) ==
              std::string::npos);
    }
    // 12 of 40; and an odds ratio is of two groups.
    CHECK(left("x.csv", "patients,odds\n40,0.428571\n").find("0.428571") != std::string::npos);
    CHECK(left("x.csv", "patients,odds_ratio\n40,0.025641\n").find("0.025641") != std::string::npos);
}

TEST_CASE("what is refused is named by its place, and by its key where that is a word of the gate's own") {
    const auto says = [](const std::string& name, const std::string& bytes) {
        std::string out;
        for (const auto& finding : prepare(name, bytes, desk::generous()).findings)
            out += finding.text + "\n";
        return out;
    };
    CHECK_THAT(says("x.json", R"({"overall":{"accuracy":0.9,"samples":3}})"),
               Catch::Contains("/1/2 (samples): "));
    CHECK_THAT(says("x.csv", "site,samples\nnorth,3\n"), Catch::Contains("row 2, column 2 (samples): "));
    // Names are of the site or the data; and a long key says too much.
    for (const char* file : {R"({"north":3})", R"({"smokers":3})", R"({"mean_test_samples":3})"}) {
        INFO(says("x.json", file));
        CHECK_THAT(says("x.json", file), Catch::StartsWith("/1"));
        CHECK(says("x.json", file).find("/1 (") == std::string::npos);
    }
    CHECK(says("x.json", R"({"Wang Hsiao-ming":3})").find("Wang") == std::string::npos);
    CHECK_THAT(says("x.csv", "Wang Hsiao-ming\n3\n"), Catch::StartsWith("row 1, column 1: "));
}
