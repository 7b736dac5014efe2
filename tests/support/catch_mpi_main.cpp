// Starts MPI before Catch and lets every rank's result count: the exit code is the largest.
#define CATCH_CONFIG_RUNNER
#include <mpi.h>

#include <catch2/catch.hpp>

// Our leaks are looked for while MPI still runs, and what it took when it started does not count: Open
// MPI 4.1 gives little of that back, and unloads the components by which its leaks could be told from ours.
// What it leaks in between is listed in open_mpi.supp.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
static void __lsan_disable() {}
static void __lsan_enable() {}
static void __lsan_do_leak_check() {}
#endif

int main(int argc, char** argv) {
    int provided = 0;
    __lsan_disable();
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    __lsan_enable();
    int result = Catch::Session().run(argc, argv);
    int worst = 0;
    MPI_Allreduce(&result, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    __lsan_do_leak_check();
    MPI_Finalize();
    return worst < 255 ? worst : 255;
}
