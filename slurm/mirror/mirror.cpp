#include "slurm/mirror/mirror.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/record.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "core/policy/known.h"
#include "core/policy/list.h"
#include "core/policy/names.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr std::uint64_t kListLimitBytes = 16 << 20, kFileLimitBytes = 4 << 20, kKeyLimitBytes = 4096;

void tell(const std::string& what, const std::string& why) {
    core::Event("warning", "not_mirrored").with("what", what).with("text", why);
}

std::optional<std::string> text_of(const fs::path& file, std::uint64_t limit_bytes) {
    try {
        return core::read_text(file, limit_bytes);
    } catch (const Error&) {
        return std::nullopt;
    }
}

void lay_down(const fs::path& file, const std::string& text) {
    if (text_of(file, kListLimitBytes) != text) core::write_atomically(file, text, 0644);
}

std::set<std::string> names_in(const fs::path& folder, std::error_code& error) {
    std::set<std::string> names;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        names.insert(entry->path().filename().string());
    return names;
}

void remove_others(const fs::path& folder, const std::set<std::string>& wanted) {
    std::error_code error;
    for (const std::string& name : names_in(folder, error))
        if (!wanted.contains(name)) fs::remove_all(folder / name, error);
}

class Copy {
public:
    explicit Copy(const core::Site& site) : site_(site), keys_(core::publishing_keys(site)) {
        for (const char* folder : {"grants", "enclaves", "keys"})
            core::make_directories(site.mirror / folder, 0755);
    }

    void run() {
        const std::string envelope = core::read_text(site_.published / "list.json", kListLimitBytes);
        const core::SignedList list = core::parse_list(envelope, keys_);
        if (!is_newer(list)) return;
        std::set<std::string> grants, policies;
        for (const auto& [uid, ids] : list.grants)
            for (const std::string& id : ids) {
                grants.insert(id + ".json");
                attempt("grant " + id, [&] { copy_grant(id, uid); });
            }
        attempt("keys", [&] { copy_keys(list); });
        attempt("witness", [&] { copy_witness(); });
        attempt("budgets", [&] { copy_budgets(); });
        // Last: between a policy and the list that names it the enclave is refused.
        for (const auto& [name, policy] : list.policies) {
            policies.insert(name + ".json");
            attempt("policy of enclave " + name, [&] { copy_policy(name, policy.sha256); });
        }
        lay_down(site_.mirror / "list.json", envelope);
        remove_others(site_.mirror / "grants", grants);
        remove_others(site_.mirror / "enclaves", policies);
        attempt("known enclaves", [&] {
            remember_enclaves(list);
            copy_for_next_start(site_.mirror, site_.known, list);
        });
    }

    void recall() {
        if (fs::exists(site_.mirror / "list.json")) return;
        const auto envelope = text_of(site_.known / "list.json", kListLimitBytes);
        if (envelope) copy_for_next_start(site_.known, site_.mirror, core::parse_list(*envelope, keys_));
    }

private:
    template <class Work>
    void attempt(const std::string& what, Work work) {
        try {
            work();
        } catch (const std::exception& e) {
            tell(what, e.what());
        }
    }

    // Numbers and partitions, which the list tells. Names stand in the policies alone: those are remembered
    // when a policy comes, and read again here only if the memory was taken away.
    void remember_enclaves(const core::SignedList& list) const {
        if (!core::load_known(site_.known).has_all_of(core::known_of(list)))
            core::remember(core::known_of(core::Enclaves::load(site_)), site_.known);
    }

    static void copy_for_next_start(const fs::path& from, const fs::path& to, const core::SignedList& list) {
        core::make_directories(to / "enclaves", 0755);
        std::set<std::string> wanted;
        for (const auto& [name, policy] : list.policies) {
            wanted.insert(name + ".json");
            if (const auto text = text_of(from / "enclaves" / (name + ".json"), kFileLimitBytes))
                lay_down(to / "enclaves" / (name + ".json"), *text);
        }
        lay_down(to / "list.json", core::read_text(from / "list.json", kListLimitBytes));
        remove_others(to / "enclaves", wanted);
    }

    // What was here before may come from another key, or not be whole: then anything signed is newer.
    bool is_newer(const core::SignedList& list) {
        const auto here = text_of(site_.mirror / "list.json", kListLimitBytes);
        if (!here) return true;
        try {
            const core::SignedList before = core::parse_list(*here, keys_);
            if (list.seq > before.seq || (list.seq == before.seq && list.issued >= before.issued))
                return true;
        } catch (const Error&) {
            return true;
        }
        tell("list", "an older list than this host has was put in its place");
        return false;
    }

    // A grant never changes under its id, but for the key that signed it, and what an earlier aloft-sign left out of it.
    void copy_grant(const std::string& id, std::uint32_t uid) {
        core::check_plain_name(id, "grant");
        const fs::path here = site_.mirror / "grants" / (id + ".json");
        const auto before = text_of(here, kFileLimitBytes);
        std::string text;
        try {
            text = core::read_text(site_.published / "grants" / (id + ".json"), kFileLimitBytes);
        } catch (const Error&) {
            if (before && is_grant(*before, id, uid)) return;
            throw;
        }
        if (before == text && is_grant(text, id, uid)) return;
        if (!is_grant(text, id, uid)) {
            if (before && is_grant(*before, id, uid)) return;  // a right one is put back by no wrong one
            throw Error(Fault::refused, "the file is not the grant that the list means");
        }
        lay_down(here, text);
    }

    bool is_grant(const std::string& text, const std::string& id, std::uint32_t uid) {
        try {
            const core::Grant grant = core::parse_grant(text, keys_);
            return grant.id == id && grant.uid == uid;
        } catch (const Error&) {
            return false;
        }
    }

    void copy_policy(const std::string& name, const std::string& sha256) {
        core::check_plain_name(name, "enclave");
        const auto is_it = [&](const std::string& text) {
            return core::to_hex(core::sha256(core::view(text))) == sha256;
        };
        const fs::path here = site_.mirror / "enclaves" / (name + ".json");
        if (const auto text = text_of(here, kFileLimitBytes); text && is_it(*text)) return;
        const std::string text =
            core::read_text(site_.published / "enclaves" / (name + ".json"), kFileLimitBytes);
        if (!is_it(text)) throw Error(Fault::refused, "the file is not the policy that the list means");
        core::Enclaves opened;
        opened.usable.push_back(core::open_enclave(text, name, keys_));
        attempt("known enclaves", [&] { core::remember(core::known_of(opened), site_.known); });
        lay_down(here, text);
    }

    // Sealed keys bear no signature: a wrong one opens nothing, and only the enclave's key opens a right one.
    void copy_keys(const core::SignedList& list) {
        std::set<std::string> enclaves;
        for (const auto& [name, policy] : list.policies) {
            std::error_code error;
            const std::set<std::string> files = names_in(site_.published / "keys" / name, error);
            if (error && error != std::errc::no_such_file_or_directory)
                throw Error(Fault::system, "keys of enclave " + name + ": " + error.message());
            enclaves.insert(name);
            const fs::path here = site_.mirror / "keys" / name;
            core::make_directories(here, 0755);
            std::set<std::string> wanted;
            for (const std::string& file : files) {
                if (!file.ends_with(".sealed") || file.front() == '.') continue;
                wanted.insert(file);
                attempt("key " + name + "/" + file.substr(0, file.size() - 7), [&] {
                    lay_down(here / file,
                             core::read_text(site_.published / "keys" / name / file, kKeyLimitBytes));
                });
            }
            remove_others(here, wanted);
        }
        remove_others(site_.mirror / "keys", enclaves);
    }

    // The newest that this host ever saw is kept: it goes into its records (core/ledger/loss.h).
    void copy_witness() {
        const auto text = text_of(site_.published / "witness.json", kKeyLimitBytes);
        if (!text) return;
        const core::Witness witness = core::Witness::parse(*text);
        const auto keys = core::load_verify_keys(site_.config / "keys", "ledger");
        if (std::none_of(keys.begin(), keys.end(),
                         [&](const auto& key) { return witness.is_signed_by(key); }))
            throw Error(Fault::refused, "it is not signed by the ledger's key");
        const fs::path here = site_.mirror / "witness.json";
        if (const auto before = text_of(here, kKeyLimitBytes))
            if (core::Witness::parse(*before).head.seq > witness.head.seq)
                throw Error(Fault::refused, "an older witness than this host has was put in its place");
        lay_down(here, *text);
    }

    // For root alone: it changes as jobs begin and end.
    void copy_budgets() {
        const fs::path there = site_.published / core::kBudgetsFile;
        std::error_code error;
        if (!fs::exists(there, error) && (!error || error == std::errc::no_such_file_or_directory)) return;
        const std::string text = core::read_text(there, kListLimitBytes);
        const fs::path here = site_.mirror / core::kBudgetsFile;
        const auto before = text_of(here, kListLimitBytes);
        if (before == text) return;
        const std::int64_t issued = core::parse_budgets(text, keys_).issued;
        // One of a clock that was ahead holds back none of the right time.
        const std::int64_t had = before ? issued_or_0(*before) : 0;
        if (issued < had && had <= core::now_seconds() + core::kClockSkewSeconds)
            throw Error(Fault::refused, "an older list than this host has was put in its place");
        core::make_budgets_folder(site_.mirror);
        core::write_atomically(here, text, 0600);
    }

    std::int64_t issued_or_0(const std::string& budgets) const {
        try {
            return core::parse_budgets(budgets, keys_).issued;
        } catch (const Error&) {  // of another key
            return 0;
        }
    }

    const core::Site& site_;
    std::vector<core::VerifyKey> keys_;
};

}  // namespace

void mirror_once(const core::Site& site) {
    core::make_directories(site.mirror, 0755);
    const core::Fd lock(
        ::open((site.mirror / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock.is_open() || ::flock(lock.get(), LOCK_EX))
        throw Error(Fault::system, core::with_errno("cannot lock " + site.mirror.string(), errno));
    Copy(site).run();
}

void recall(const core::Site& site) {
    Copy(site).recall();
}

}  // namespace slurm
