#include "staging/tool/risk.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "core/shard/version.h"
#include "staging/pool/parts.h"
#include "staging/report/risk_words.h"
#include "staging/report/summary.h"
#include "staging/tool/report.h"
#include "staging/work/options.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

Json of_version(const RiskRequest& request) {
    if ((!request.rules.empty() && request.others.none()) || !request.files.population.empty() ||
        !request.files.people_of_register.empty())
        throw core::Error(
            core::Fault::usage,
            "a version was judged by its profile when it was built: --rules, --population and --register "
            "are of tables");
    const std::filesystem::path& dir = request.files.table;
    if (std::filesystem::exists(dir / "reports/quality.json")) return read_report(dir).at("risk");
    return core::open_manifest(dir, {}, core::Seal::optional).risk;  // small counts are rounded
}

void add_attack(Json& json, const Attack& attack) {
    json["prosecutor_risk_max"] = attack.prosecutor_max;
    json["journalist_risk_max"] = attack.journalist_max;
    json["marketer_risk"] = attack.marketer;
}

// The table as it lies.
Json record_of(const TableRules& rules, const JudgedTable& table, std::int64_t in_several_cells,
               const Findings& found) {
    const RiskPolicy& policy = rules.risk;
    const GroupTotals& all = found.all;
    Json json{{"rows", table.rows},
              {"quasi_identifiers", policy.quasi_identifiers},
              {"unit", rules.patient.empty() ? "row: each is taken for another patient"
                                             : "patient: the set of the cells of all its rows"},
              {"k", policy.k},
              {"patients", all.patients},
              {"patients_in_several_cells", in_several_cells},
              {"groups", all.groups},
              {"smallest_group", all.groups ? all.smallest_group : 0},
              {"patients_alone", all.alone},
              {"patients_below_k", all.patients_below},
              {"suppressed", false},
              {"holds", all.patients_below == 0},
              {"would_suppress", policy.suppress}};
    if (all.groups) {
        add_attack(json, found.on_all);
        json["patients_at_risk"] =
            static_cast<double>(all.patients_below) / static_cast<double>(all.patients);
    }
    if (!policy.sensitive.empty() && all.groups)
        json["sensitive"] = sensitive_record(policy, all.fewest_categories, all.least_entropy_l,
                                             all.greatest_ratio, all.greatest_distance);
    if (table.population) json["population"] = {{"patients_it_lacks", found.on_all.not_in_population}};
    if (table.people_of_register)
        json["presence"] = {{"least", found.on_all.presence_min}, {"most", found.on_all.presence_max}};
    return json;
}

// What the rules would leave of it.
void add_after(Json& json, const Findings& found) {
    json["would_hold"] = json.at("holds").get<bool>() || found.kept.groups > 0;
    json["after"] = {{"patients", found.kept.patients},
                     {"groups", found.kept.groups},
                     {"smallest_group", found.kept.groups ? found.kept.smallest_group : 0}};
    if (found.kept.groups) add_attack(json["after"], found.on_kept);
}

Json judge_table(const TableRules& rules, const JudgedTable& table, const Parts& parts,
                 const core::Comm* comm) {
    const RiskPolicy& policy = rules.risk;
    const std::vector<std::int64_t> categories = count_categories(table.patients, table.categories, parts);
    Closeness all;
    const auto measure_all = [&] {
        all = Closeness(categories, policy.distance, kMissing, table.categories - 1);
    };
    comm ? core::together(*comm, measure_all) : measure_all();
    std::int64_t in_several_cells[] = {table.in_several_cells};
    parts.sum(in_several_cells);
    const auto judge_at = [&](const Levels& levels) {
        return judge(table.patients, table.quasi, levels, policy, all,
                     table.population ? &*table.population : nullptr,
                     table.people_of_register ? &*table.people_of_register : nullptr, parts);
    };
    const Findings found = judge_at(Levels(table.quasi.size(), 0));
    Json json = record_of(rules, table, in_several_cells[0], found);
    json["would_hold"] = json.at("holds");
    if (!policy.generalises()) {
        if (policy.suppress) add_after(json, found);
        return json;
    }
    const auto [least, are_all_tried] = least_loss(table.patients, table.quasi, policy, all, parts);
    if (!least && are_all_tried)
        json["generalisation"] = {{"impossible", true}};
    else if (!least)
        json["generalisation"] = {{"not_found_in_steps", policy.most_steps}};
    if (!least) return json;
    json["generalisation"] = generalisation_record(table.quasi, *least, found.all);
    add_after(json, judge_at(least->levels));
    return json;
}

}  // namespace

Json judge_risk(const RiskRequest& request, const Readers& readers, const core::Comm* comm) {
    if (request.others.none() && (!request.others.rules.empty() || !request.others.keys.empty()))
        throw core::Error(core::Fault::usage,
                          "--with: missing; --with-rules and --keys are of what it names");
    std::unique_ptr<Parts> parts = std::make_unique<Parts>();
    if (comm) parts = std::make_unique<RankParts>(*comm, Options().exchange_bytes);
    if (std::filesystem::is_directory(request.files.table)) {
        Json json;
        const auto read_report = [&] { json = of_version(request); };
        comm ? core::together(*comm, read_report) : read_report();
        if (!request.others.none())
            json["linked"] = link_versions(request.files.table, request.rules, request.others, *parts, comm);
        return json;
    }
    if (request.rules.empty())
        throw core::Error(core::Fault::usage,
                          "--rules: missing; what the table's columns are, and what its patients must hold "
                          "(configs/risk/table.toml)");
    TableRules rules;
    JudgedTable table;
    const auto read = [&] {
        rules = TableRules::load(request.rules);
        TableFiles files = request.files;
        files.keep_whose = !request.others.none();
        table = read_judged(readers, files, rules, comm ? comm->rank() : 0, comm ? comm->size() : 1);
    };
    comm ? core::together(*comm, read) : read();
    Json json = judge_table(rules, table, *parts, comm);
    if (!request.others.none())
        json["linked"] = link_tables({&rules, &table}, request.rules, request.others, readers, *parts, comm);
    return json;
}

bool holds(const Json& risk) {
    if (risk.contains("linked") && !risk.at("linked").at("holds").get<bool>()) return false;
    if (risk.contains("holds")) return risk.at("holds").get<bool>();
    return risk.at("suppressed").get<bool>() || risk.at("patients_below_k") == 0;
}

void print_risk(std::ostream& out, const Json& risk) {
    for (const std::string& sentence : risk_words(risk)) out << sentence << '\n';
}

}  // namespace staging
