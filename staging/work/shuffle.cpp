#include "staging/work/shuffle.h"

#include "core/base/error.h"
#include "core/mpi/exchange.h"

namespace staging {
namespace {

struct Head {
    std::uint32_t partition, bytes;
};

std::uint64_t number_at(const core::Bytes& bytes, std::size_t& at) {
    std::uint64_t value = 0;
    if (at + sizeof value > bytes.size()) throw core::Error(core::Fault::bug, "an index is cut short");
    std::memcpy(&value, bytes.data() + at, sizeof value);
    at += sizeof value;
    return value;
}

}  // namespace

ShuffleFiles::ShuffleFiles(const core::Comm& comm, std::filesystem::path folder, std::string name,
                           std::int64_t partitions, const core::SecretKey& key, const Options& options)
    : comm_(comm),
      folder_(std::move(folder)),
      name_(std::move(name)),
      partitions_(partitions),
      key_(key),
      options_(options),
      mine_(static_cast<std::size_t>((partitions - comm.rank() + comm.size() - 1) / comm.size())) {}

std::filesystem::path ShuffleFiles::file(int owner, const char* end) const {
    return folder_ / (name_ + "-" + std::to_string(owner) + end);
}

void ShuffleFiles::take(core::ByteView bytes) {
    taken_bytes_ += bytes.size();
    while (!bytes.empty()) {
        Head head{};
        if (bytes.size() < sizeof head) throw core::Error(core::Fault::bug, "a record is cut short");
        std::memcpy(&head, bytes.data(), sizeof head);
        bytes = bytes.subspan(sizeof head);
        Part& part = mine_.at(head.partition / static_cast<std::uint32_t>(comm_.size()));
        const core::ByteView record = bytes.first(head.bytes);
        part.buffer.insert(part.buffer.end(), record.begin(), record.end());
        bytes = bytes.subspan(head.bytes);
        buffered_ += record.size();
    }
    if (buffered_ >= options_.exchange_bytes) flush();
}

void ShuffleFiles::flush() {
    if (buffered_ == 0) return;
    SealedWriter out(file(comm_.rank(), kRecords), key_, name_, *options_.disk);
    for (Part& part : mine_) {
        if (part.buffer.empty()) continue;
        part.blocks.push_back(out.append(part.buffer));
        part.bytes += part.buffer.size();
        core::Bytes().swap(part.buffer);
    }
    buffered_ = 0;
}

// Of each partition: its bytes, the number of its blocks, where each begins.
void ShuffleFiles::write_index() const {
    core::Bytes out;
    const auto number = [&](std::uint64_t value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        out.insert(out.end(), bytes, bytes + sizeof value);
    };
    for (const Part& part : mine_) {
        number(part.bytes);
        number(part.blocks.size());
        for (const std::uint64_t block : part.blocks) number(block);
    }
    SealedWriter(file(comm_.rank(), kIndex), key_, name_ + " index", *options_.disk).append(out);
}

void ShuffleFiles::fill(const std::function<bool(const Put&)>& step) {
    core::together(comm_, [&] {  // of a killed run
        for (const char* end : {kRecords, kIndex}) remove_file(file(comm_.rank(), end), *options_.disk);
    });
    core::Bytes message;
    core::exchange(
        comm_, options_.exchange_bytes,
        [&](const core::Send& send) {
            return step([&](std::int64_t partition, core::ByteView record) {
                const Head head{static_cast<std::uint32_t>(partition),
                                static_cast<std::uint32_t>(record.size())};
                message.assign(reinterpret_cast<const std::uint8_t*>(&head),
                               reinterpret_cast<const std::uint8_t*>(&head) + sizeof head);
                message.insert(message.end(), record.begin(), record.end());
                put_bytes_ += message.size();
                send(static_cast<int>(partition % comm_.size()), message);
            });
        },
        [&](int, core::ByteView bytes) { take(bytes); });
    core::together(comm_, [&] {
        flush();
        write_index();
    });
    if (comm_.sum(static_cast<std::int64_t>(put_bytes_)) !=
        comm_.sum(static_cast<std::int64_t>(taken_bytes_)))
        throw core::AgreedError(core::Fault::bug, "records were lost between ranks");
}

core::Bytes ShuffleFiles::partition(std::int64_t number) const {
    const int owner = static_cast<int>(number % comm_.size());
    const core::Bytes index = SealedReader(file(owner, kIndex), key_, name_ + " index", *options_.disk).at(0);
    std::size_t at = 0;
    for (std::int64_t before = number / comm_.size(); before > 0; --before) {
        number_at(index, at);
        at += number_at(index, at) * sizeof(std::uint64_t);
    }
    const std::uint64_t bytes = number_at(index, at);
    core::Bytes all;
    if (bytes == 0) return all;
    all.reserve(bytes);
    const SealedReader reader(file(owner, kRecords), key_, name_, *options_.disk);
    for (std::uint64_t left = number_at(index, at); left > 0; --left) {
        const core::Bytes block = reader.at(number_at(index, at));
        all.insert(all.end(), block.begin(), block.end());
    }
    if (all.size() != bytes)
        throw core::Error(core::Fault::data,
                          "the work folder lost records. Remove it and run the build again");
    return all;
}

}  // namespace staging
