/* Tensors of a request and of its reply: checked on the way in, laid out on the way out. */
#ifndef EDGEDEVICE_TENSORS_H
#define EDGEDEVICE_TENSORS_H

#include "engine.h"
#include "frames.h"

/* One tensor inside a payload. */
typedef struct {
    const char *name;
    size_t name_length;
    const Dtype *dtype;
    unsigned rank;
    uint64_t shape[MOST_DIMENSIONS];
    const uint8_t *data;
    size_t bytes;
} Part;

/* Cut a payload into the tensors that the header announces; to be freed. NULL with the fault "protocol". */
Part *split_tensors(const Frame *frame, size_t *count, Fault *fault);

/* A request's inputs in the model's order, each of shape (samples, *shape in the model); to be freed. */
Part *read_inputs(const Model *model, const Frame *frame, uint64_t *samples, Fault *fault);
/* One sample of them. */
void one_sample(const Part *inputs, size_t count, uint64_t sample, Given *given);

/* A whole number of the header, in bounds. */
bool read_whole(const Frame *frame, const char *name, int64_t low, int64_t high, int64_t *value, Fault *fault);

#endif
