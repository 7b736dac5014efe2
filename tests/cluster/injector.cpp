// Makes the n-th system call of a privileged piece of code fail: of a hook of the SPANK plugin in the real
// slurmstepd (loaded by plugstack.conf in the plugin's place, it loads the plugin and hands each hook on), of
// Prolog or of the wrapper (LD_PRELOAD). Each process reads what to do from a file, one line:
//
//   WHERE N ERRNO      WHERE is init, task_init_privileged, task_init (of the batch script), step_init ... (of a
//                      step), or a program's name; N counts from 1
//
// and adds a line "WHERE COUNT CALL" to a log when the call has failed (CALL is its number) or the piece of
// code has come to its end without that (-1). It works by syscall user dispatch: the kernel turns each call
// of this thread into SIGSYS, the handler makes the call itself, or does not. Nothing is traced or timed.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include <slurm/slurm.h>
#include <slurm/spank.h>
}
#pragma weak spank_context
#pragma weak spank_get_item  // not there in Prolog and in the wrapper

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

namespace {

constexpr const char* kOrder = "/usr/lib/aloft-injection/order";
constexpr const char* kLog = "/usr/lib/aloft-injection/log";
constexpr const char* kPlugin = "/usr/lib/aloft-injection/aloft_fence.so";

char g_where[64];
long g_wanted = 0, g_count = 0;
int g_error = 0;
volatile long g_failed = -1;
int g_log = -1;
volatile char g_selector = 0;  // 0: calls pass, 1: calls are turned into SIGSYS

// Calls from here pass whatever the selector says: [begin, end) is the range that the kernel is told.
asm(R"(
    .text
    .globl injector_begin, injector_call, injector_restore, injector_end
    .hidden injector_begin, injector_call, injector_restore, injector_end
injector_begin:
injector_call:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
    ret
injector_restore:
    mov $15, %rax
    syscall
    nop  # a call is known by the instruction after it
injector_end:
)");
extern "C" char injector_begin[], injector_end[];
extern "C" long injector_call(long number, long a, long b, long c, long d, long e, long f);
extern "C" void injector_restore();

void write_log(long count, long failed) {
    char line[128];
    const int size = std::snprintf(line, sizeof line, "%s %ld %ld\n", g_where, count, failed);
    if (g_log >= 0) injector_call(SYS_write, g_log, reinterpret_cast<long>(line), size, 0, 0, 0);
}

// The C library blocks all signals around a fork; without SIGSYS the next call would end the process. What
// the mask becomes is set in the frame as well, which the way back restores it from.
long set_mask(ucontext_t* context) {
    auto* registers = context->uc_mcontext.gregs;
    std::uint64_t wanted = 0;
    if (registers[REG_RSI]) {
        std::memcpy(&wanted, reinterpret_cast<const void*>(registers[REG_RSI]), 8);
        if (registers[REG_RDI] != SIG_UNBLOCK) wanted &= ~(std::uint64_t{1} << (SIGSYS - 1));
    }
    const long result = injector_call(SYS_rt_sigprocmask, registers[REG_RDI],
                                      registers[REG_RSI] ? reinterpret_cast<long>(&wanted) : 0,
                                      registers[REG_RDX], registers[REG_R10], 0, 0);
    injector_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, reinterpret_cast<long>(&context->uc_sigmask), 8, 0, 0);
    return result;
}

void handle(int, siginfo_t*, void* frame) {
    g_selector = 0;
    auto* context = static_cast<ucontext_t*>(frame);
    auto* registers = context->uc_mcontext.gregs;
    const long number = registers[REG_RAX];
    if (number == SYS_rt_sigreturn || number == SYS_vfork || (number == SYS_clone3 && registers[REG_RDI]) ||
        (number == SYS_clone &&
         registers[REG_RSI])) {   // they need the stack that they came with: made as they are,
        registers[REG_RIP] -= 2;  // and the rest of the program is left alone
        write_log(g_count, -2);
        return;
    }
    const bool ends = number == SYS_exit_group || number == SYS_exit;
    // Calls that cannot fail so; the C library ends the process if one does.
    const bool cannot_fail = ends || number == SYS_futex;
    if (!cannot_fail && ++g_count == g_wanted) {
        g_failed = number;
        write_log(g_count, number);
        registers[REG_RAX] = -g_error;
    } else if (number == SYS_rt_sigprocmask) {
        registers[REG_RAX] = set_mask(context);
    } else {
        if ((ends || number == SYS_execve) && g_failed < 0) write_log(g_count, -1);
        registers[REG_RAX] = injector_call(number, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                                           registers[REG_R10], registers[REG_R8], registers[REG_R9]);
    }
    g_selector = 1;  // the restorer stands in the range that passes
}

struct KernelAction {  // what the kernel takes; the C library would put its own restorer
    void (*handler)(int, siginfo_t*, void*);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
};

// Once, when the library is loaded: later the process may stand in a view where neither file is to be had.
void read_order() {
    FILE* file = std::fopen(kOrder, "re");
    if (!file) return;
    if (std::fscanf(file, "%63s %ld %d", g_where, &g_wanted, &g_error) != 3) g_where[0] = 0;
    std::fclose(file);
    g_log = ::open(kLog, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (g_log >= 0) return;
    char inside[128];  // the wrapper stands in a view where only the workspace can be written
    const char* node = std::getenv("SLURMD_NODENAME");
    std::snprintf(inside, sizeof inside, "/aloft/workspace/log-%s", node ? node : "");
    g_log = ::open(inside, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

// False if the order is not for `where`.
bool begin(const char* where) {
    if (std::strcmp(where, g_where) != 0) return false;
    g_count = 0;
    g_failed = -1;
    const KernelAction action{handle, SA_SIGINFO | SA_NODEFER | 0x04000000 /* SA_RESTORER */,
                              injector_restore, 0};
    ::syscall(SYS_rt_sigaction, SIGSYS, &action, nullptr, 8);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGSYS);
    ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
    if (::prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, injector_begin, injector_end - injector_begin, &g_selector))
        std::abort();  // a run without injection would prove nothing
    g_selector = 1;
    return true;
}

void end() {
    g_selector = 0;
    if (g_failed < 0) write_log(g_count, -1);
    ::prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);
}

int hand_on(const char* hook, spank_t spank, int count, char** arguments) {
    static void* plugin = ::dlopen(kPlugin, RTLD_NOW | RTLD_LOCAL);
    if (!plugin) std::abort();
    using Hook = int (*)(spank_t, int, char**);
    char name[64];
    std::snprintf(name, sizeof name, "slurm_spank_%s", hook);
    const auto real = reinterpret_cast<Hook>(::dlsym(plugin, name));
    if (!real) return ESPANK_SUCCESS;
    // The batch script's hooks by their own names, a step's as step_NAME.
    std::uint32_t step = 0;
    spank_get_item(spank, S_JOB_STEPID, &step);
    std::snprintf(name, sizeof name, "%s%s", step == SLURM_BATCH_SCRIPT ? "" : "step_", hook);
    if (spank_context() != S_CTX_REMOTE || !begin(name)) return real(spank, count, arguments);
    const int result = real(spank, count, arguments);
    end();
    return result;
}

// As a preloaded library: from the program's first line to its end.
__attribute__((constructor)) void loaded() {
    read_order();
    const char* where = std::getenv("ALOFT_INJECT");
    if (!where) return;
    char kept[64];
    std::snprintf(kept, sizeof kept, "%s", where);
    ::unsetenv("ALOFT_INJECT");
    ::unsetenv("LD_PRELOAD");
    if (begin(kept)) std::atexit(end);
}

}  // namespace

extern "C" {
extern const char plugin_name[], plugin_type[];
extern const unsigned int plugin_version, spank_plugin_version;
SPANK_PLUGIN(aloft_fence, 1)
extern const char aloft_fence_version[];  // Prolog looks for it
const char aloft_fence_version[] = "aloft-fence-version=" ALOFT_VERSION;
int slurm_spank_init(spank_t spank, int count, char** words) {
    return hand_on("init", spank, count, words);
}
int slurm_spank_user_init(spank_t spank, int count, char** words) {
    return hand_on("user_init", spank, count, words);
}
int slurm_spank_task_init_privileged(spank_t spank, int count, char** words) {
    return hand_on("task_init_privileged", spank, count, words);
}
int slurm_spank_task_init(spank_t spank, int count, char** words) {
    return hand_on("task_init", spank, count, words);
}
int slurm_spank_task_exit(spank_t spank, int count, char** words) {
    return hand_on("task_exit", spank, count, words);
}
}
