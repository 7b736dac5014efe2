#pragma once
#include <string>

#include "trainer/model/safetensors.h"

namespace trainer {

// Where weights come from: a model file that began with another's has the entry aloft.began_from, a JSON list, nearest
// first, of the files that came before it: [{"sha256": hex, "dataset": what that file said it was trained on, or ""}].
// Of several datasets the text is "one@1*other@2".
inline constexpr const char* kBeganFrom = "aloft.began_from";

// That entry for weights that begin with `file`, of this digest. Throws Error(data) if the file's own is no such list.
std::string began_from(const TensorFile& file, const std::string& sha256);

// The digest of the weights that the entry tells of first. Throws Error(data) if it is no such list.
std::string first_digest(const std::string& entry);

// Whether the file, or one that it began from, says that it was trained on a version of this dataset ("digits"). Throws
// Error(data) if the file's entry is no such list.
bool is_trained_on(const TensorFile& file, const std::string& dataset);

}  // namespace trainer
