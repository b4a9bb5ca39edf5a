/* Delegates of the TensorFlow Lite C library, made by name. */
#ifndef EDGEDEVICE_TFLITE_DELEGATES_H
#define EDGEDEVICE_TFLITE_DELEGATES_H

#include "runtime.h"
#include "tflite_api.h"

typedef struct {
    TfLiteDelegate *delegate; /* NULL: built-in kernels alone */
    void (*destroy)(TfLiteDelegate *);
    const char *proven; /* what it is when it takes a node */
} Made;

/* Make the delegate that `options` ask for. Fault "delegate" when it cannot be had. */
bool delegate_make(Made *made, const Runtime *runtime, const LoadOptions *options, Fault *fault);
void delegate_end(Made *made);
/* See Runtime. */
bool delegate_offered(const Runtime *runtime, const char *name);

#endif
