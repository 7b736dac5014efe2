#include <malloc.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>

#include "staging/sandbox/channel.h"
#include "staging/sandbox/descriptors.h"
#include "staging/sandbox/sandbox.h"

// The worker's side. Nothing here is reached by the program itself.
namespace staging {

constexpr int kSocket = 3;  // where leave_parent_behind puts it

namespace {

ssize_t say_nothing(void*, const char*, std::size_t count) {
    return static_cast<ssize_t>(count);
}

// Libraries print what they think of a file, and the system call with which they do is forbidden: what goes to the
// standard streams ends here.
void silence() {
    const cookie_io_functions_t nowhere{nullptr, say_nothing, nullptr, nullptr};
    for (FILE** stream : {&stdout, &stderr})
        if (FILE* silent = ::fopencookie(nullptr, "w", nowhere)) *stream = silent;
}

}  // namespace

void serve(int socket, core::Fd region_fd, const Start& start, pid_t fork_server, MakeAnswers make) {
    try {
        prctl(PR_SET_NAME, "aloft-reader");
        const Region region(std::move(region_fd), start.region_bytes);
        if (!leave_parent_behind(socket, fork_server)) ::_exit(1);
        // Large blocks go back to the kernel when they are freed, so that one large file does not stay.
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        try {
            throw 0;  // the unwinder sets itself up now, while it may
        } catch (int) {
        }
        silence();
        if (!enter_sandbox(start.memory_bytes)) ::_exit(1);

        const std::unique_ptr<Answers> answers(make(region));
        while (auto question = receive_message<Question>(kSocket)) {
            const std::size_t bytes = answers->answer(question->message, std::move(question->descriptors[0]));
            const Reply reply{bytes};
            if (::send(kSocket, &reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply) break;
        }
    } catch (...) {  // the program sees a worker that died
        ::_exit(1);
    }
    ::_exit(0);
}

}  // namespace staging
