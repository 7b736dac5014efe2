#include "core/keys/enclave_keys.h"

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {
namespace {

namespace fs = std::filesystem;

// Ends of the names.
constexpr const char *kKey = ".enclave.key", *kNext = ".enclave.next.key", *kOld = ".enclave.old.key";

fs::path old_enclave_key(const fs::path& folder, std::string_view enclave) {
    return folder / (std::string(enclave) + kOld);
}

std::array<std::uint8_t, 32> open_half(const fs::path& file) {
    return OpeningKey::load(file).sealing_key().bytes;
}

}  // namespace

fs::path enclave_key(const fs::path& folder, std::string_view enclave) {
    return folder / (std::string(enclave) + kKey);
}

fs::path next_enclave_key(const fs::path& folder, std::string_view enclave) {
    return folder / (std::string(enclave) + kNext);
}

std::vector<fs::path> enclave_keys(const fs::path& folder, std::string_view enclave) {
    std::vector<fs::path> files{enclave_key(folder, enclave)};
    for (const fs::path& other : {next_enclave_key(folder, enclave), old_enclave_key(folder, enclave)})
        if (fs::exists(other)) files.push_back(other);
    return files;
}

bool is_enclave_key(std::string_view file_name) {
    for (const std::string_view end : {kKey, kNext, kOld})
        if (file_name.ends_with(end)) return true;
    return false;
}

std::string id_of(const SealingKey& key) {
    return to_hex(ByteView(sha256(key.bytes)).first(8));
}

std::string read_seal(const fs::path& file) {
    std::string line = read_text(file, 4096);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return line;
}

bool switch_enclave_key(const fs::path& folder, std::string_view enclave) {
    const fs::path key = enclave_key(folder, enclave), next = next_enclave_key(folder, enclave),
                   old = old_enclave_key(folder, enclave);
    if (!fs::exists(next)) {
        if (fs::exists(old)) return false;
        throw Error(Fault::usage, next.string() + ": is not there. Make it: aloft admin enclave rekey " +
                                      std::string(enclave) +
                                      ", and copy it to the enclave's nodes (root, 0400)");
    }
    const auto coming = open_half(next);
    if (fs::exists(key)) {
        const auto now = open_half(key);
        if (now == coming) {  // copied here once more, after the change
            fs::remove(next);
            return false;
        }
        if (!fs::exists(old))
            fs::create_hard_link(key, old);
        else if (open_half(old) != now)
            throw Error(Fault::usage, old.string() +
                                          ": is still there from the change before; end that one "
                                          "first (--finish)");
        sync_directory(folder);
    }
    fs::rename(next, key);
    sync_directory(folder);
    return true;
}

bool drop_old_enclave_key(const fs::path& folder, std::string_view enclave) {
    const fs::path key = enclave_key(folder, enclave), next = next_enclave_key(folder, enclave),
                   old = old_enclave_key(folder, enclave);
    // Beside an old key that is another one already, the next is of the change after this.
    if (fs::exists(next) && (!fs::exists(old) || open_half(old) == open_half(key)))
        throw Error(Fault::usage, next.string() + ": has not taken over yet (--switch)");
    const bool is_gone = fs::remove(old);
    sync_directory(folder);
    return is_gone;
}

}  // namespace core
