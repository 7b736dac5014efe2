#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/keys/keys.h"

// An enclave's key on its nodes, and how another takes over from it without a moment in which a job cannot start. In a host's folder
// of keys lie NAME.enclave.key, by which the enclave's nodes know each other; before the change NAME.enclave.next.key, which opens
// what is sealed to it already; after it NAME.enclave.old.key, which opens what is still sealed to it.

namespace core {

std::filesystem::path enclave_key(const std::filesystem::path& folder, std::string_view enclave);
std::filesystem::path next_enclave_key(const std::filesystem::path& folder, std::string_view enclave);

// Those of the three that are there; NAME.enclave.key is the first and always one of them.
std::vector<std::filesystem::path> enclave_keys(const std::filesystem::path& folder,
                                                std::string_view enclave);

// Whether a file of that name holds the private half of an enclave's key.
bool is_enclave_key(std::string_view file_name);

// The first 16 hex digits of the SHA-256 of its public half.
std::string id_of(const SealingKey& key);

// A dataset's sealed key as it was published, SITE.mirror/keys/ENCLAVE/DATASET.sealed: in base64, without the end of its line. Throws
// as read_text.
std::string read_seal(const std::filesystem::path& file);

// The next key becomes the key, and the key the old one. False if that has happened already; goes on where it was cut off. Throws
// Error(usage) if there is no next key, or if an older one is still there.
bool switch_enclave_key(const std::filesystem::path& folder, std::string_view enclave);

// Removes the old key. False if there is none; throws Error(usage) if the next one has not taken over.
bool drop_old_enclave_key(const std::filesystem::path& folder, std::string_view enclave);

}  // namespace core
