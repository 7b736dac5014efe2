#include "trainer/engine/hold_out.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "trainer/engine/labels.h"
#include "trainer/made_world.h"

using namespace trainer;
using Catch::Contains;
using core::Comm;

namespace {

// Two samples a patient, each of a site and a split of its own: patients are at both, and in several splits.
struct World : MadeWorld {
    World() : MadeWorld(made::images(), {90, 24, 46}) {}
    Recipe recipe(const std::string& more) const { return MadeWorld::recipe("[evaluate]\n" + more); }
    void hold(const std::string& more) { hold_out(*dataset, recipe(more), comm); }
    // As a run does before its first step.
    void begin(const std::string& more) {
        const Recipe whole = MadeWorld::recipe("[data]\nmissing_label = \"leave_out\"\n[evaluate]\n" + more);
        hold_out(*dataset, whole, comm);
        settle_labels(*dataset, *make_task(whole.task, dataset->schema()), whole,
                      {"train", "validation", "test"}, comm);
        check_held_out(*dataset, whole, comm);
    }

    std::vector<std::int64_t> numbers(const char* split) const { return dataset->numbers(split).integers; }
    std::vector<core::Id16> patients(const char* split) const {
        return dataset->column("patient", split).ids;
    }
    std::vector<std::int32_t> sites(const char* split) const { return dataset->column("site", split).codes; }
};

std::set<core::Id16> set_of(const std::vector<core::Id16>& ids) {
    return {ids.begin(), ids.end()};
}

}  // namespace

TEST_CASE("of a site that is held out all is judged, and nothing of its patients is trained on") {
    World world;
    std::set<std::int64_t> south, others;  // by their numbers, as they stand in the dataset
    std::set<core::Id16> at_south;
    for (const char* split : {"train", "validation", "test"}) {
        const auto numbers = world.numbers(split);
        const auto sites = world.sites(split);
        const auto patients = world.patients(split);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            if (sites[i] == 1) at_south.insert(patients[i]);
            if (sites[i] == 1)
                south.insert(numbers[i]);
            else if (std::string(split) == "test")
                others.insert(numbers[i]);
        }
    }
    world.open("data");
    world.hold("[hold_out]\ncolumn = \"site\"\nvalue = \"south\"\n");
    std::set<std::int64_t> judged = south;
    judged.insert(others.begin(), others.end());
    const auto test = world.numbers("test");
    CHECK(std::set<std::int64_t>(test.begin(), test.end()) == judged);
    CHECK(test.size() == judged.size());
    for (const char* split : {"train", "validation"}) {
        CHECK(world.numbers(split).size() > 5);
        for (const std::int32_t site : world.sites(split)) CHECK(site == 0);
        for (const core::Id16& patient : world.patients(split)) CHECK(!at_south.contains(patient));
    }
    const auto stratum = held_out_stratum(*world.dataset, {"site", "south", 0, 0, 1});
    CHECK(stratum.values == std::vector<std::string>{"south", "not south"});
    const auto sites = world.sites("test");
    for (std::size_t i = 0; i < sites.size(); ++i) CHECK((stratum.code[i] == 0) == (sites[i] == 1));
}

TEST_CASE("nobody of whom it is not known whether they are held out is trained on or judged") {
    World world;
    const core::Schema schema = made::images();
    const std::size_t patient = schema.column("patient"), site = schema.column("site");
    world.make("unsure", schema, 160, [&](core::Sample& sample, std::int64_t i) {
        if (i % 10 == 3) sample.columns[site] = {};
        if (i % 10 == 6) sample.columns[patient] = core::Id16{};
    });
    const auto last_digits = [&](const std::string& held) {
        world.open("unsure");
        world.hold(held);
        std::set<std::int64_t> digits;
        for (const char* split : {"train", "validation", "test"})
            for (const std::int64_t number : world.numbers(split)) digits.insert(number % 10);
        return digits;
    };
    CHECK(last_digits("[hold_out]\ncolumn = \"site\"\nvalue = \"south\"\n") ==
          std::set<std::int64_t>{0, 1, 2, 4, 5, 7, 8, 9});
    CHECK(last_digits("min_stratum = 5\n[hold_out]\nfolds = 3\nfold = 0\n") ==
          std::set<std::int64_t>{0, 1, 2, 3, 4, 5, 7, 8, 9});
}

TEST_CASE("folds share no patient, are of one size, and each patient is judged once") {
    World world;
    const auto for_training = [&] {
        auto out = set_of(world.patients("train"));
        out.merge(set_of(world.patients("validation")));
        return out;
    }();
    std::map<core::Id16, int> judged;
    std::vector<std::size_t> sizes;
    for (int fold = 0; fold < 4; ++fold) {
        world.open("data");
        world.hold("min_stratum = 5\n[hold_out]\nfolds = 4\nfold = " + std::to_string(fold) + "\nseed = 7\n");
        const auto test = set_of(world.patients("test")), validation = set_of(world.patients("validation")),
                   train = set_of(world.patients("train"));
        for (const auto& patient : test) {
            ++judged[patient];
            CHECK(!train.contains(patient));
            CHECK(!validation.contains(patient));
        }
        for (const auto& patient : validation) CHECK(!train.contains(patient));
        CHECK(test.size() + validation.size() + train.size() == for_training.size());
        sizes.push_back(test.size());
    }
    CHECK(judged.size() == for_training.size());
    for (const auto& [patient, times] : judged) CHECK(times == 1);
    CHECK(*std::max_element(sizes.begin(), sizes.end()) - *std::min_element(sizes.begin(), sizes.end()) <= 1);
}

TEST_CASE("the same folds on any number of ranks, others of another seed") {
    const auto test = [](const char* seed, MPI_Comm ranks) {
        World world;
        const Comm comm(ranks);
        hold_out(
            *world.dataset,
            world.recipe(std::string("min_stratum = 5\n[hold_out]\nfolds = 3\nfold = 1\nseed = ") + seed),
            comm);
        return world.numbers("test");
    };
    const auto whole = test("1", MPI_COMM_WORLD);
    CHECK(whole == test("1", MPI_COMM_SELF));
    CHECK(whole != test("2", MPI_COMM_SELF));
}

TEST_CASE("what cannot be held out is refused on every rank") {
    World world;
    const auto refused = [&](const std::string& more, const char* why) {
        world.open("data");
        CHECK_THROWS_WITH(world.hold(more), Contains(why));
    };
    refused("[hold_out]\ncolumn = \"site\"\nvalue = \"east\"\n", "none of the column's");
    refused("[hold_out]\ncolumn = \"day\"\nvalue = \"1\"\n", "no category");
    refused("[hold_out]\ncolumn = \"split\"\nvalue = \"test\"\n", "no category");
    refused("[hold_out]\nfolds = 3\nfold = 3\n", "hold_out.folds");
    refused("split = \"validation\"\n[hold_out]\nfolds = 3\nfold = 0\n", "expected \"test\"");
}

TEST_CASE(
    "patients count who have a label: fewer than min_stratum are neither judged, chosen by nor trained on") {
    World world;
    const core::Schema schema = made::images();
    const std::size_t label = schema.column("label"), site = schema.column("site"),
                      split = schema.column("split");
    const std::vector<std::string> splits{"train", "validation", "test"};
    // 120 patients, 20 of each site and split, of whom these have a label.
    const auto make = [&](std::int64_t labelled, const std::string& of_site, const std::string& of_split) {
        static int number = 0;
        const std::string name = "few-" + std::to_string(number++);
        world.make(name.c_str(), schema, 240, [&](core::Sample& sample, std::int64_t i) {
            const std::int64_t patient = i / 2;
            const std::string at = patient % 2 ? "south" : "north", in = splits[(patient / 2) % 3];
            sample.columns[site] = at;
            sample.columns[split] = in;
            const bool is_of = (of_site.empty() || of_site == at) && (of_split.empty() || of_split == in);
            if (is_of && patient / 6 >= labelled) sample.columns[label] = {};
        });
    };
    const std::string value = "[hold_out]\ncolumn = \"site\"\nvalue = \"south\"\n",
                      fold = "[hold_out]\nfolds = 4\nfold = 1\n";
    const auto refused = [&](std::int64_t labelled, const std::string& of_site, const std::string& of_split,
                             const std::string& held, const std::string& why) {
        make(labelled, of_site, of_split);
        CHECK_THROWS_WITH(world.begin(held), Contains(why) && Contains("evaluate.min_stratum"));
    };
    const auto taken = [&](std::int64_t labelled, const std::string& of_site, const std::string& of_split,
                           const std::string& held) {
        make(labelled, of_site, of_split);
        CHECK_NOTHROW(world.begin(held));
    };
    refused(3, "south", "", value, "of that value");  // 9 of 60, each with two samples
    taken(4, "south", "", value);
    refused(9, "north", "test", value, "to compare with");
    taken(10, "north", "test", value);
    refused(9, "north", "train", value, "left to train on");
    taken(10, "north", "train", value);
    refused(9, "north", "validation", value, "left for validation");
    refused(0, "north", "validation", value, "left for validation");
    taken(10, "north", "validation", value);
    taken(20, "", "", fold);                              // 20 of 80 in a fold
    refused(4, "", "", fold, "a fold would have fewer");  // some 4
    taken(20, "", "", "min_stratum = 20\n" + fold);
    refused(20, "", "", "min_stratum = 21\n" + fold, "a fold would have fewer");
}

TEST_CASE("another seed, fold or value is another run; a study is not") {
    World world;
    const auto identity = [&](const std::string& more) { return world.recipe(more).identity(""); };
    const std::set<std::string> all{identity(""),
                                    identity("[hold_out]\ncolumn = \"site\"\nvalue = \"south\"\n"),
                                    identity("[hold_out]\ncolumn = \"site\"\nvalue = \"north\"\n"),
                                    identity("[hold_out]\nfolds = 3\nfold = 0\n"),
                                    identity("[hold_out]\nfolds = 3\nfold = 1\n"),
                                    identity("[hold_out]\nfolds = 3\nfold = 1\nseed = 2\n")};
    CHECK(all.size() == 6);
    CHECK(identity("") == identity("[study]\nfolds = 5\n"));
}
