/* What the parts of the engine "litert" share: litert.c opens the library, litert_build.c compiles a model,
 * litert_run.c runs it. */
#ifndef EDGEDEVICE_LITERT_ENGINE_H
#define EDGEDEVICE_LITERT_ENGINE_H

#include "litert_api.h"
#include "runtime.h"

typedef struct {
    LiteRtHandle buffer;
    size_t spec;      /* which of the model's inputs or outputs it is: signatures have an order of their own */
    uint8_t *content; /* an output's bytes, read back */
    size_t bytes;
    LiteRtType type;
} Slot;

typedef struct {
    Engine engine; /* first, so that a pointer to it is one to this */
    const Runtime *runtime;
    const LitertApi *api;
    LiteRtHandle environment, model, compiled;
    size_t signature, input_count, output_count;
    Slot *inputs, *outputs;
    LiteRtHandle *input_buffers, *output_buffers;
    const char *kernels; /* kernel_mode: "delegate" (XNNPACK) or "builtin" */
    int accelerators, threads;
    const char *proven;
    bool asynchronous, read, dirty, whole, profiled;
    int status; /* of the last run */
} Litert;

bool litert_refused(Fault *fault, const char *kind, const char *what, int status);
/* The signature's tensors, matched to those that the file describes. */
bool litert_find_tensors(Litert *self, Fault *fault);
/* Compile, with fresh state and buffers; with the CPU's help where that is allowed and needed. */
bool litert_build(Litert *self, bool allow_cpu, Fault *fault);
void litert_take_down(Litert *self);
bool litert_place(Litert *self, Fault *fault);
/* See Engine.profile. */
bool litert_profile(Engine *engine, const Profiling *wish, Text *summary, int64_t *runs, Fault *fault);
/* Fill in the functions of the engine. */
void litert_set_functions(Engine *engine);
/* The engine on a model that is open already and becomes the engine's, also when it fails. NULL with a fault. */
Engine *litert_start(const Runtime *runtime, Model *model, const LoadOptions *options, Fault *fault);

#endif
