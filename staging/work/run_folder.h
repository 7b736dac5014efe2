#pragma once
#include <filesystem>
#include <string>

#include "core/base/files.h"

namespace staging {

// The folders of one build and what earlier runs left in them.
class RunFolder {
public:
    RunFolder(std::filesystem::path out, std::filesystem::path work);

    const std::filesystem::path& out() const noexcept { return out_; }
    const std::filesystem::path& work() const noexcept { return work_; }
    std::filesystem::path shards() const { return out_ / "shards"; }
    std::filesystem::path reports() const { return out_ / "reports"; }
    std::filesystem::path shuffle() const { return work_ / "shuffle"; }
    bool has_manifest() const;

    // The first rank makes the folders and sees that no other build is at work here; then every rank holds
    // the lock. Throws Error(system) if one is.
    void claim();
    void join();

    // One rank. If the last run was of the same `fingerprint`, its batches and shards stay; else all that it
    // left is removed. Temporary files of killed runs go in either case. True if something was taken over.
    bool prepare(const std::string& fingerprint);

    // One rank: the build is done, the work folder goes.
    void remove_work();
    // Temporary files of killed runs in the version's folder.
    void sweep() const;

private:
    std::filesystem::path out_, work_;
    core::Fd lock_;
};

}  // namespace staging
