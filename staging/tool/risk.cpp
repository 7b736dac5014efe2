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
    if (!request.rules.empty() || !request.files.population.empty() ||
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
              {"suppressed", policy.suppress},
              {"holds", all.patients_below == 0 || policy.suppress}};
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
    if (policy.suppress && found.kept.groups) {
        json["after"] = {{"patients", found.kept.patients},
                         {"groups", found.kept.groups},
                         {"smallest_group", found.kept.smallest_group}};
        add_attack(json["after"], found.on_kept);
    }
    return json;
}

}  // namespace

Json judge_risk(const RiskRequest& request, const Readers& readers, const core::Comm* comm) {
    if (std::filesystem::is_directory(request.files.table)) return of_version(request);
    if (request.rules.empty())
        throw core::Error(core::Fault::usage,
                          "--rules: missing; what the table's columns are, and what its patients must hold "
                          "(configs/risk/table.toml)");
    TableRules rules;
    JudgedTable table;
    const auto read = [&] {
        rules = TableRules::load(request.rules);
        table = read_judged(readers, request.files, rules, comm ? comm->rank() : 0, comm ? comm->size() : 1);
    };
    std::unique_ptr<Parts> parts = std::make_unique<Parts>();
    if (comm) {
        core::together(*comm, read);
        parts = std::make_unique<RankParts>(*comm, Options().exchange_bytes);
    } else {
        read();
    }
    const RiskPolicy& policy = rules.risk;
    const Closeness all(count_categories(table.patients, table.categories, *parts), policy.distance);
    std::int64_t in_several_cells[] = {table.in_several_cells};
    parts->sum(in_several_cells);
    const auto judge_at = [&](const Levels& levels) {
        return judge(table.patients, table.quasi, levels, policy, all,
                     table.population ? &*table.population : nullptr,
                     table.people_of_register ? &*table.people_of_register : nullptr, *parts);
    };
    Findings found = judge_at(Levels(table.quasi.size(), 0));
    if (!policy.generalises()) return record_of(rules, table, in_several_cells[0], found);
    const GroupTotals before = found.all;
    const auto least = least_loss(table.patients, table.quasi, policy, all, *parts);
    if (least) found = judge_at(least->levels);
    Json json = record_of(rules, table, in_several_cells[0], found);
    if (!least) {
        json["holds"] = false;
        json["suppressed"] = false;
        json.erase("after");
        json["generalisation"] = {{"impossible", true}};
        return json;
    }
    json["generalisation"] = generalisation_record(table.quasi, *least, before);
    return json;
}

void print_risk(std::ostream& out, const Json& risk) {
    for (const std::string& sentence : risk_words(risk)) out << sentence << '\n';
}

}  // namespace staging
