#pragma once
#include <filesystem>
#include <string>

#include "core/base/files.h"
#include "core/mpi/comm.h"
#include "staging/work/disk.h"

namespace staging {

// The folders of one build and what earlier runs left in them. Nothing is ever removed but what this program
// made there, known by its name and, of the work folder, by a mark in it.
class RunFolder {
public:
    // `work`: where intermediate files may lie; the build makes a folder of its own in it. Empty: in `out`.
    // `version` is NAME@VERSION.
    RunFolder(std::filesystem::path out, const std::filesystem::path& work, const std::string& version,
              Disk& disk = Disk::real());

    const std::filesystem::path& out() const noexcept { return out_; }
    const std::filesystem::path& work() const noexcept { return work_; }
    std::filesystem::path shards() const { return out_ / "shards"; }
    std::filesystem::path reports() const { return out_ / "reports"; }
    std::filesystem::path shuffle() const { return work_ / "shuffle"; }
    bool has_manifest() const;

    // Collective. Makes the folders and holds a lock in `out` until this object dies, so that no other build
    // writes there, whatever its work folder. Throws Error(system) if one does, Error(usage) if the work folder
    // holds something that is not ours.
    void claim(const core::Comm& comm);

    // What an unfinished build was of: `identity` (definition, profile, keys, program) and `input` (the
    // deliveries' state).
    struct Mark {
        std::string identity, input;
    };
    // One rank, before anything else is written. If the last run was of the same mark, what it left stays, and
    // this is true. If the deliveries have changed since, its batches and shards are removed (told as an event).
    // If it was a build of something else, Error(usage), unless `discard`.
    bool prepare(const Mark& mark, bool discard);
    // One rank, before the scan: throws as prepare() does if the identity differs, without removing anything.
    void check(const std::string& identity, bool discard) const;

    // Collective: the build is done, the work folder goes; each rank removes its part of it.
    void remove_work(const core::Comm& comm);
    // Temporary files of killed runs in the version's folder.
    void sweep() const;

private:
    bool lock(int part, bool exclusive);
    Disk& disk_;
    std::filesystem::path out_, parent_, work_;
    std::string version_;
    core::Fd lock_;
    bool root_ = false;
};

}  // namespace staging
