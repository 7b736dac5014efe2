#include "staging/tool/linked.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"
#include "staging/deid/identity.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;
using Json = nlohmann::ordered_json;

// Values of sensitive columns: a number for each column and value, the same in all releases and on all ranks.
class ValueNumbers {
public:
    std::uint32_t of(const std::string& column, const std::string& value) {
        const auto next = static_cast<std::uint32_t>(numbers_.size() + 1);
        return numbers_.try_emplace({column, value}, next).first->second;
    }

private:
    std::map<std::pair<std::string, std::string>, std::uint32_t> numbers_;
};

struct Named {
    std::string name;
    std::string sensitive;  // column; empty: none
};

void require_values(const std::vector<Named>& names, const LinkPolicy& policy) {
    if (policy.by != LinkedBy::columns) return;
    for (const Named& one : names)
        if (one.sensitive.empty() || one.sensitive != names[0].sensitive)
            throw Error(
                Fault::usage,
                "linked.by: by columns nothing is learned but what the values of one sensitive column "
                "have in common: name the same `sensitive` for all of them");
}

Json record_of(const LinkFigures& figures) {
    Json out{{"patients", figures.patients},
             {"smallest_group", figures.smallest_group},
             {"patients_alone", figures.alone},
             {"patients_below", figures.below},
             {"values_sure", figures.sure}};
    if (figures.patients == 0) return out;
    out["prosecutor_risk_max"] = 1 / static_cast<double>(figures.smallest_group);
    out["prosecutor_risk_mean"] = figures.prosecutor_mean;
    return out;
}

Json record_of(const Linked& linked, const std::vector<Named>& names, const LinkPolicy& policy) {
    Json out{{"by", policy.by == LinkedBy::columns ? "columns" : "identifiers"},
             {"k", policy.k},
             {"l", policy.l},
             {"most_below", policy.most_below},
             {"releases", Json::array()}};
    for (std::size_t i = 0; i < names.size(); ++i) {
        Json one{{"release", names[i].name}};
        if (!names[i].sensitive.empty()) one["sensitive"] = names[i].sensitive;
        one.update(record_of(linked.each[i]));
        out["releases"].push_back(std::move(one));
    }
    out["together"] = record_of(linked.together);
    out["patients_in_all"] = linked.in_all;
    out["only_together"] = {{"patients_below", linked.newly_below},
                            {"of_them_not_in_all", linked.newly_below_not_in_all},
                            {"values_sure", linked.newly_sure}};
    out["holds"] = linked.holds(policy);
    return out;
}

void together(const core::Comm* comm, const std::function<void()>& work) {
    comm ? core::together(*comm, work) : work();
}

Release release_of(const TableRules& rules, JudgedTable& table, ValueNumbers& numbers) {
    Release out;
    out.patients = std::move(table.patients);
    out.whose = std::move(table.whose);
    out.has_values = !rules.risk.sensitive.empty();
    for (const std::string& value : table.values)
        out.values.push_back(value.empty() ? kMissing : numbers.of(rules.risk.sensitive, value));
    out.values.resize(table.categories, kMissing);
    return out;
}

// A version's samples, as far as they tell whose they are.
class VersionReading {
public:
    VersionReading(const std::filesystem::path& dir, const std::filesystem::path& keys)
        : version_(dir, {}, core::Seal::optional),
          key_(core::SecretKey::load(keys / (version_.manifest().id() + ".key"))) {
        version_.authenticate(key_);
        const Json& risk = version_.manifest().risk;
        try {
            policy_.k = risk.at("k").get<std::int64_t>();
            for (const Json& name : risk.at("quasi_identifiers"))
                quasi_.push_back(version_.manifest().schema.column(name.get<std::string>()));
            if (risk.contains("sensitive")) {
                named_.sensitive = risk.at("sensitive").at("column").get<std::string>();
                policy_.l = risk.at("sensitive").at("l").get<std::int64_t>();
            }
            pseudonym_key_ = version_.manifest().deidentification.at("pseudonym_key_id").get<std::string>();
        } catch (const Json::exception&) {
            throw Error(Fault::data,
                        dir.string() + "/manifest.json does not say what its risk was judged by");
        }
        named_.name = version_.manifest().id();
    }

    const Named& named() const noexcept { return named_; }
    const LinkPolicy& policy() const noexcept { return policy_; }
    const std::string& pseudonym_key() const noexcept { return pseudonym_key_; }

    Release read(int part, int parts, ValueNumbers& numbers) const {
        const core::Schema& schema = version_.manifest().schema;
        const std::size_t patient = schema.column("patient");
        std::optional<std::size_t> sensitive;
        Release out;
        out.values.push_back(kMissing);
        out.has_values = !named_.sensitive.empty();
        if (out.has_values) {
            sensitive = schema.column(named_.sensitive);
            for (const std::string& name : schema.columns[*sensitive].names)
                out.values.push_back(numbers.of(named_.sensitive, name));
        }
        const auto several = static_cast<std::uint32_t>(out.values.size());
        out.values.push_back(kMissing);

        std::vector<Row> rows;
        for (std::int64_t number = 0; number < version_.shards(); ++number) {
            const core::ShardReader shard(version_.shard_path(number), version_.shard(number), schema,
                                          version_.manifest().id(), number, key_);
            const std::vector<core::Id16> whose = shard.column(patient).ids;
            std::vector<core::ColumnData> quasi;
            for (const std::size_t column : quasi_) quasi.push_back(shard.column(column));
            const std::vector<std::int32_t> codes =
                sensitive ? shard.column(*sensitive).codes : std::vector<std::int32_t>();
            for (std::size_t i = 0; i < whose.size(); ++i) {
                if (first_64_bits(whose[i]) % static_cast<std::uint64_t>(parts) !=
                    static_cast<std::uint64_t>(part))
                    continue;
                rows.push_back({whose[i], cell_of(quasi, i),
                                sensitive ? static_cast<std::uint32_t>(codes[i] + 1) : kMissing});
            }
        }
        std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.patient < b.patient; });
        std::vector<PackedCell> cells;
        for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
            std::uint32_t category = rows[begin].category;
            cells.clear();
            for (end = begin; end < rows.size() && rows[end].patient == rows[begin].patient; ++end) {
                category = joined(category, rows[end].category, several);
                cells.push_back(rows[end].cell);
            }
            out.patients.add(cells, category);
            out.whose.push_back(rows[begin].patient);
        }
        return out;
    }

private:
    struct Row {
        core::Id16 patient;
        PackedCell cell;
        std::uint32_t category;
    };

    // Equal for equal values, the missing ones too; values of a column have one size.
    PackedCell cell_of(const std::vector<core::ColumnData>& quasi, std::size_t sample) const {
        core::Sha256 all;
        const auto add = [&](const auto& values) {
            if (!values.empty())
                all.update({reinterpret_cast<const std::uint8_t*>(&values[sample]), sizeof values[sample]});
        };
        for (const core::ColumnData& one : quasi)
            add(one.integers), add(one.numbers), add(one.codes), add(one.ids);
        const core::Digest digest = all.finish();
        PackedCell cell;
        std::memcpy(cell.data(), digest.data(), sizeof cell);
        return cell;
    }

    core::Version version_;
    core::SecretKey key_;
    std::vector<std::size_t> quasi_;
    Named named_;
    LinkPolicy policy_;
    std::string pseudonym_key_;
};

}  // namespace

Json link_tables(const TableWithRules& first, const std::filesystem::path& rules, const Others& others,
                 const Readers& readers, const Parts& parts, const core::Comm* comm) {
    const LinkPolicy& policy = first.rules->linked;
    std::vector<Named> names;
    std::vector<Release> releases;
    together(comm, [&] {
        if (!others.keys.empty()) throw Error(Fault::usage, "--keys: of versions; a table has none");
        if (others.rules.size() > 1 && others.rules.size() != others.files.size())
            throw Error(Fault::usage, "--with-rules: give none, one for all, or one for each --with");
        ValueNumbers numbers;
        const auto add = [&](const std::string& name, const TableRules& of, JudgedTable& table) {
            if (of.patient.empty())
                throw Error(Fault::usage,
                            "table.patient: missing; without it nobody is found again in another table");
            names.push_back({name, of.risk.sensitive});
            releases.push_back(release_of(of, table, numbers));
        };
        add("table", *first.rules, *first.table);
        for (std::size_t i = 0; i < others.files.size(); ++i) {
            if (std::filesystem::is_directory(others.files[i]))
                throw Error(Fault::usage, "--with: a version is judged with versions, a table with tables");
            const TableRules own = TableRules::load(others.rules.empty()       ? rules
                                                    : others.rules.size() == 1 ? others.rules[0]
                                                                               : others.rules[i]);
            TableFiles files;
            files.table = others.files[i];
            files.keep_whose = true;
            JudgedTable table =
                read_judged(readers, files, own, comm ? comm->rank() : 0, comm ? comm->size() : 1);
            add("other " + std::to_string(i + 1), own, table);
        }
        require_values(names, policy);
    });
    return record_of(link(releases, policy, parts), names, policy);
}

Json link_versions(const std::filesystem::path& first, const std::filesystem::path& rules,
                   const Others& others, const Parts& parts, const core::Comm* comm) {
    LinkPolicy policy;
    std::vector<Named> names;
    std::vector<Release> releases;
    together(comm, [&] {
        if (others.keys.empty())
            throw Error(
                Fault::usage,
                "--keys: missing; the versions' samples are read, which needs NAME@VERSION.key of each");
        if (!others.rules.empty())
            throw Error(Fault::usage, "--with-rules: of tables; a version says itself what it was judged by");
        std::vector<std::filesystem::path> folders{first};
        folders.insert(folders.end(), others.files.begin(), others.files.end());
        std::vector<VersionReading> versions;
        for (const std::filesystem::path& dir : folders) {
            if (!std::filesystem::is_directory(dir))
                throw Error(Fault::usage, "--with: a version is judged with versions, a table with tables");
            versions.emplace_back(dir, others.keys);
            names.push_back(versions.back().named());
            if (versions.back().pseudonym_key() != versions.front().pseudonym_key())
                throw Error(Fault::usage,
                            "--with: " + names.back().name +
                                " has the pseudonyms of another project's key: nobody is found again in it");
        }
        policy = versions.front().policy();
        if (!rules.empty()) {
            const core::Config file = core::Config::load(rules);
            policy = read_linked(file.table("linked"), policy);
            file.finish();
        }
        require_values(names, policy);
        ValueNumbers numbers;
        for (const VersionReading& one : versions)
            releases.push_back(one.read(comm ? comm->rank() : 0, comm ? comm->size() : 1, numbers));
    });
    return record_of(link(releases, policy, parts), names, policy);
}

}  // namespace staging
