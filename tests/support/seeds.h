#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace test {

// A folder of inputs that libFuzzer starts from, a file each.
class Seeds {
public:
    explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {
        std::filesystem::create_directories(folder_);
    }
    int count() const noexcept { return count_; }
    void add(std::string_view bytes) {
        std::ofstream(folder_ / ("seed-" + std::to_string(count_++)), std::ios::binary) << bytes;
    }
    // Behind a byte that says what it is.
    void add(char kind, std::string_view bytes) { add(kind + std::string(bytes)); }

private:
    std::filesystem::path folder_;
    int count_ = 0;
};

}  // namespace test
