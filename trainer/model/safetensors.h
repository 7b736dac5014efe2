#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "trainer/model/model.h"

namespace trainer {

// Tensors in a file that every framework reads and that cannot hold code: safetensors. Ours always carry the
// metadata entry "aloft.sha256", the SHA-256 of the whole file with the 64 characters of that entry as '0'.
struct TensorFile {
    std::vector<NamedTensor> tensors;             // by distinct names
    std::map<std::string, std::string> metadata;  // without aloft.sha256

    // Throws Error(data) that names it if there is none such.
    const at::Tensor& tensor(const std::string& name) const;
    const std::string& text(const std::string& key) const;
};

// Any device and layout; what is stored is contiguous. Throws Error(system); the file appears whole or not.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

// Strict: an exact header, tensors side by side in the order of their offsets without gap or overlap, no byte
// before, between or behind them, and the digest right. Other programs write none: with Origin::anywhere it
// may be absent. Throws Error(data) that says what is wrong; `what` names the file. Copies: `bytes` may go.
enum class Origin { ours, anywhere };
TensorFile parse_safetensors(core::ByteView bytes, const std::string& what, Origin origin);
TensorFile read_safetensors(const std::filesystem::path& path, Origin origin);

// Copies the tensors of `from` into those of `into` with the same names, which must have the same shapes and
// types; bf16 fits into float32, as released models are. Throws Error(data) for one that is missing or does not
// fit. `prefix` stands before names in `from`.
void copy_tensors(const TensorFile& from, const std::string& prefix, const std::vector<NamedTensor>& into);

}  // namespace trainer
