#include "trainer/engine/resample.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

using namespace trainer;
using core::Comm;

namespace {

// Of patients with one to three samples, at three sites.
Predictions made(unsigned seed, std::size_t classes) {
    std::mt19937 random(seed);
    Predictions p;
    Predictions::Stratum site{"site", {"a", "b", "c"}, {}};
    for (std::size_t c = 0; c < classes; ++c) p.classes.push_back("class " + std::to_string(c));
    for (std::uint64_t patient = 0; patient < 120; ++patient)
        for (unsigned sample = 0; sample <= patient % 3; ++sample) {
            p.label.push_back(static_cast<std::int32_t>(patient % classes));
            std::vector<float> row;
            float sum = 0;
            for (std::size_t c = 0; c < classes; ++c) {
                row.push_back(static_cast<float>(1 + random() % 100) +
                              (c == patient % classes ? 40.0F : 0.0F));
                sum += row.back();
            }
            for (const float each : row) p.probability.push_back(each / sum);
            p.patient.push_back(patient * 0x9E3779B97F4A7C15u);
            site.code.push_back(static_cast<std::int32_t>(patient / 40));
        }
    p.strata = {site};
    return p;
}

}  // namespace

TEST_CASE("a report by all ranks is that of one, to the bit") {
    const Comm comm(MPI_COMM_WORLD);
    const std::size_t classes = GENERATE(2u, 4u);
    const std::int64_t rounds = GENERATE(0, 1, 3, 50);
    EvaluateOptions options;
    options.strata = {"site"};
    options.bootstrap = rounds;
    options.score = "auroc";
    if (classes == 2) options.points = {parse_point("0.5"), parse_point("sensitivity >= 0.9")};
    const Predictions all = made(1, classes), validation = made(2, classes), none;
    const bool root = comm.is_root();
    const auto mine = report_by_ranks(root ? all : none, root ? &validation : nullptr, options, comm, {});
    CHECK(mine.has_value());
    if (mine && root) CHECK(mine->dump() == report(all, options, &validation).dump());
    if (mine && !root) CHECK(mine->is_null());
}

TEST_CASE("an evaluation that is left off ends on all ranks, after the same resampling") {
    const Comm comm(MPI_COMM_WORLD);
    const Predictions all = made(1, 2), none;
    int asked = 0;
    EvaluateOptions options;
    options.bootstrap = 100;
    CHECK_FALSE(report_by_ranks(comm.is_root() ? all : none, nullptr, options, comm, [&](bool) {
                    return ++asked < 5;
                }).has_value());
    CHECK(asked == 5);
}

TEST_CASE("what rank 0 cannot report every rank is told") {
    const Comm comm(MPI_COMM_WORLD);
    EvaluateOptions options;
    CHECK_THROWS_AS(report_by_ranks({}, nullptr, options, comm, {}), core::AgreedError);
    options.positive = "nobody";
    const Predictions all = made(1, 2), none;
    CHECK_THROWS_AS(report_by_ranks(comm.is_root() ? all : none, nullptr, options, comm, {}),
                    core::AgreedError);
}
