// aloft-train as it is installed: finds LibTorch, which no package of ours brings, and becomes the program that links it.
// Without it the dynamic linker would name a library and not say what to do.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/event.h"

namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "ALOFT_LIBTORCH";

int refuse(const std::string& text) {
    core::Event("error", "system").with("text", text);
    return static_cast<int>(core::Fault::system);
}

bool is_libtorch(const fs::path& folder) {
    std::error_code none;
    return fs::exists(folder / "lib/libtorch_cpu.so", none);
}

// A wheel writes version.py, an unpacked LibTorch build-version; empty if neither is there.
std::string version_of(const fs::path& folder) {
    for (const char* name : {"version.py", "build-version"}) {
        std::ifstream file(folder / name);
        for (std::string line; std::getline(file, line);) {
            const auto digit = line.find_first_of("0123456789");
            const bool is_version = std::string_view(name) != "version.py" || line.starts_with("__version__");
            if (is_version && digit != std::string::npos)
                return line.substr(digit, line.find_first_not_of("0123456789.", digit) - digit);
        }
    }
    return {};
}

// LibTorch's own folder, and what the wheels of CUDA's libraries put beside it.
std::string library_folders(const fs::path& libtorch) {
    std::string folders = (libtorch / "lib").string();
    std::error_code none;
    std::vector<std::string> more;
    for (fs::directory_iterator entry(libtorch.parent_path() / "nvidia", none), end; !none && entry != end;
         entry.increment(none))
        if (fs::is_directory(entry->path() / "lib", none)) more.push_back((entry->path() / "lib").string());
    for (const std::string& folder : more) folders += ":" + folder;
    return folders;
}

}  // namespace

int main(int, char** argv) {
    std::error_code error;
    fs::path prefix = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
    if (error) prefix = ALOFT_PREFIX;
    const fs::path program = prefix / ALOFT_TRAIN_PROGRAM;

    const char* said = std::getenv(kVariable);
    const fs::path libtorch = said && *said ? fs::path(said) : prefix / "site-packages/torch";
    const std::string remedy = "Install PyTorch " ALOFT_TORCH_BUILT_WITH " into " +
                               (prefix / "site-packages").string() +
                               " (or link its site-packages there), or set " + kVariable +
                               " to the folder that holds LibTorch's lib/";
    if (!is_libtorch(libtorch))
        return refuse(libtorch.string() + ": no LibTorch there (lib/libtorch_cpu.so). " + remedy);
    const std::string version = version_of(libtorch);
    if (version != ALOFT_TORCH_BUILT_WITH)
        return refuse(libtorch.string() + ": LibTorch " + (version.empty() ? "of unknown version" : version) +
                      ", but this aloft-train was built with " ALOFT_TORCH_BUILT_WITH
                      ", and its library's binary interface changes with each version. " +
                      remedy);
    std::string folders = library_folders(libtorch);
    if (const char* before = std::getenv("LD_LIBRARY_PATH"); before && *before)
        folders += std::string(":") + before;
    ::setenv("LD_LIBRARY_PATH", folders.c_str(), 1);
    ::execv(program.c_str(), argv);
    return refuse(
        core::with_errno("cannot start " + program.string() + "; is aloft-train installed whole?", errno));
}
