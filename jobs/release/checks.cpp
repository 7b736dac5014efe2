#include "jobs/release/checks.h"

#include "core/base/error.h"
#include "core/base/files.h"

namespace jobs {

std::vector<Finding> check_file(const std::filesystem::path& file, const std::string& name,
                                const ReleaseRules& rules, std::string& type) {
    std::vector<Finding> findings;
    try {
        if (name.ends_with(".safetensors")) {
            type = "safetensors";
            findings = check_safetensors(file);
        } else if (const GateType* row = gate_type(name)) {
            type = row->type;
            Context context;
            context.rules = rules;
            context.vocabulary = vocabulary_of(rules, "");
            findings = row->prepare(core::read_file(file, row->limit_bytes(rules)), context).findings;
        } else {
            std::string known = ".safetensors";
            for (const GateType& each : gate_types()) known += std::string(", ") + each.extension;
            findings.push_back(
                {"", Finding::Weight::refuse, "type", "not a type that may leave; these may: " + known});
        }
    } catch (const core::Error& e) {
        findings.push_back({"", Finding::Weight::refuse,
                            e.fault() == core::Fault::data ? "size" : "unreadable",
                            "cannot be checked: larger than a table may be, or not readable"});
    }
    for (Finding& finding : findings) finding.file = name;
    return findings;
}

}  // namespace jobs
