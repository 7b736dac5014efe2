/* Preloaded, it makes a file system poor: without locks (ALOFT_NO_LOCKS), or full for files with ALOFT_FULL in their path. With ALOFT_TERM
 * a SIGTERM comes as MPI starts. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*fcntl_call)(int, int, ...);
typedef ssize_t (*write_call)(int, const void*, size_t);

static int lock_or(const char* name, int fd, int command, void* argument) {
    if (command == F_OFD_SETLK && getenv("ALOFT_NO_LOCKS")) {
        errno = ENOLCK;
        return -1;
    }
    return ((fcntl_call)dlsym(RTLD_NEXT, name))(fd, command, argument);
}

#define FCNTL(name)                                     \
    int name(int fd, int command, ...) {                \
        va_list more;                                   \
        va_start(more, command);                        \
        void* argument = va_arg(more, void*);           \
        va_end(more);                                   \
        return lock_or(#name, fd, command, argument);   \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

ssize_t write(int fd, const void* bytes, size_t size) {
    static write_call next;
    if (!next) next = (write_call)dlsym(RTLD_NEXT, "write");
    const char* full = getenv("ALOFT_FULL");
    if (full && fd > 2) {
        char link[64], path[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = 0;
        if (strstr(path, full)) {
            errno = ENOSPC;
            return -1;
        }
    }
    return next(fd, bytes, size);
}

typedef int (*init_call)(int*, char***, int, int*);

int MPI_Init_thread(int* argc, char*** argv, int wanted, int* provided) {
    if (getenv("ALOFT_TERM")) raise(SIGTERM);
    return ((init_call)dlsym(RTLD_NEXT, "MPI_Init_thread"))(argc, argv, wanted, provided);
}
