#pragma once

namespace trainer {

// How many cores this process may run on (sched_getaffinity), divided by LOCAL_WORLD_SIZE: torchrun says it and binds none
// of its processes; at least 1. Of others' ranks that nobody bound nothing is known.
int cores_of_process();

// How many threads of a loader read ahead and decrypt where nobody has said it: a quarter of `cores`, 1 to 8, for the
// others have a program to feed.
int reader_threads_for(int cores);

// What loaders of LoaderOptions::threads 0 take from here on: for a program that knows its cores better than
// cores_of_process does. Safe to call from many threads.
void set_reader_threads(int threads);
int reader_threads();  // unless set, reader_threads_for(cores_of_process())

}  // namespace trainer
