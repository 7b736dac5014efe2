#include "staging/tool/verify.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/base/site.h"
#include "core/mpi/share.h"
#include "core/shard/verify.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

// Calls `work` for 0 to count - 1 on several threads. Throws what the lowest that failed threw.
void for_each(std::int64_t count, int threads, const std::function<void(std::int64_t)>& work) {
    std::atomic<std::int64_t> next = 0, failed_at = count;
    std::exception_ptr failure;
    std::mutex mutex;
    const auto run = [&] {
        for (std::int64_t i = next++; i < failed_at; i = next++) {
            try {
                work(i);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (i < failed_at) {
                    failed_at = i;
                    failure = std::current_exception();
                }
            }
        }
    };
    if (threads <= 0) threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    {
        std::vector<std::jthread> others;
        for (int i = 1; i < threads && i < count; ++i) {
            try {
                others.emplace_back(run);
            } catch (const std::system_error&) {
                break;  // those there are do it
            }
        }
        run();
    }
    if (failure) std::rethrow_exception(failure);
}

// Runs `work` on every rank of `comm`, all of which end alike; null: here.
void together(const core::Comm* comm, const std::function<void()>& work) {
    comm ? core::together(*comm, work) : work();
}

}  // namespace

std::vector<core::VerifyKey> stewards_of(const std::filesystem::path& steward) {
    if (!steward.empty()) return {core::VerifyKey::load(steward)};
    std::error_code ignored;
    if (!std::getenv("ALOFT_SITE") && !std::filesystem::exists("/etc/aloft/site.toml", ignored)) return {};
    const std::filesystem::path keys = core::Site::load().config / "keys";
    if (!std::filesystem::exists(keys / "steward.pub", ignored)) return {};
    return core::load_verify_keys(keys, "steward");
}

void check_files(const core::Version& version, const core::SecretKey* key, int threads,
                 const core::Comm* comm) {
    const core::Manifest& manifest = version.manifest();
    // Rank 0 tells of its own share, which is like everybody's.
    const std::int64_t mine = comm ? (version.shards() + comm->size() - 1) / comm->size() : version.shards();
    core::Progress progress("verify", mine);
    std::mutex telling;
    std::vector<core::VerifiedPage> pages;
    for (std::int64_t page = 0; page < version.pages(); ++page) {
        std::vector<core::ShardEntry> shards;
        together(comm, [&] {
            if (!key) {
                shards = version.page(page);
                return;
            }
            core::VerifiedPage verified = core::verify_page(version, page, *key);
            shards = std::move(verified.shards);
            verified.shards.clear();
            pages.push_back(std::move(verified));
        });
        const auto check = [&](std::int64_t i) {
            const std::int64_t number = version.first_shard(page) + i;
            const core::ShardEntry& entry = shards[static_cast<std::size_t>(i)];
            if (key)
                core::verify_shard(version.shard_path(number), entry, manifest.schema, manifest.id(), number,
                                   *key);
            else
                core::verify_file(version.shard_path(number), entry);
            if (comm && !comm->is_root()) return;
            const std::lock_guard lock(telling);
            progress.advance();
        };
        const auto count = static_cast<std::int64_t>(shards.size());
        if (comm)
            core::share(*comm, count, [&](core::Shared& work) {
                while (const auto i = work.next()) check(*i);
            });
        else
            for_each(count, threads, check);
    }
    together(comm, [&] {
        if (comm && !comm->is_root()) return;
        if (key) core::verify_sums(manifest, pages);
        if (const std::int64_t strange = core::strange_files(version))
            throw Error(Fault::data,
                        version.dir().string() + ": " + std::to_string(strange) +
                            " in shards/ or pages/ that the manifest does not name. Look at them and "
                            "remove them.");
    });
}

nlohmann::ordered_json verify(const CheckRequest& request, const core::Comm* comm) {
    std::optional<core::Version> version;
    std::optional<core::SecretKey> key;
    together(comm, [&] {
        version.emplace(request.dir, stewards_of(request.steward),
                        request.steward.empty() ? core::Seal::optional : core::Seal::required);
        if (version->seal() == core::SealState::unchecked)
            throw Error(Fault::usage,
                        request.dir.string() +
                            ": this version is sealed, and there is no steward's key to check the seal "
                            "with. Give --steward KEY.pub.");
        key = core::SecretKey::load(request.key);
        version->authenticate(*key);
    });
    check_files(*version, &*key, request.threads, comm);
    return {{"dataset", version->manifest().id()},
            {"verified", true},
            {"sealed", version->seal() == core::SealState::valid},
            {"shards", version->shards()},
            {"samples", version->manifest().samples()}};
}

}  // namespace staging
