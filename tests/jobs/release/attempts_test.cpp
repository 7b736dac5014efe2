// What people tried to carry over the desk. Each is refused, or leaves without what it carried.
#include <catch2/catch.hpp>
#include <cstdio>
#include <random>

#include "core/base/bytes.h"
#include "jobs/release/release_desk.h"

using desk::codes;
using desk::prepare;
using desk::text;

namespace {

int tried = 0;

void refused(const std::string& name, const std::string& bytes, const std::string& code,
             const jobs::Context& context = desk::generous()) {
    ++tried;
    const auto leaving = prepare(name, bytes, context);
    INFO(name << ": " << bytes.substr(0, 200) << " -> " << codes(leaving) << " "
              << text(leaving).substr(0, 300));
    CHECK(leaving.refused());
    CHECK(leaving.canonical.empty());
    CHECK(leaving.rendered.empty());
    CHECK((" " + codes(leaving) + " ").find(" " + code + " ") != std::string::npos);
}

// Leaves, and `expected` is all that does.
void rewritten(const std::string& name, const std::string& bytes, const std::string& expected,
               const jobs::Context& context = desk::generous()) {
    ++tried;
    const auto leaving = prepare(name, bytes, context);
    INFO(name << ": " << bytes.substr(0, 200) << " -> " << codes(leaving));
    CHECK_FALSE(leaving.refused());
    CHECK(text(leaving) == expected);
}

const char* const kHeadings[] = {"deaths",
                                 "women",
                                 "men",
                                 "HIV",
                                 "events",
                                 "cnt",
                                 "patientcount",
                                 "smokers",
                                 "births",
                                 "survivors",
                                 "readmissions",
                                 "carcinoma",
                                 "diabetes",
                                 "n",
                                 "N",
                                 "count",
                                 "Count",
                                 "patients",
                                 "samples",
                                 "support",
                                 "total",
                                 "tp",
                                 "fp",
                                 "tn",
                                 "fn",
                                 "test_samples",
                                 "n-positive",
                                 "num patients",
                                 "value",
                                 "values",
                                 "x",
                                 "y",
                                 "score",
                                 "result",
                                 "error",
                                 "loss",
                                 "mean",
                                 "sum",
                                 "freq",
                                 "frequency",
                                 "negatives",
                                 "positives",
                                 "cases",
                                 "images",
                                 "subjects",
                                 "north",
                                 "benign",
                                 "participants"};

}  // namespace

TEST_CASE("a small count is refused under any heading, in JSON and CSV, upright and transposed") {
    for (const std::string heading : kHeadings) {
        if (heading == "num patients") continue;
        refused("x.json", R"({")" + heading + R"(":3})", "small-count");
        refused("x.csv", "site," + heading + "\nnorth,3\n", "small-count");
        refused("x.csv", "measure,north\n" + heading + ",3\n", "small-count");
    }
}

TEST_CASE("a small count is refused in any notation and at any place") {
    for (const char* three : {"3.0", "3e0", "30e-1", "-3", "2.99999999", "3.00000001", "0.3E1", "\"3\"",
                              "\"3.0\"", "\" 3 \"", "\"+3\"", "\"03\"", "\"3e0\"", "[3]", "[[30,3]]",
                              "{\"F\":3}", "{\"north\":{\"F\":3}}", "{\"total\":3}", "\"0.03e2\""}) {
        refused("x.json", std::string(R"({"deaths":)") + three + "}", "small-count");
    }
    for (const char* three :
         {"3", "3.0", "3e0", "+3", "03", " 3", "3 ", "\"3\"", "30e-1", "-3", "2.99999999"})
        refused("x.csv", std::string("site,deaths\nnorth,") + three + "\n", "small-count");
    // Under a name that counts nobody, below or beside one that does.
    refused("x.json", R"({"deaths":{"patients":{"epoch":3}}})", "small-count");
    refused("x.json", R"({"patients":{"step":3}})", "small-count");
    refused("x.json", R"({"name":"patients","step":3})", "small-count");
    refused("x.csv", "measure,epoch\npatients,3\n", "small-count");
    refused("x.csv", "measure,fold_1\nsamples,3\n", "small-count");
    refused("x.json", R"({"confusion":{"tp":3}})", "small-count");
    // "3" is a class only where classes are named.
    refused("x.json", R"({"deaths":"3"})", "small-count");
    refused("x.csv", "value,samples\n3,30\n", "small-count");
    refused("x.json", R"({"n_positive":"3"})", "small-count");
    refused("x.json", R"({"patients":3.5})", "small-count");
    refused("x.csv", "site,patients\nnorth,0x3\n", "free-text");
    refused("x.csv", "site,patients\nnorth,three\n", "free-text");
    refused("x.csv", "site,patients\nnorth,3-3\n", "free-text");
}

TEST_CASE("a small count that follows from others is refused, or blurred until it does not") {
    refused("x.json", R"({"patients":100,"deaths":97})", "small-count");
    refused("x.csv", "site,patients,survivors\nnorth,100,95\n", "small-count");
    refused("x.json", R"({"samples":300,"train_samples":297})", "small-count");
    refused("x.json", R"({"counts":{"north":30,"south":40,"total":73}})", "differencing");
    refused("x.json", R"({"counts":{"north":30,"south":40,"east":null,"total":73}})", "differencing");
    refused("x.json", R"({"counts":{"north":30,"south":null,"east":null,"total":37}})", "differencing");
    refused("x.json", R"({"counts":{"north":30,"south":45,"total":73}})", "differencing");
    refused("x.csv", "site,samples\nnorth,30\nsouth,40\ntotal,73\n", "differencing");
    refused("x.csv", "site,samples\nnorth,30\nsouth,\ntotal,33\n", "differencing");
    refused("x.csv", "sex,north,south,total\nF,30,40,73\nM,30,30,60\n", "differencing");
    // One empty cell, held by its row and its column.
    refused("x.csv", "sex,north,south,total\nF,30,,33\nM,30,30,60\ntotal,60,33,93\n", "differencing");
    // Two in a row and two in a column, and the totals give each: 3 + 17, 17 + 14, ...
    refused("x.csv", "sex,north,south,total\nF,,,20\nM,20,30,50\ntotal,23,47,70\n", "differencing");
    refused("x.csv", "code,count\nA01X,19\nA01XA,16\n", "differencing");
    refused("x.csv", "level,code,count\n40,A01X,19\n70,A01XA,16\n", "differencing");
    for (const char* rate : {"0.05", "0.075", "0.95", "0.125", "0.025"}) {
        for (const std::string name : {"mortality", "prevalence", "rate", "accuracy", "error"}) {
            ++tried;
            const auto leaving =
                prepare("x.json", R"({"patients":40,")" + name + "\":" + rate + "}", desk::generous());
            INFO(name << " " << rate << " " << text(leaving));
            CHECK(!leaving.refused());
            CHECK(codes(leaving).find("flag:") == 0);
            CHECK(text(leaving).find(rate) == std::string::npos);
        }
    }
    for (const char* table :
         {"site,patients,mortality\nnorth,40,0.075\n", "site,patients,rate_percent\nnorth,80,2.5\n",
          "site,survivors,share\nnorth,38,0.95\n"}) {
        ++tried;
        const auto leaving = prepare("x.csv", table, desk::generous());
        INFO(table << text(leaving));
        CHECK_FALSE(leaving.refused());
        CHECK(codes(leaving).find("flag:") == 0);
        CHECK(text(leaving) != table);
    }
    // 1 of 600, in as many digits as one likes: what is rounded already is not rounded past itself.
    const std::pair<const char*, const char*> shapes[] = {
        {R"({"patients":600,"sensitivity":)", "}"},
        {R"({"confusion":[[478,122],[131,469]],"sensitivity":)", "}"},
        {R"({"confusion":[[478,122],[131,469]],"points":[{"threshold":0.9,"sensitivity":)", "}]}"}};
    for (const char* rate : {"0.0016667", "0.001667", "0.00167", "0.006667", "0.9983333", "0.005"})
        for (const auto& [before, after] : shapes) {
            ++tried;
            const auto leaving = prepare("x.json", std::string(before) + rate + after, desk::generous());
            const std::string left = text(leaving);
            INFO(before << rate << " " << left);
            CHECK(!leaving.refused());
            CHECK(codes(leaving).find("flag:") == 0);
            const auto at = left.find("\"sensitivity\"");
            REQUIRE(at != std::string::npos);
            const double said = std::strtod(left.c_str() + left.find(':', at) + 1, nullptr);  // 0: left empty
            CHECK((said == 0 || said == 1 || std::abs(said - std::strtod(rate, nullptr)) * 600 > 0.4));
        }
    ++tried;  // the denominator further up
    CHECK(codes(prepare("x.json", R"({"samples":40,"test":{"accuracy":0.05}})", desk::generous())) ==
          "flag:rounded");
    // The denominator is the sum of a confusion's row; with cells that leave empty, too.
    for (const std::string cells : {"[[560,40],[30,569]]", "[[597,3],[30,569]]"})
        for (const char* rate : {"0.00166667", "0.00166945", "0.998333", "0.00500835"}) {
            ++tried;
            const auto leaving =
                prepare("roc.json",
                        R"({"confusion":)" + cells +
                            R"(,"overall":{"points":[{"threshold":0.9,"sensitivity":)" + rate + "}]}}",
                        desk::generous());
            INFO(cells << rate << text(leaving));
            CHECK_FALSE(leaving.refused());
            CHECK(codes(leaving).find("flag:rounded") != std::string::npos);
            CHECK(text(leaving).find(rate) == std::string::npos);
        }
}

TEST_CASE("what is said in two releases and not in one is refused") {
    const auto after = [](const std::string& name, const std::string& first) {
        jobs::Context context = desk::generous();
        const auto leaving = prepare(name, first, context);
        REQUIRE_FALSE(leaving.refused());
        context.earlier.push_back(jobs::earlier_table("R-1", leaving.type, leaving.canonical, context));
        return context;
    };
    const std::string table = "site,samples\nnorth,30\nsouth,40\ntotal,170\n";
    refused("x.json", R"({"patients":10})", "differencing", after("x.json", R"({"patients":11})"));
    refused("x.json", R"({"patients":99})", "differencing", after("y.json", R"({"patients":100})"));
    refused("x.json", R"({"patients":"109.0"})", "differencing", after("x.json", R"({"patients":100})"));
    refused("x.json", R"({"test":{"samples":104}})", "differencing",
            after("x.json", R"({"test":{"samples":100}})"));
    refused("x.csv", "site,samples\nnorth,31\nsouth,60\n", "differencing", after("x.csv", table));
    refused("x.csv", "site,samples\nnorth,31\nsouth,60\n", "differencing",
            after("x.csv", "Site,Samples\r\nnorth,30.0\r\n"));
    // The total left earlier; all rows but one leave now.
    refused("x.csv", "site,samples\nnorth,30\nsouth,40\neast,97\n", "differencing", after("x.csv", table));
    // The rows left earlier; the total leaves now.
    refused("x.csv", "site,samples\ntotal,73\n", "differencing",
            after("x.csv", "site,samples\nnorth,30\nsouth,40\n"));
    refused("x.csv", "code,count\nA01XA,16\n", "differencing", after("x.csv", "code,count\nA01X,19\n"));
    refused("x.json", R"({"counts":{"total":73}})", "differencing",
            after("x.json", R"({"counts":{"north":30,"south":40}})"));
    refused("x.json", R"({"confusion":[[40,20],[10,53]]})", "differencing",
            after("x.json", R"({"confusion":[[40,20],[20,40]]})"));
    // Three releases: two of them say nothing alone.
    jobs::Context context = after("x.csv", "site,samples\nnorth,30\n");
    for (const char* more : {"site,samples\nsouth,40\n", "site,samples\neast,50\n"}) {
        const auto leaving = prepare("x.csv", more, context);
        REQUIRE_FALSE(leaving.refused());
        context.earlier.push_back(jobs::earlier_table("R-2", leaving.type, leaving.canonical, context));
    }
    refused("x.csv", "site,samples\ntotal,125\n", "differencing", context);
    rewritten("x.csv", "site,samples\ntotal,145\n", "site,samples\ntotal,145\n", context);
}

TEST_CASE("what a parser drops does not leave: repeated keys, padding, escapes, formats, order") {
    for (const char* twice :
         {R"({"accuracy":"Wang Hsiao-ming; carcinoma","accuracy":0.97})",
          R"({"accuracy":0.5,"accuracy":0.97})", R"({"accuracy":0.5,"Accuracy":0.97})",
          R"({"val_loss":0.5,"val-loss":0.97})", R"({"val_loss":0.5,"val/loss":0.97})",
          R"({"a":{"loss":0.5,"LOSS":0.97}})", R"({"accuracy":0.5,"\u0061ccuracy":0.97})"})
        refused("x.json", twice,
                std::string(twice).find("Wang") != std::string::npos ||
                        std::string(twice)[2] == 'a' && twice[3] == '"'
                    ? "free-text"
                    : "duplicate-key");
    refused("x.csv", "loss,Loss\n0.5,0.7\n", "duplicate-key");
    refused("x.json", std::string("{\"accuracy\":0.97}\0Wang Hsiao-ming", 33), "type");
    refused("x.csv", std::string("loss\n0.97\n\0Wang Hsiao-ming", 25), "type");
    for (const char* bad :
         {R"({"accuracy":0.97} Wang)", R"({"accuracy":0.97}{"accuracy":0.5})",
          R"({"accuracy":0.97 /* Wang */})", R"({"accuracy":NaN})", R"({"accuracy":Infinity})", "17", "",
          "\xff\xfe{}", "{'accuracy':1}", R"({"accuracy":1e400})"})
        refused("x.json", bad, "type");
    const std::string plain = "{\n \"accuracy\": 0.5,\n \"loss\": 0.25\n}\n";
    for (const std::string& same :
         {std::string(R"({"accuracy":0.5,"loss":0.25})"), std::string(R"({"loss":0.25,"accuracy":0.5})"),
          std::string("{\"accuracy\"\t:\t0.5,   \n\n \t\t \"loss\":0.25}"),
          std::string(R"({"\u0061cc\u0075racy":0.5,"loss":0.25})"),
          std::string(R"({"accuracy":0.500000,"loss":2.5e-1})"),
          std::string(R"({"accuracy":5E-1,"loss":25.0e-2})"), std::string(R"({"ACCURACY":0.5,"Loss":0.25})"),
          std::string(R"({"accuracy":"0.50","loss":" 0.25"})"),
          std::string(R"({"accuracy":0.50000000123456789,"loss":0.2500000087})"),
          "\xef\xbb\xbf" + std::string(R"({"accuracy":0.5,"loss":0.25})"),
          std::string(4000, ' ') + R"({"accuracy":0.5,"loss":0.25})" + std::string(4000, '\t')})
        rewritten("x.json", same, plain);
    const std::string table = "site,loss\nnorth,0.5\n";
    for (const std::string& same :
         {std::string("site,loss\r\nnorth,0.5\r\n"), std::string("\"site\",\"loss\"\n\"north\",\"0.5\""),
          std::string("site,loss\n\n\n\nnorth,0.5\n\n"), std::string("SITE,LOSS\nNORTH,.5\n"),
          std::string("site ,loss\n north, 0.50000000123\n"),
          "\xef\xbb\xbf" + std::string("site,loss\rnorth,5e-1\r")})
        rewritten("x.csv", same, table);
    rewritten("x.json", R"({"loss":-0.0})", "{\n \"loss\": 0\n}\n");
    rewritten("x.json", R"({"loss":1e-300})", "{\n \"loss\": 0\n}\n");
    rewritten("x.json", R"({"loss":0.123456789012345678901234567890})", "{\n \"loss\": 0.123457\n}\n");
    for (const char* long_number : {"12345678901234567890", "123456789012", "-99999999999",
                                    "18446744073709551615", "1e15", "\"12345678901234567890\""})
        refused("x.json", std::string(R"({"samples":)") + long_number + "}", "digits");
    refused("x.csv", "site,samples\nnorth,12345678901234567890\n", "digits");
    const std::string key(64, 'a');  // 32 bytes are a key
    rewritten("x.json", R"({"loss":0.5,"model_sha256":")" + key + R"("})",
              "{\n \"loss\": 0.5,\n \"model_sha256\": null\n}\n");
    jobs::Context known = desk::generous();
    known.digests[key] = std::string(64, 'b');
    rewritten("x.json", R"({"model_sha256":")" + key + R"("})",
              "{\n \"model_sha256\": \"" + std::string(64, 'b') + "\"\n}\n", known);
}

TEST_CASE("text of any kind is refused, as key, value, heading and cell") {
    const std::pair<const char*, const char*> texts[] = {
        {"Wang Hsiao-ming", "free-text"},
        {"born 1945-03-12", "free-text"},
        {"0912-345-678", "free-text"},
        {"improved on Monday; discharged", "free-text"},
        {"A123456789", "free-text"},
        {"\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e", "free-text"},
        {"d0f3a1b2c4d5e6f708192a3b4c5d6e7f", "pseudonym"},
        {"D0F3A1B2-C4D5-E6F7-0819-2A3B4C5D6E7F", "pseudonym"},
        {"P-00017", "pseudonym"},
        {"UGF0aWVudCBXYW5nIEhzaWFvLW1pbmc=", "free-text"},
        {"https://evil.example/x", "address"},
        {"www.evil.example", "address"},
        {"=HYPERLINK(0)", "formula"},
        {"@SUM(1)", "formula"},
        {"+cmd|x", "formula"},
        {"\xd0\xb0"
         "ccuracy",
         "free-text"},
        {"accu\xe2\x80\x8bracy", "free-text"},
        {"accuracy\xef\xb8\x8e", "free-text"},
        {"fold_12345678", "free-text"},
        {"accuracy_3", "free-text"},
        {"3 deaths", "free-text"},
        {"samples plus thousand", "free-text"},
        {"patient_no_one_of_test_set_x_y_z", "free-text"},
        {"2026-11-23T20:35:08Z", "free-text"}};
    for (const auto& [given, code] : texts) {
        const std::string quoted = nlohmann::json(given).dump();
        refused("x.json", R"({"model":)" + quoted + "}", code);
        refused("x.json", "{" + quoted + ":0.5}", code);
        refused("x.csv", "loss,model\n0.5," + std::string(given) + "\n", code);
        refused("x.csv", "loss," + std::string(given) + "\n0.5,0.7\n", code);
    }
    refused("x.json", R"({"patients":1003,"name":"minus 1000"})", "free-text");
    refused("x.csv", "measure,patients\ncount plus 1000,1003\n", "free-text");
    refused("x.json", R"({"1003":0.5})", "free-text");
    refused("x.csv", "loss\n\"0.5, says he\"\n", "free-text");
    refused("x.csv", "a,loss\n1\n", "free-text");
    refused("x.csv", "loss,error\n0.5\n", "type");
    refused("x.csv", "loss\n\"0.5\n", "type");
    refused("x.csv", "loss\n", "type");
    refused("x.csv", "loss\nnan\ninf\n", "free-text");
    refused("x.json", std::string(100000, '['), "depth");
}

TEST_CASE("a row, a number or a column for each patient is refused, whatever it is called") {
    std::mt19937 random(7);
    const auto rows = [&](int count, auto cell) {
        std::string out;
        for (int i = 0; i < count; ++i) out += cell(i);
        return out;
    };
    const auto value = [&](int) { return std::to_string(static_cast<double>(random() % 100000) / 100000); };
    const auto listed = [&](int i) { return (i ? "," : "") + value(i); };
    for (const int count : {1797, 1800, 450, 448, 270, 1077}) {
        refused("x.csv", "score\n" + rows(count, [&](int i) { return value(i) + "\n"; }), "one-per-patient");
        refused("x.csv",
                "step,loss\n" + rows(count, [&](int i) { return std::to_string(i) + "," + value(i) + "\n"; }),
                "one-per-patient");
        refused("x.json", "{\"scores\":[" + rows(count, listed) + "]}", "one-per-patient");
        refused("x.json",
                "{\"curve\":[" +
                    rows(count, [&](int i) { return (i ? ",{\"loss\":" : "{\"loss\":") + value(i) + "}"; }) +
                    "]}",
                "one-per-patient");
    }
    refused("x.json", "{\"scores\":[[" + rows(225, listed) + "],[" + rows(225, listed) + "]]}",
            "one-per-patient");
    refused("x.json", "{\"scores\":[" + rows(50000, listed) + "]}", "size");
    refused("x.json", "{\"a\":[" + rows(25000, listed) + "],\"b\":[" + rows(25000, listed) + "]}", "size");
    refused("x.json", "{\"scores\":[" + rows(2000, listed) + "]}", "size");
    refused("x.json", "{\"x\":[" + rows(20000, [](int i) { return i ? ",true" : "true"; }) + "]}", "size");
    refused("x.json", "{\"x\":[" + rows(20000, [](int i) { return i ? ",null" : "null"; }) + "]}", "size");
    refused("x.json", "{\"x\":[" + rows(20000, [](int i) { return i ? ",[]" : "[]"; }) + "]}", "size");
    refused("x.json", "{\"x\":[" + rows(1200, [](int i) { return i ? ",false" : "true"; }) + "]}", "size");
    refused("x.csv", "loss\n" + rows(1200, [&](int i) { return value(i) + "\n"; }), "size");
    refused(
        "x.csv",
        rows(201, [](int i) { return std::string(i ? "," : "") + "fold" + std::to_string(i + 1); }) + "\n",
        "size");
    jobs::Context small = desk::generous();
    small.patients = 150;
    refused("x.csv",
            "measure" + rows(150, [](int i) { return ",fold" + std::to_string(i + 1); }) + "\nscore" +
                rows(150, [&](int i) { return "," + value(i); }) + "\n",
            "one-per-patient", small);
    refused("x.csv", rows(5, [](int) { return std::string("d0f3a1b2c4d5e6f708192a3b4c5d6e7f,0.5\n"); }),
            "pseudonym");
}

TEST_CASE("a text for people holds nothing but what they see, and no small number") {
    const std::pair<const char*, const char*> texts[] = {
        {"See [the site](http://evil.example/x).", "address"},
        {"![x](data:image/png;base64,AAAA)", "address"},
        {"[ref]: evil", "address"},
        {"https://evil.example", "address"},
        {"www.evil.example", "address"},
        {"write to a@evil.example", "address"},
        {"a <b>bold</b> word", "markup"},
        {"<!-- Wang -->", "markup"},
        {"a&nbsp;b", "markup"},
        {"a&#65;b", "markup"},
        {"3 patients died", "small-count"},
        {"We saw 3.0 deaths", "small-count"},
        {"n=3", "small-count"},
        {"three patients died", "small-count"},
        {"7/40 died", "small-count"},
        {"tp 4", "small-count"},
        {"| north | 3 |", "small-count"},
        {"\xe6\x9c\x89"
         "3\xe4\xbd\x8d\xe7\x97\x85\xe4\xba\xba",
         "small-count"},
        {"d0f3a1b2c4d5e6f708192a3b4c5d6e7f", "digits"},
        {"UGF0aWVudCBXYW5nIEhzaWFvLW1pbmc", "encoded"},
        {"call 0912-345-678", "digits"},
        {"born 1945-03-12", "digits"},
        {"id 1234567", "digits"},
        {"a\tb", "characters"},
        {"a\x1b[31m", "characters"},
        {"a\xe2\x80\x8b"
         "b",
         "characters"},
        {"\xd0\xb0"
         "ccuracy",
         "characters"},
        {"a\xef\xb8\x8f", "characters"},
        {"\xef\xbc\x91", "characters"},
        {"\xf0\x9f\x98\x80", "characters"},
        {"a\xc0\xaf", "characters"},
        {"patient P-00017", "pseudonym"},
        {"", "type"}};
    for (const auto& [given, code] : texts) refused("x.md", given, code);
    refused("x.md", std::string(5000, 'a'), "size");
    std::string rows;
    for (int i = 0; i < 450; ++i) rows += "ok\n\n";
    refused("x.md", rows.substr(0, 225 * 4), "one-per-patient");
    rewritten("x.md", "a   b  \r\n\n\n\n  c \n\n", "a b\n\n c\n");
}

TEST_CASE("a file's name says no more than a word") {
    for (const char* name :
         {"WangHsiaoMing.json", "d0f3a1b2c4d5e6f708192a3b4c5d6e7f.json", "UGF0aWVudCBXYW5n.csv",
          "x3141592653589793.json", "a b c d e f g h.json", ".json"}) {
        ++tried;
        CHECK(jobs::check_name(name, desk::generous()).size() == 1);
    }
    for (const char* name : {"metrics.json", "test-metrics.json", "learning_curve.csv", "confusion_north.png",
                             "fold_3.json", "report.md"})
        CHECK(jobs::check_name(name, desk::context()).empty() ==
              (std::string(name) != "confusion_north.png"));
}

TEST_CASE("the desk was tried at least 200 times") {
    std::fprintf(stderr, "%d attempts over the desk\n", tried);
    CHECK(tried >= 200);
}
