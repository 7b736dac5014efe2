// The table. To add an operation: a row here, its handler in the file of its noun.
#include "jobs/service/operations.h"

#include <algorithm>

#include "jobs/service/service.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::int64_t kYearSeconds = 366 * 86400;  // the longest grant; the default is 365 days
constexpr std::int64_t kMostHours = 1'000'000'000;  // of a budget
constexpr std::int64_t kJobMost = 1ll << 40;

constexpr RoleName kRoles[] = {
    {"admin", who::admin},
    {"steward", who::steward},
    {"intake", who::intake},
    {"auditor", who::auditor},
    {"release-reviewer", who::release_reviewer},
    {"reviewer-technical", who::technical},
    {"reviewer-legal", who::legal},
    {"reviewer-platform", who::platform},
    {"reviewer-research", who::research},
};

constexpr Field line(std::string_view name, std::int64_t least, std::int64_t most) {
    return {name, Kind::line, least, most};
}
constexpr Field statement(std::string_view name) {
    return {name, Kind::text, 20, 20000};
}
constexpr Field choice(std::string_view name, std::string_view choices) {
    return {name, Kind::line, 1, 20, Need::required, choices};
}
constexpr Field integer(std::string_view name, std::int64_t least, std::int64_t most) {
    return {name, Kind::integer, least, most};
}
constexpr Field optional(Field field) {
    field.need = Need::optional;
    return field;
}

constexpr Field kReason{"reason", Kind::text, 3, 4000};
constexpr Field kApplication{"id", Kind::application}, kRelease{"id", Kind::release},
    kGrant{"id", Kind::grant}, kRequest{"id", Kind::request}, kEnclave{"id", Kind::name},
    kDataset{"id", Kind::dataset};
constexpr Field kPolicy{"policy_sha256", Kind::hash}, kScript{"script_sha256", Kind::hash};
constexpr Field kJob = integer("job", 1, kJobMost), kNodes = integer("nodes", 1, 100000);
constexpr Field kDecision = choice("decision", "approve|reject");

// Of a list: the place of the last row that was seen, and how many more at most.
std::vector<Field> paged() {
    return {optional(integer("after", 0, INT64_MAX)), optional(integer("limit", 1, 1000))};
}

constexpr Field members(std::string_view name) {
    return {name, Kind::members, 0, 1000, Need::optional, "accounts|nodes|software|images|datasets"};
}

}  // namespace

std::span<const RoleName> role_names() {
    return kRoles;
}

std::string describe(Who who) {
    if (who.is_nobody()) return "nobody";
    if (who.meets(who::anybody)) return "anybody";
    std::string out, roles;
    if (who.meets(who::enclave)) out = "an account of an enclave";
    for (const RoleName& one : kRoles)
        if (who.meets(one.who)) roles += (roles.empty() ? "the role " : " or ") + std::string(one.role);
    return out + (out.empty() || roles.empty() ? "" : " or ") + roles;
}

std::span<const Operation> operations() {
    using S = Service;
    // A row is read as one thing, not as a column of fields.
    // clang-format off
    static const std::vector<Operation> table{
        {.name = "application.submit", .handler = &S::application_submit, .who = who::enclave, .others = who::nobody,
         .about = "Apply for data",
         .fields = {line("title", 5, 200), optional({"enclave", Kind::name}), {"datasets", Kind::lines, 1, 50},
                    {"purpose", Kind::lines, 1, 20}, statement("rationale"), statement("necessity"),
                    statement("reciprocity"), statement("social_impact")},
         .person = Person::known, .rate = Pace::changing},
        {.name = "application.list", .handler = &S::application_list, .who = who::anybody,
         .others = who::admin | who::reviewer, .about = "Applications, a page at a time", .fields = paged()},
        {.name = "application.show", .handler = &S::application_show, .who = who::anybody,
         .others = who::admin | who::reviewer, .about = "One application with its texts and reviews",
         .fields = {kApplication}, .object = Object::application},
        {.name = "application.withdraw", .handler = &S::application_withdraw, .who = who::anybody,
         .others = who::nobody, .about = "Take an application back", .fields = {kApplication},
         .object = Object::application, .rate = Pace::changing},
        {.name = "review.decide", .handler = &S::review_decide, .who = who::reviewer, .others = who::reviewer,
         .about = "Decide on an application for one of the four groups",
         .fields = {kApplication, choice("group", "technical|legal|platform|research"), kDecision, kReason},
         .object = Object::application, .person = Person::apart, .rate = Pace::changing},

        {.name = "dataset.register", .handler = &S::dataset_register, .who = who::steward | who::admin,
         .others = who::nobody, .about = "Enter a sealed dataset version; files: manifest, seal",
         .fields = {kDataset}, .rate = Pace::heavy, .descriptors_least = 2, .descriptors_most = 2},
        {.name = "dataset.list", .handler = &S::dataset_list, .who = who::anybody, .others = who::nobody,
         .about = "The catalogue, a page at a time", .fields = paged()},
        {.name = "key.seal", .handler = &S::key_seal, .who = who::intake, .others = who::nobody,
         .about = "Give an enclave the sealed key of a dataset version",
         .fields = {kDataset, {"enclave", Kind::name}, optional(line("enclave_key", 16, 16)), line("key_id", 16, 16),
                    line("sealed", 108, 108)},
         .rate = Pace::changing},

        {.name = "audit.head", .handler = &S::audit_head, .who = who::anybody, .others = who::nobody,
         .about = "A signed witness of the ledger's end", .rate = Pace::heavy},
        {.name = "audit.copy", .handler = &S::audit_copy, .who = who::admin | who::auditor, .others = who::nobody,
         .about = "The whole ledger; answers with a file", .rate = Pace::heavy},
        {.name = "backup.made", .handler = &S::backup_made, .who = who::admin, .others = who::nobody,
         .about = "Record that a backup was made", .fields = {{"sha256", Kind::hash}, integer("records", 0, INT64_MAX)},
         .rate = Pace::changing},
        {.name = "text.erase", .handler = &S::text_erase, .who = who::admin, .others = who::nobody,
         .about = "Erase the texts that people wrote about a thing; the ledger keeps their hashes",
         .fields = {line("id", 3, 80), kReason}, .rate = Pace::changing},

        {.name = "enclave.create", .handler = &S::enclave_create, .who = who::admin, .others = who::nobody,
         .about = "Enter a new enclave; it is not open", .fields = {kEnclave, kPolicy}, .rate = Pace::changing,
         .own_host = true},
        {.name = "enclave.open", .handler = &S::enclave_open, .who = who::admin, .others = who::nobody,
         .about = "Open an enclave if its nodes' reports and Slurm's settings pass",
         .fields = {kEnclave, kReason, optional({"dry_run", Kind::flag})}, .rate = Pace::heavy},
        {.name = "enclave.suspend", .handler = &S::enclave_suspend, .who = who::admin, .others = who::nobody,
         .about = "Stop an enclave's jobs until it is opened again", .fields = {kEnclave, kReason},
         .rate = Pace::changing},
        {.name = "enclave.close", .handler = &S::enclave_close, .who = who::admin, .others = who::nobody,
         .about = "End a suspended enclave for good", .fields = {kEnclave, kReason}, .rate = Pace::changing},
        {.name = "enclave.change", .handler = &S::enclave_change, .who = who::admin, .others = who::nobody,
         .about = "Who and what is in an enclave",
         .fields = {kEnclave, kPolicy, members("add"), members("remove")}, .rate = Pace::changing, .own_host = true},
        {.name = "enclave.list", .handler = &S::enclave_list, .who = who::anybody, .others = who::admin | who::auditor,
         .about = "Enclaves and their states; reasons to admins and auditors", .fields = paged()},
        {.name = "enclave.show", .handler = &S::enclave_show, .who = who::anybody, .others = who::admin | who::auditor,
         .about = "One enclave's state and datasets; the reason to admins and auditors", .fields = {kEnclave}},
        {.name = "overview", .handler = &S::overview, .who = who::admin | who::auditor, .others = who::nobody,
         .about = "The site at a glance: counts, times and hosts", .rate = Pace::heavy},
        {.name = "preflight.reports", .handler = &S::preflight_reports, .who = who::admin | who::auditor,
         .others = who::nobody, .about = "What nodes have reported about themselves, a page at a time",
         .fields = paged(), .rate = Pace::heavy},

        {.name = "grant.issue", .handler = &S::grant_issue, .who = who::admin, .others = who::admin,
         .about = "Give an approved application a signed grant",
         .fields = {kApplication, line("contract", 1, 200), integer("seconds", 1, kYearSeconds),
                    optional(integer("node_hours", 1, kMostHours)), optional(integer("gpu_hours", 1, kMostHours))},
         .object = Object::application, .person = Person::apart, .rate = Pace::changing},
        {.name = "grant.revoke", .handler = &S::grant_revoke, .who = who::admin, .others = who::admin,
         .about = "End a grant now", .fields = {kGrant, kReason}, .object = Object::grant, .rate = Pace::changing},
        {.name = "grant.list", .handler = &S::grant_list, .who = who::anybody,
         .others = who::admin | who::auditor | who::reviewer | who::release_reviewer,
         .about = "Grants, a page at a time", .fields = paged()},

        {.name = "job.request", .handler = &S::job_request, .who = who::enclave, .others = who::nobody,
         .about = "Ask whether a job may be submitted",
         .fields = {kNodes, kScript, optional({"grant", Kind::grant}), optional(integer("minutes", 1, 10'000'000)),
                    optional(integer("gpus", 0, 100'000'000))}, .rate = Pace::changing},
        {.name = "job.submitted", .handler = &S::job_submitted, .who = who::enclave, .others = who::nobody,
         .about = "Which number Slurm gave to a job that was asked for, once", .fields = {kRequest, kJob},
         .object = Object::request, .rate = Pace::changing},
        {.name = "job.rejected", .handler = &S::job_rejected, .who = who::enclave, .others = who::nobody,
         .about = "Slurm did not take a job that was asked for", .fields = {kRequest}, .object = Object::request,
         .rate = Pace::changing},
        {.name = "job.list", .handler = &S::job_list, .who = who::anybody, .others = who::admin | who::auditor,
         .about = "Jobs, newest first, a page at a time", .fields = paged()},
        {.name = "job.show", .handler = &S::job_show, .who = who::anybody, .others = who::admin | who::auditor,
         .about = "One job with what the fence stopped of it", .fields = {kJob}, .object = Object::job},
        {.name = "usage", .handler = &S::usage, .who = who::anybody, .others = who::admin | who::auditor,
         .about = "What each grant was used for, a page at a time", .fields = paged(), .rate = Pace::heavy},
        {.name = "usage.months", .handler = &S::usage_months, .who = who::anybody, .others = who::admin | who::auditor,
         .about = "What was used, by month and grant, with its datasets, a page at a time", .fields = paged(),
         .rate = Pace::heavy},

        {.name = "release.request", .handler = &S::release_request, .who = who::enclave, .others = who::nobody,
         .about = "Ask for the release of files, which come with the request",
         .fields = {line("title", 3, 200), {"names", Kind::lines, 1, 32}}, .person = Person::known,
         .rate = Pace::heavy, .descriptors_least = 1, .descriptors_most = 32},
        {.name = "release.list", .handler = &S::release_page, .who = who::anybody,
         .others = who::admin | who::auditor | who::release_reviewer, .about = "Releases, a page at a time",
         .fields = paged()},
        {.name = "release.show", .handler = &S::release_show, .who = who::anybody,
         .others = who::admin | who::auditor | who::release_reviewer,
         .about = "One release: files, hashes, findings, reviews", .fields = {kRelease}, .object = Object::release},
        {.name = "release.view", .handler = &S::release_view, .who = who::release_reviewer,
         .others = who::release_reviewer, .about = "One file as it would leave, as text or a picture's pixels, for a reviewer",
         .fields = {kRelease, {"name", Kind::name}, optional(choice("form", "text|picture"))}, .object = Object::release, .person = Person::apart,
         .rate = Pace::changing},
        {.name = "release.review", .handler = &S::release_review, .who = who::release_reviewer,
         .others = who::release_reviewer, .about = "Approve or reject a release by the hash of its title, names and files",
         .fields = {kRelease, kDecision, kReason, optional({"sha256", Kind::lines, 1, 32})},
         .object = Object::release, .person = Person::apart, .rate = Pace::changing},
        {.name = "release.withdraw", .handler = &S::release_withdraw, .who = who::anybody, .others = who::admin,
         .about = "Take a request for release back", .fields = {kRelease}, .object = Object::release,
         .rate = Pace::changing},
        {.name = "release.export", .handler = &S::release_export, .who = who::anybody,
         .others = who::admin | who::release_reviewer, .about = "Make the package of an approved release",
         .fields = {kRelease}, .object = Object::release, .rate = Pace::heavy},
    };
    // clang-format on
    return table;
}

const Operation* find_operation(std::string_view name) {
    const auto table = operations();
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const Operation& one) { return one.name == name; });
    return found == table.end() ? nullptr : &*found;
}

namespace {

const char* name_of(Object object) {
    constexpr const char* kNames[] = {"none", "application", "release", "grant", "job", "request"};
    return kNames[static_cast<std::size_t>(object)];
}

const char* name_of(Person person) {
    constexpr const char* kNames[] = {"any", "known", "apart"};
    return kNames[static_cast<std::size_t>(person)];
}

const char* name_of(Pace rate) {
    constexpr const char* kNames[] = {"reading", "changing", "heavy"};
    return kNames[static_cast<std::size_t>(rate)];
}

// "anybody", "enclave" and roles, for programs.
json words_of(Who who) {
    json out = json::array();
    if (who.meets(who::anybody)) out.push_back("anybody");
    if (who.meets(who::enclave)) out.push_back("enclave");
    for (const RoleName& one : kRoles)
        if (who.meets(one.who)) out.push_back(one.role);
    return out;
}

}  // namespace

json operations_json() {
    json out = json::array();
    for (const Operation& one : operations()) {
        json fields = json::array();
        for (const Field& field : one.fields)
            fields.push_back({{"name", field.name},
                              {"is", describe(field)},
                              {"choices", field.choices},
                              {"least", field.least},
                              {"most", field.most},
                              {"kind", static_cast<int>(field.kind)},
                              {"required", field.need == Need::required}});
        out.push_back({{"operation", one.name},
                       {"about", one.about},
                       {"who", words_of(one.who)},
                       {"others", words_of(one.others)},
                       {"object", name_of(one.object)},
                       {"person", name_of(one.person)},
                       {"rate", name_of(one.rate)},
                       {"files", {one.descriptors_least, one.descriptors_most}},
                       {"own_host", one.own_host},
                       {"fields", fields}});
    }
    return out;
}

std::string operations_markdown() {
    std::string out =
        "| operation | what | who | of others | fields | person | rate |\n|---|---|---|---|---|---|---|\n";
    for (const Operation& one : operations()) {
        std::string fields;
        for (const Field& field : one.fields)
            fields += (fields.empty() ? "" : "; ") + std::string(field.name) + ": " + describe(field) +
                      (field.need == Need::optional ? " (may be left out)" : "");
        out += "| `" + std::string(one.name) + "` | " + std::string(one.about) + " | " + describe(one.who) +
               " | " + describe(one.others) + " | " + fields + " | " + name_of(one.person) + " | " +
               name_of(one.rate) + " |\n";
    }
    return out;
}

}  // namespace jobs
