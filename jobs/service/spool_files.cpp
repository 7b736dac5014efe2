#include "jobs/service/spool_files.h"

namespace jobs {

std::int64_t files_in_spool(const std::filesystem::path& spool) {
    constexpr std::size_t kSpoolMost = 10000;
    std::size_t count = 0, looked_at = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator host(spool, error), end; !error && host != end;
         host.increment(error)) {
        if (++looked_at > kSpoolMost) break;
        std::error_code inner;
        for (std::filesystem::directory_iterator file(host->path(), inner), none; !inner && file != none;
             file.increment(inner)) {
            count += file->path().filename().string().front() != '.';
            if (count >= kSpoolMost || ++looked_at > 2 * kSpoolMost) return static_cast<std::int64_t>(count);
        }
    }
    return static_cast<std::int64_t>(count);
}

}  // namespace jobs
