#include "staging/work/shuffle.h"

#include "staging/work/sealed_file.h"

namespace staging {

ShuffleFiles::ShuffleFiles(const core::Comm& comm, std::filesystem::path folder, std::string name,
                           std::int64_t partitions, const core::SecretKey& key)
    : comm_(comm),
      folder_(std::move(folder)),
      name_(std::move(name)),
      partitions_(partitions),
      key_(key),
      buffers_(static_cast<std::size_t>(partitions)) {}

std::filesystem::path ShuffleFiles::file(std::int64_t partition, int rank) const {
    return folder_ / (name_ + "-" + std::to_string(partition) + "." + std::to_string(rank));
}

void ShuffleFiles::put(std::int64_t partition, core::ByteView record) {
    core::Bytes& buffer = buffers_[static_cast<std::size_t>(partition)];
    buffer.insert(buffer.end(), record.begin(), record.end());
    buffered_ += record.size();
    if (buffered_ >= kBufferBytes) flush();
}

void ShuffleFiles::flush() {
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        if (buffers_[i].empty()) continue;
        const auto number = static_cast<std::int64_t>(i);
        SealedWriter(file(number, comm_.rank()), key_, name_ + "/" + std::to_string(number))
            .append(buffers_[i]);
        core::Bytes().swap(buffers_[i]);
    }
    buffered_ = 0;
}

void ShuffleFiles::seal() {
    core::together(comm_, [&] { flush(); });
}

core::Bytes ShuffleFiles::partition(std::int64_t number) const {
    core::Bytes all;
    for (int rank = 0; rank < comm_.size(); ++rank) {
        const auto path = file(number, rank);
        if (!std::filesystem::exists(path)) continue;
        SealedReader reader(path, key_, name_ + "/" + std::to_string(number));
        while (const auto block = reader.next()) all.insert(all.end(), block->begin(), block->end());
    }
    return all;
}

}  // namespace staging
