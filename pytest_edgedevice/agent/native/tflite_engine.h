/* What the two halves of the engine "tflite" share: tflite.c prepares a model, tflite_run.c runs it. */
#ifndef EDGEDEVICE_TFLITE_ENGINE_H
#define EDGEDEVICE_TFLITE_ENGINE_H

#include "runtime.h"
#include "tflite_api.h"
#include "tflite_delegates.h"
#include "tflite_graph.h"

typedef struct {
    Engine engine; /* first, so that a pointer to it is one to this */
    const Runtime *runtime;
    const TfliteApi *api;
    LoadOptions options;
    char *delegate; /* the text that options.delegate points to */
    TfLiteModel *model;
    TfLiteInterpreter *interpreter;
    Witness witness;
    Made made;
    uint64_t (*shapes)[MOST_DIMENSIONS]; /* of the inputs, as the graph is prepared now */
    char refused[256];                   /* why "default" runs without XNNPACK */
    bool dirty;
} Tflite;

/* Make the interpreter, at the model's own shapes. */
bool tflite_build(Tflite *self, Fault *fault);
/* Forget the interpreter and its delegate. */
void tflite_take_down(Tflite *self);
/* Read off the prepared graph which operators run where. */
bool tflite_place(Tflite *self, Fault *fault);

bool tflite_reset(Engine *engine, Fault *fault);
bool tflite_set_inputs(Engine *engine, const Given *given, Fault *fault);
bool tflite_invoke(Engine *engine);
void tflite_explain(Engine *engine, Fault *fault);
bool tflite_output(Engine *engine, size_t position, View *view, Fault *fault);

#endif
