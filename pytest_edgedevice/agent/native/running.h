/* "run" and "measure": samples through the engine, timed around the inference and nothing else. */
#ifndef EDGEDEVICE_RUNNING_H
#define EDGEDEVICE_RUNNING_H

#include "tensors.h"

/* Resident memory before the model was loaded, and whether the peak counts from there. */
typedef struct {
    int64_t before;
    bool reset;
} Memory;

typedef struct {
    Engine *engine;
    int64_t first_ns; /* the very first inference; -1 before it */
    Memory memory;
} Loaded;

bool run_samples(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault);
bool measure_series(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault);

/* The sample to run from now on, where the request has one; the model has run at least once then. */
bool give_sample(Loaded *loaded, const Frame *frame, const char *operation, Fault *fault);
bool timed_invoke(Loaded *loaded, int64_t *elapsed, Fault *fault);
/* The bytes of a text become a chunk of the reply. */
void hand_over(Reply *reply, Text *bytes);

/* The clock of every time here: monotonic, nanoseconds; that of Python's perf_counter_ns. */
int64_t clock_ns(void);
/* Its smallest step that a thousand readings show, nanoseconds. */
int64_t clock_tick_ns(void);

#endif
