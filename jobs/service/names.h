#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "jobs/service/worker.h"
#include "jobs/wire/caller.h"

namespace jobs {

// The names of those who ask, by their numbers. This host's name service is asked on a thread of its own: it may hang, and
// then whoever is known already goes on being served, and only who is not waits for it.
class Names {
public:
    // What is asked: account_of of jobs/wire/caller.h. Throws Error if there is no answer.
    using Ask = std::function<std::string(uid_t)>;
    // Where that is silent, who stands in `own_file` has a name all the same.
    explicit Names(Ask ask, std::filesystem::path own_file = "/etc/passwd");

    struct Answer {
        enum class State { known, asked, silent } state = State::asked;
        std::string name;  // if known
    };
    // `asked`: look again when fd() was readable and hear() was called. `silent`: there was no answer just now. A name counts
    // for a minute; where nothing is answered for an hour.
    Answer of(uid_t uid, std::int64_t now_ms);
    // Both names of who asks. One that stands there already is not asked for again: it may be old when the other comes.
    Answer::State name(Peer& peer, std::int64_t now_ms);

    int fd() const noexcept { return worker_.fd(); }
    void hear(std::int64_t now_ms);

private:
    void keep(uid_t uid, const std::optional<std::string>& name);

    struct Heard {
        std::string name;
        std::int64_t at_ms = 0;
    };
    Ask ask_;
    std::filesystem::path own_file_;
    std::int64_t now_ms_ = 0;  // of hear()
    std::map<uid_t, Heard> heard_;
    std::set<uid_t> asked_;
    std::map<uid_t, std::int64_t> silent_;  // when there was no answer
    std::atomic<unsigned> silences_{
        0};          // so often there was none: who waited behind that one is not asked for
    Worker worker_;  // last: its thread uses the others
};

}  // namespace jobs
