/* What a .tflite file says of itself: tensors, operators, signature. Read by us, so that every runtime, whatever it
 * tells or hides, is described alike. The file is mapped and every offset in it is checked.
 */
#ifndef EDGEDEVICE_MODEL_H
#define EDGEDEVICE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { MOST_DIMENSIONS = 16, MOST_NAME_CHARACTERS = 4096 };

/* An element type: its name on the wire, its bytes, its numbers in the file and in TensorFlow Lite's C API. */
typedef struct {
    const char *name;
    unsigned size;
    int in_file, in_api;
} Dtype;

const Dtype *dtype_named(const char *name, size_t length);
const Dtype *dtype_in_file(int number);
/* Its name for a person, also of those that cannot be sent. */
const char *type_name_in_file(int number);

/* One input or output. */
typedef struct {
    char *name;
    const Dtype *dtype;
    int32_t tensor; /* in the graph */
    unsigned rank;
    int64_t shape[MOST_DIMENSIONS]; /* -1 where it varies */
    uint32_t scales;                /* quantisation: how many scales and zero points; 0 for none */
    float *scale;
    int64_t *zero_point;
    int32_t axis;
} Spec;

typedef struct {
    Spec *specs;
    size_t count;
} Specs;

typedef struct {
    const uint8_t *data;
    size_t size;
    bool mapped;
    Specs inputs, outputs;
    char **operators; /* names, one for each node of the main graph */
    size_t nodes;
    uint32_t signatures;
    int signature; /* index of the one that names the main graph, -1 without one */
    bool has_resources, has_variables;
    char variant[16];
} Model;

/* Faults: "model" when the file is no model, or one that cannot be sent over the wire. */
bool model_open(Model *model, const char *path, Fault *fault);
/* The same from bytes that outlive the model. */
bool model_read(Model *model, const void *data, size_t size, Fault *fault);
void model_close(Model *model);

/* The name of a built-in operator by its number; NULL beyond those that are known. */
const char *operator_name(int32_t builtin);

#endif
