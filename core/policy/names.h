#pragma once
#include <string>
#include <string_view>

namespace core {

// Names that become file names, Slurm partitions or command arguments: 1 to 64 of a-z A-Z 0-9 . _ -, the
// first a letter or digit. So no name can leave its folder, look like an option or hide a line.
bool is_plain_name(std::string_view name) noexcept;

// Throws Error(usage) "WHAT: ..." unless is_plain_name.
void check_plain_name(std::string_view name, const std::string& what);

// A dataset version as people write it: "digits@1".
struct DatasetName {
    std::string dataset, version;
    std::string text() const { return dataset + "@" + version; }
};
// Throws Error(usage) unless both halves are plain names.
DatasetName parse_dataset_name(std::string_view text);

}  // namespace core
