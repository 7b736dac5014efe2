/* What aloft.h promises, asked of the installed library in C.
 *   contract FOLDER KEY SAMPLES    of a dataset version whose split train holds SAMPLES samples of 1 x 8 x 8 u8 */
#include <aloft.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDS(what)                                                                   \
    do {                                                                              \
        if (!(what)) {                                                                \
            fprintf(stderr, "%d: not so: %s (%s)\n", __LINE__, #what, aloft_error()); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

static aloft_options training(int rank, int ranks) {
    aloft_options options = ALOFT_OPTIONS;
    options.split = "train";
    options.label = "label";
    options.global_batch = 24;
    options.rank = rank;
    options.ranks = ranks;
    options.seed = 7;
    return options;
}

/* Numbers of one rank's samples of an epoch from `first` on; returns how many. */
static int64_t epoch(aloft_dataset* data, int rank, int ranks, int64_t first, int64_t* numbers) {
    aloft_loader* loader;
    const aloft_options options = training(rank, ranks);
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_OK);
    HOLDS(aloft_begin(loader, 2, first) == ALOFT_OK);
    aloft_batch batch;
    int64_t count = 0;
    int code;
    while ((code = aloft_next(loader, &batch)) == ALOFT_OK) {
        HOLDS(batch.next == first + 24 && batch.valid == batch.sample.shape[0]);
        first = batch.next;
        HOLDS(batch.inputs.type == ALOFT_U8 && batch.inputs.dimensions == 4);
        HOLDS(batch.inputs.shape[0] == batch.valid && batch.inputs.shape[1] == 1 &&
              batch.inputs.shape[2] == 8 && batch.inputs.shape[3] == 8 &&
              (uintptr_t)batch.inputs.data % 64 == 0);
        HOLDS(batch.label.type == ALOFT_I64 && batch.patient.type == ALOFT_U8 &&
              batch.patient.shape[1] == 16);
        memcpy(numbers + count, batch.sample.data, (size_t)batch.valid * sizeof *numbers);
        count += batch.valid;
        aloft_release(batch.owner);
    }
    HOLDS(code == ALOFT_END && aloft_next(loader, &batch) == ALOFT_END);
    aloft_close_loader(loader);
    return count;
}

static int compare(const void* a, const void* b) {
    const int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
    return (x > y) - (x < y);
}

static void* wrong_split(void* data) {
    aloft_options options = training(0, 1);
    options.split = "trian";
    aloft_loader* loader = NULL;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && loader == NULL);
    HOLDS(strstr(aloft_error(), "there is no split \"trian\""));
    return NULL;
}

int main(int argc, char** argv) {
    HOLDS(argc == 4);
    const int64_t samples = atoll(argv[3]);
    HOLDS(strcmp(aloft_error(), "") == 0 && strcmp(aloft_version(), "0.1.0") == 0);

    /* Permission */
    aloft_dataset* data = NULL;
    HOLDS(aloft_open(argv[1], "/nowhere/at all/x.key", NULL, &data) == ALOFT_REFUSED && data == NULL);
    HOLDS(strstr(aloft_error(), "no key for bars@1") && !strstr(aloft_error(), "nowhere"));
    HOLDS(aloft_open("bars@1", NULL, NULL, &data) == ALOFT_REFUSED && !strchr(aloft_error(), '/'));
    HOLDS(aloft_open("../bars", NULL, NULL, &data) == ALOFT_USAGE);
    HOLDS(aloft_open(NULL, NULL, NULL, &data) == ALOFT_USAGE &&
          aloft_open(argv[1], argv[2], NULL, NULL) == ALOFT_USAGE);
    HOLDS(aloft_open(argv[1], argv[2], NULL, &data) == ALOFT_OK && data);

    const char* json = NULL;
    HOLDS(aloft_describe(data, &json) == ALOFT_OK && strstr(json, "\"dataset\":\"bars@1\""));
    HOLDS(strstr(json, "\"sealed\":\"absent\""));

    /* Errors, per thread */
    pthread_t thread;
    aloft_options options = training(3, 3);
    aloft_loader* loader = NULL;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "rank"));
    HOLDS(pthread_create(&thread, NULL, wrong_split, data) == 0 && pthread_join(thread, NULL) == 0);
    HOLDS(strstr(aloft_error(), "rank"));
    options = training(0, 1);
    options.size = 8;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "aloft.h"));

    /* Order and resume */
    int64_t *one = calloc((size_t)samples, 8), *part = calloc((size_t)samples, 8);
    const int64_t whole = epoch(data, 0, 1, 0, one);
    HOLDS(whole == samples / 24 * 24);
    int64_t together = 0;
    for (int rank = 0; rank < 5; ++rank) together += epoch(data, rank, 5, 0, part + together);
    qsort(part, (size_t)together, 8, compare);
    int64_t* sorted = calloc((size_t)samples, 8);
    memcpy(sorted, one, (size_t)whole * 8);
    qsort(sorted, (size_t)whole, 8, compare);
    HOLDS(together == whole && memcmp(part, sorted, (size_t)whole * 8) == 0);
    HOLDS(epoch(data, 0, 1, 48, part) == whole - 48 && memcmp(part, one + 48, (size_t)(whole - 48) * 8) == 0);

    /* Columns */
    aloft_array column;
    aloft_owner* owner = NULL;
    HOLDS(aloft_column(data, NULL, "train", &column, &owner) == ALOFT_OK);
    HOLDS(column.type == ALOFT_I64 && column.dimensions == 1 && column.shape[0] == samples);
    HOLDS(bsearch(&sorted[0], column.data, (size_t)samples, 8, compare));
    aloft_release(owner);
    HOLDS(aloft_column(data, "site", NULL, &column, &owner) == ALOFT_OK && column.type == ALOFT_I32);
    aloft_release(owner);
    HOLDS(aloft_column(data, "patient", "test", &column, &owner) == ALOFT_OK && column.dimensions == 2);
    aloft_release(owner);
    HOLDS(aloft_column(data, "sites", NULL, &column, &owner) == ALOFT_USAGE && strstr(aloft_error(), "site"));

    /* A part of each sample, and the same field once more beside it */
    const int64_t extent[] = {10, 3};
    const char* const image = "image";
    options = training(0, 1);
    options.crop = extent, options.crop_dimensions = 2, options.crop_random = 1, options.fill = 9;
    options.beside = &image, options.beside_count = 1;
    aloft_batch part_of;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_OK && aloft_begin(loader, 0, 0) == ALOFT_OK);
    HOLDS(aloft_next(loader, &part_of) == ALOFT_OK && part_of.beside_count == 1);
    HOLDS(part_of.inputs.shape[2] == 10 && part_of.inputs.shape[3] == 3 && part_of.inputs.dimensions == 4);
    HOLDS(part_of.origin.shape[0] == 24 && part_of.origin.shape[1] == 2);
    HOLDS(memcmp(part_of.beside[0].shape, part_of.inputs.shape, sizeof part_of.inputs.shape) == 0);
    const uint8_t *cut = part_of.inputs.data, *beside = part_of.beside[0].data;
    for (int64_t i = 0; i < 24 * 30; ++i) {
        const int is_filled = i % 30 < 3 || i % 30 >= 27;
        HOLDS(is_filled ? cut[i] == 9 && beside[i] == 0 : cut[i] == beside[i]);
        HOLDS(((const int64_t*)part_of.origin.data)[i / 30 * 2] == -1);
    }
    aloft_release(part_of.owner);
    aloft_close_loader(loader);
    options.crop_dimensions = 5;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "1 to 4"));
    options.crop_dimensions = 2, options.beside_count = 65;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "64"));

    /* Each sample several times, another part each time */
    options = training(0, 1);
    options.crop = extent, options.crop_dimensions = 1, options.crop_random = 1, options.fill = 9, options.per_sample = 3;
    aloft_extent extent_of;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_OK && aloft_extent_of(loader, &extent_of) == ALOFT_OK);
    HOLDS(extent_of.samples == 3 * samples && extent_of.steps == samples / 8 && aloft_begin(loader, 0, 0) == ALOFT_OK);
    HOLDS(aloft_next(loader, &part_of) == ALOFT_OK && part_of.which.shape[0] == 24);
    int64_t others = 0;
    for (int64_t i = 0; i < 24; ++i) {
        const int64_t which = ((const int64_t*)part_of.which.data)[i];
        HOLDS(which >= 0 && which < 3);
        others += which != 0;
    }
    HOLDS(others > 0);
    aloft_release(part_of.owner);
    aloft_close_loader(loader);
    options.crop_random = 0;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "at random"));
    options.crop_random = 1, options.per_sample = -1;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "1 or more"));

    /* Balance */
    options = training(0, 1);
    options.balance = "columns = ['vendor', 'label']\nmost_repeats = 5";
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_OK && aloft_extent_of(loader, &extent_of) == ALOFT_OK);
    HOLDS(extent_of.samples == samples && extent_of.steps == samples / 24);
    HOLDS(aloft_describe_loader(loader, &json) == ALOFT_OK && strstr(json, "{\"vendor\":\"zeta\",\"label\":\"top\"}"));
    aloft_close_loader(loader);
    options.split = "validation";
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "balance is for training"));
    options.split = "train", options.balance = "column = 'vendor'";
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "columns"));

    /* Several datasets; moments to pool */
    options = training(0, 1);
    options.more = &data, options.more_count = 1;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE && strstr(aloft_error(), "the same samples"));
    aloft_moments moments;
    HOLDS(aloft_moments_of(data, "train", "image", &moments) == ALOFT_OK && moments.count == samples * 64);
    HOLDS(moments.mean > 0 && moments.mean < 255 && moments.squares > 0);
    HOLDS(aloft_moments_of(data, "train", "imag", &moments) == ALOFT_USAGE && strstr(aloft_error(), "image"));
    HOLDS(aloft_moments_of(data, "trian", "image", &moments) == ALOFT_USAGE);

    /* Batches outlive loader and dataset; a signal of the program never runs in a thread of the library */
    options = training(0, 1);
    options.threads = 4;
    const float scale = 0.5F, offset = -1;
    options.scale = &scale, options.offset = &offset, options.channels = 1;
    HOLDS(aloft_load(data, &options, &loader) == ALOFT_OK && aloft_begin(loader, 0, 0) == ALOFT_OK);
    aloft_batch kept, raw;
    HOLDS(aloft_next(loader, &kept) == ALOFT_OK && kept.inputs.type == ALOFT_F32);

    /* A child of a fork has nothing of it, and breaks nothing */
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        HOLDS(aloft_next(loader, &raw) == ALOFT_USAGE && strstr(aloft_error(), "forked"));
        HOLDS(aloft_begin(loader, 1, 0) == ALOFT_USAGE && aloft_describe(data, &json) == ALOFT_USAGE);
        HOLDS(aloft_load(data, &options, &loader) == ALOFT_USAGE);
        aloft_release(kept.owner);
        aloft_close_loader(loader);
        aloft_close(data);
        HOLDS(aloft_open(argv[1], argv[2], NULL, &data) == ALOFT_OK); /* its own */
        HOLDS(epoch(data, 0, 1, 0, part) == whole && memcmp(part, one, (size_t)whole * 8) == 0);
        aloft_close(data);
        _exit(0); /* what is the parent's stays as it is */
    }
    int status = -1;
    HOLDS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);

    aloft_loader* plain;
    const aloft_options unchanged = training(0, 1);
    HOLDS(aloft_load(data, &unchanged, &plain) == ALOFT_OK && aloft_begin(plain, 0, 0) == ALOFT_OK);
    aloft_close(data);
    aloft_close_loader(loader);
    HOLDS(aloft_next(plain, &raw) == ALOFT_OK);
    aloft_close_loader(plain);
    for (int64_t i = 0; i < kept.valid * 64; ++i)
        HOLDS(((const float*)kept.inputs.data)[i] == (float)((const uint8_t*)raw.inputs.data)[i] * 0.5F - 1);
    aloft_release(kept.owner);
    aloft_release(raw.owner);
    aloft_release(NULL), aloft_close_loader(NULL), aloft_close(NULL);
    free(one), free(part), free(sorted);
    puts("the contract holds");
    return 0;
}
