#pragma once
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "core/keys/keys.h"
#include "core/mpi/comm.h"

// A folder that all ranks of a test share, and a key that all of them have; gone when all are done with it.
class SharedFolder {
public:
    explicit SharedFolder(const core::Comm& comm) : comm_(comm) {
        core::Bytes path;
        if (comm.is_root()) {
            std::string name = (std::filesystem::temp_directory_path() / "aloft-test-XXXXXX").string();
            if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
            core::SecretKey::generate().save(std::filesystem::path(name) / "test.key");
            path.assign(name.begin(), name.end());
        }
        comm.broadcast(path);
        path_ = std::string(path.begin(), path.end());
    }
    ~SharedFolder() {
        comm_.barrier();
        if (comm_.is_root()) std::filesystem::remove_all(path_);
    }
    std::filesystem::path path() const { return path_ / "work"; }
    core::SecretKey key() const {
        std::filesystem::create_directories(path());
        return core::SecretKey::load(path_ / "test.key");
    }

private:
    const core::Comm& comm_;
    std::filesystem::path path_;
};
