#pragma once
#include <cstddef>

// Slurm's own allocator. What hangs in Slurm's structures must come from it and be as Slurm makes it: a text
// that is not there is NULL, and so is a list of none (a list of length 0 that is not NULL is shared by all
// tasks of an array, and freed by each).
extern "C" {
char* slurm_xstrdup(const char*);
void slurm_xfree(void**);
void* slurm_xcalloc(size_t count, size_t size, bool clear, bool may_fail, const char*, int, const char*);
}
