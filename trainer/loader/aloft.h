/* libaloft: the samples of a granted dataset, as batches in memory, to a program in any language.
 *
 *   aloft_dataset* data;
 *   if (aloft_open("digits@1", NULL, NULL, &data) != ALOFT_OK) return fail(aloft_error());
 *   aloft_options options = ALOFT_OPTIONS;
 *   options.split = "train", options.batch = 64, options.seed = 1;
 *   aloft_loader* loader;
 *   if (aloft_load(data, &options, &loader) != ALOFT_OK) ...
 *   if (aloft_begin(loader, epoch, 0) != ALOFT_OK) ...
 *   aloft_batch batch;
 *   int code;
 *   while ((code = aloft_next(loader, &batch)) == ALOFT_OK) {
 *       ... batch.inputs.data ...
 *       aloft_release(batch.owner);
 *   }
 *   if (code != ALOFT_END) return fail(aloft_error());
 *   aloft_close_loader(loader);
 *   aloft_close(data);
 *
 * Order    A function of (seed, epoch) only. A step's samples are the same on any number of ranks, which take
 *          them rank after rank; each rank has the same number of steps. (seed, epoch, batch.next) is all that
 *          must be kept to go on exactly there, on any number of ranks and with any batch: by a loader of the same
 *          datasets, split, balance and per_sample, which nobody checks.
 * Trust    No byte is handed out that is not authenticated. The key is the one that the job was given; a
 *          process without permission gets ALOFT_REFUSED and nothing else.
 * Errors   Functions return ALOFT_OK, ALOFT_END or the code of a failure; aloft_error() is then one line that
 *          says what failed, why and what to do, without a key, a path or a value of a sample. Where a function
 *          fails it has changed nothing that its out parameters point to.
 * Owning   What aloft_open, aloft_load, aloft_next and aloft_column give is the caller's, to be given back by
 *          aloft_close, aloft_close_loader and aloft_release: in any order, each once; NULL is nothing. A
 *          dataset lives until its last loader is closed; batches live on when both are gone.
 * Threads  A dataset may be used by many threads at once, and batches may be released by any. A loader is used
 *          by one thread at a time. The loader's own threads take none of the program's signals.
 * Fork     A child process can use nothing of its parent's (ALOFT_USAGE; closing and releasing there do
 *          nothing): the threads that read are the parent's. Open after the fork, or use threads.
 * Memory   Arrays are in C order, dense, little endian, 64 bytes aligned where all samples have one shape.
 * SIGBUS   is handled, so that a file that is cut while it is read is ALOFT_DATA; others' go where they went.
 *          A program that installs its own handler afterwards takes that over.
 */
#ifndef ALOFT_H
#define ALOFT_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whose move it is. */
enum {
    ALOFT_END = -1, /* no failure: the epoch has no more batches */
    ALOFT_OK = 0,
    ALOFT_BUG = 1,    /* ours */
    ALOFT_USAGE = 2,  /* the caller */
    ALOFT_DATA = 3,   /* the data's owner: damaged; file, dataset and sample are named */
    ALOFT_SYSTEM = 4, /* the operator: disk, memory, threads */
    ALOFT_REFUSED = 5 /* nobody: no key, no grant, no seal */
};

/* Element types, in the order of the shard format. */
enum { ALOFT_U8 = 1, ALOFT_I8, ALOFT_U16, ALOFT_I16, ALOFT_U32, ALOFT_I32, ALOFT_I64, ALOFT_F32, ALOFT_F64 };

#define ALOFT_MOST_DIMENSIONS 5

typedef struct aloft_dataset aloft_dataset;
typedef struct aloft_loader aloft_loader;
typedef struct aloft_owner aloft_owner;

typedef struct aloft_array {
    void* data;   /* NULL: there is no such array, or it has no elements */
    int32_t type; /* ALOFT_U8 ...; 0: there is no such array */
    int32_t dimensions;
    int64_t shape[ALOFT_MOST_DIMENSIONS];
} aloft_array;

/* Begin with ALOFT_OPTIONS. Strings and arrays are read by aloft_load and not kept. */
typedef struct aloft_options {
    uint32_t size;        /* sizeof(aloft_options) of the caller */
    uint32_t shuffle;     /* 1: anew in every epoch; 0: as stored */
    const char* split;    /* train, validation, test; NULL: all samples */
    const char* field;    /* NULL: the dataset has one */
    const char* label;    /* a column; NULL: none */
    int64_t batch;        /* samples per rank and step */
    int64_t global_batch; /* over all ranks, spread evenly, whatever batch says; 0: ranks x batch */
    int32_t rank, ranks;
    uint64_t seed;
    uint32_t keep_tail; /* 1: every sample once, the last step smaller; 0: all steps of one size */
    int32_t threads;    /* that read ahead and decrypt; 0: a quarter of the cores that are ours, 1 to 8 */
    /* Not NULL: inputs are float32, value * scale + offset; `channels` entries of each: 1 for all, or one for
     * each of the field's first dimension. */
    const float *scale, *offset;
    int64_t channels;
    /* Not NULL: of each sample a part of this extent, in its last `crop_dimensions` dimensions, slowest first; those
     * before (channels) are taken whole. Only so samples that differ in shape fit one batch. Of a sample that is
     * smaller all, in the middle of `fill`, a value of the field. */
    const int64_t* crop;
    uint32_t crop_dimensions;
    uint32_t crop_random; /* 1: anywhere in the sample, by (seed, epoch, sample); 0: in its middle */
    double fill;
    /* Not NULL: more fields of the same samples, as stored: a mask of the image. Cropped where the field is, where
     * their extent must be the same; filled with 0. */
    const char* const* beside;
    uint32_t beside_count;
    /* Which samples come more often than others: the [balance] table of a recipe in TOML; NULL: each comes equally
     * often. Of a shuffled order, and not of a split that is judged. columns = ["site", "label"]: each crossing of these
     * categories has the same share of an epoch, which is as long as without; "dataset" is one, where there are several;
     * most_repeats = 10: no sample comes more
     * often. weights = {site = {north = 0.5}}: how often a sample comes in an epoch, on average. */
    const char* balance;
    /* How often an epoch has each sample, each time with another crop: of a shuffled order and crop_random, and not of a
     * split that is judged. 0 is 1. */
    int64_t per_sample;
    /* Not NULL: more datasets, read as one with the first. They have its fields, in type, shape and unit, and its
     * columns; categories are one by their names (aloft_describe_loader). Each lives until the loader is closed. */
    aloft_dataset* const* more;
    uint32_t more_count;
} aloft_options;
#define ALOFT_OPTIONS                                                                                     \
    {                                                                                                     \
        sizeof(aloft_options), 1, NULL, NULL, NULL, 32, 0, 0, 1, 0, 0, 0, NULL, NULL, 0, NULL, 0, 0, 0.0, \
            NULL, 0, NULL, 0, NULL, 0                                                                     \
    }

typedef struct aloft_extent {
    int64_t samples;      /* of an epoch, over all ranks: per_sample times the split's, but for weights */
    int64_t steps;        /* of a whole epoch; the same on every rank */
    int64_t global_batch; /* samples per step, over all ranks */
    int64_t classes;      /* names of the label's category; 0 if it is none */
} aloft_extent;

/* One rank's share of a step. Arrays have `valid` rows each. */
typedef struct aloft_batch {
    aloft_owner* owner;  /* aloft_release gives all of it back at once */
    int64_t valid;       /* samples; 0 where the last step has none left for this rank */
    int64_t step;        /* in the epoch */
    int64_t next;        /* sample of the epoch that the step after this one begins with */
    aloft_array inputs;  /* [valid, ...] as the field's shape and type, or float32 */
    aloft_array label;   /* [valid] i64 (a category's code, -1 missing) or f64 (NaN missing); type 0: none */
    aloft_array site;    /* [valid] i64, a category's code, -1 missing */
    aloft_array vendor;  /* [valid] i64 */
    aloft_array patient; /* [valid, 16] u8: pseudonyms */
    aloft_array sample;  /* [valid] i64: number in the dataset, by which errors name it */
    aloft_array
        origin; /* [valid, crop_dimensions] i64: where in its sample each crop begins, below 0 where it was
                            filled; type 0: no crop */
    aloft_array dataset;       /* [valid] i64: 0 the first, 1 the first of `more`, ... */
    aloft_array which;         /* [valid] i64: the how many-th of its sample in the epoch, from 0 */
    const aloft_array* beside; /* `beside_count`, as asked for; the owner's; NULL: none */
    int64_t beside_count;
} aloft_batch;

/* "0.1.0". Static. */
const char* aloft_version(void);

/* The last failure in this thread, one line; "" before the first. Valid until the thread's next call. */
const char* aloft_error(void);

/* `dataset`: "digits@1", as the job was granted it; or a folder that holds a version, with its key file `key`
 * (NULL in the first case) and the public key it must be sealed under (`steward`; NULL: the site's, if this
 * machine has one). Checks grant, seal and key. */
int aloft_open(const char* dataset, const char* key, const char* steward, aloft_dataset** out);
void aloft_close(aloft_dataset* dataset);

/* JSON: {"dataset","samples","sealed": "valid" | "unchecked" | "absent","schema","moments","splits": {split:
 * samples}}; schema and moments as the manifest has them (FORMAT.md). The dataset's; valid while it is open. */
int aloft_describe(aloft_dataset* dataset, const char** json);

/* A column's values for all samples of the split (NULL: all) in stored order: [samples] i64, f64 or i32 (a
 * category's code), or [samples, 16] u8. `column` NULL: the samples' numbers, i64. Reads a little of every
 * shard. */
int aloft_column(aloft_dataset* dataset, const char* column, const char* split, aloft_array* out,
                 aloft_owner** owner);

/* Of all elements of a field over a split, as the manifest says: `squares` is the sum of squared differences from the
 * mean; two datasets' are pooled by n = n1 + n2, d = mean2 - mean1, mean = mean1 + d n2 / n, squares = squares1 + squares2
 * + d^2 n1 n2 / n (Chan, Golub and LeVeque 1979). ALOFT_USAGE where the manifest does not say (format 1). */
typedef struct aloft_moments {
    int64_t count;
    double mean, squares;
} aloft_moments;
int aloft_moments_of(aloft_dataset* dataset, const char* split, const char* field, aloft_moments* out);

/* What aloft-train would say of predictions, overall and for each stratum, worst first, small ones suppressed
 * (trainer/eval/METRICS.md): JSON, one object, `owner`'s. `samples` [count] are all of the split, each once, in any
 * order; `probabilities` [count, classes] in the order of the names of the category `label`, rows sum to 1 (not
 * finite: the model failed there). `options`: the [evaluate] table of a recipe in TOML; NULL: as it is without. */
int aloft_report(aloft_dataset* dataset, const char* split, const char* label, const char* options,
                 const int64_t* samples, const float* probabilities, int64_t count, int64_t classes,
                 const char** json, aloft_owner** owner);

int aloft_load(aloft_dataset* dataset, const aloft_options* options, aloft_loader** out);
void aloft_close_loader(aloft_loader* loader);
int aloft_extent_of(aloft_loader* loader, aloft_extent* out);

/* JSON: {"datasets": ["cxr@1", ...], "names": {column: [what the codes 0, 1, ... of a category stand for]}, "balance": null | [{"categories": {column: category | null where it is missing}, "samples": of the split,
 * "draws": of an epoch, on average, "capped": it would come more often, were it not for most_repeats}]}. The loader's;
 * valid while it is open. */
int aloft_describe_loader(aloft_loader* loader, const char** json);

/* Starts reading ahead from `first_sample` of the epoch: 0, or the `next` of the last batch that was used. */
int aloft_begin(aloft_loader* loader, int64_t epoch, int64_t first_sample);

/* Waits for the next batch. ALOFT_END after the last. After ALOFT_DATA only aloft_begin goes on. */
int aloft_next(aloft_loader* loader, aloft_batch* out);

void aloft_release(aloft_owner* owner);

#ifdef __cplusplus
}
#endif
#endif
