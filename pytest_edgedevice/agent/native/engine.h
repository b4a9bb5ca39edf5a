/* What an inference runtime must offer the agent. */
#ifndef EDGEDEVICE_ENGINE_H
#define EDGEDEVICE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "text.h"

enum { MOST_DELEGATE_OPTIONS = 64 };

typedef struct {
    const char *delegate; /* "default", "cpu", "xnnpack", "reference", "gpu", "npu", "nnapi" or "external:PATH" */
    const char *keys[MOST_DELEGATE_OPTIONS], *values[MOST_DELEGATE_OPTIONS];
    size_t option_count;
    int threads;
    bool allow_fallback, profiled; /* with the runtime's profiler on, where it has one */
} LoadOptions;

/* Which operators ran where, found in the prepared graph and never in the request. */
typedef struct {
    const char *proven;
    size_t nodes, delegated, partitions, left;
    Text left_over; /* the members of a JSON object: operator name to count */
    char evidence[256];
} Placement;

/* One sample of one input. */
typedef struct {
    const uint8_t *data;
    size_t bytes;
    unsigned rank;
    const uint64_t *shape;
} Given;

/* One output of the last inference; the engine's memory, until it is used again. */
typedef struct {
    const void *data;
    size_t bytes;
    unsigned rank;
    uint64_t shape[MOST_DIMENSIONS];
} View;

/* What is to be profiled: one sample for each input, how many inferences at most, and when to begin no more. */
typedef struct {
    const Given *sample;
    int64_t runs, max_ns;
} Profiling;

typedef struct Engine Engine;
struct Engine {
    const char *name, *version;
    Model model; /* shapes as the prepared graph has them */
    Placement placement;
    /* Forget state between samples. */
    bool (*reset)(Engine *engine, Fault *fault);
    /* One sample for each of the model's inputs; other shapes than before prepare the graph anew. */
    bool (*set_inputs)(Engine *engine, const Given *given, Fault *fault);
    /* Run once; returns when the outputs can be read at no further cost. */
    bool (*invoke)(Engine *engine);
    /* Why the last invoke failed, in the runtime's words. */
    void (*explain)(Engine *engine, Fault *fault);
    bool (*output)(Engine *engine, size_t position, View *view, Fault *fault);
    /* The runtime's own text on where the time goes, and of how many inferences; NULL where it has no profiler. */
    bool (*profile)(Engine *engine, const Profiling *wish, Text *summary, int64_t *runs, Fault *fault);
    void (*close)(Engine *engine);
};

/* Whether a placement is what was asked for. */
bool placement_complete(const Placement *placement, const LoadOptions *options);
void placement_clear(Placement *placement);
/* Count one operator that was left over. */
void placement_leave(Placement *placement, const char *name, size_t count);

#endif
