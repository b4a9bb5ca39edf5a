/* The engine "tflite" at work: state, inputs, inference, outputs. */
#include <stdlib.h>
#include <string.h>

#include "tflite_engine.h"

/* Back to the model's own shapes; the interpreter is gone when that fails. */
static bool start_over(Tflite *self, Fault *fault) {
    if (!tflite_build(self, fault)) {
        tflite_take_down(self);
        return false;
    }
    for (size_t at = 0; at < self->engine.model.inputs.count; at++) {
        const TfLiteTensor *tensor = self->api->input(self->interpreter, (int32_t)at);
        for (unsigned next = 0; next < self->engine.model.inputs.specs[at].rank; next++)
            self->shapes[at][next] = (uint64_t)self->api->tensor_size(tensor, (int32_t)next);
    }
    return true;
}

bool tflite_reset(Engine *engine, Fault *fault) {
    Tflite *self = (Tflite *)(void *)engine;
    if (!self->interpreter) return start_over(self, fault);
    if (!engine->model.has_resources) {
        if (self->api->reset_variables) self->api->reset_variables(self->interpreter);
        return true;
    }
    bool dirty = self->dirty; /* resource variables outlive reset_variables: those need a new interpreter */
    self->dirty = true;
    return !dirty || start_over(self, fault);
}

static Text shown_shapes(const Tflite *self, const Given *given) {
    Text text = {0};
    for (size_t at = 0; at < self->engine.model.inputs.count; at++) {
        text_put(&text, at ? ", [" : "[");
        for (unsigned next = 0; next < given[at].rank; next++)
            text_format(&text, next ? ", %llu" : "%llu", (unsigned long long)given[at].shape[next]);
        text_put(&text, "]");
    }
    text_add(&text, "", 1);
    if (text.failed) text = (Text){0};
    return text;
}

static bool refuse_shapes(Tflite *self, const Given *given, Fault *fault) {
    Fault ignored;
    Text shapes = shown_shapes(self, given);
    fail(fault, "input", "the model does not take inputs of shape %.600s: %s", shapes.data ? shapes.data : "",
         log_text());
    text_free(&shapes);
    start_over(self, &ignored); /* a half-prepared graph cannot be used again */
    return false;
}

/* A delegate may leave operators over at one shape that it takes at another. */
static bool prove_again(Tflite *self, const Given *given, Fault *fault) {
    Fault ignored;
    if (!tflite_place(self, fault)) return false;
    const Placement *placement = &self->engine.placement;
    if (self->options.allow_fallback || placement_complete(placement, &self->options)) return true;
    Text shapes = shown_shapes(self, given);
    fail(fault, "delegate", "delegate '%.200s' took %zu of %zu operators at input shapes %.600s; left over: {%.*s}",
         self->options.delegate, placement->delegated, placement->nodes, shapes.data ? shapes.data : "",
         (int)placement->left_over.length, placement->left_over.length ? placement->left_over.data : "");
    text_free(&shapes);
    start_over(self, &ignored);
    return false;
}

static bool resize(Tflite *self, const Given *given, Fault *fault) {
    const TfliteApi *api = self->api;
    int sizes[MOST_DIMENSIONS];
    log_clear();
    for (size_t at = 0; at < self->engine.model.inputs.count; at++) {
        if (!memcmp(given[at].shape, self->shapes[at], given[at].rank * sizeof *given[at].shape)) continue;
        for (unsigned next = 0; next < given[at].rank; next++) {
            if (given[at].shape[next] > INT32_MAX) return refuse_shapes(self, given, fault);
            sizes[next] = (int)given[at].shape[next];
        }
        if (api->resize(self->interpreter, (int32_t)at, sizes, (int32_t)given[at].rank))
            return refuse_shapes(self, given, fault);
    }
    if (api->allocate(self->interpreter)) return refuse_shapes(self, given, fault);
    for (size_t at = 0; at < self->engine.model.inputs.count; at++)
        if (given[at].rank) memcpy(self->shapes[at], given[at].shape, given[at].rank * sizeof *given[at].shape);
    return prove_again(self, given, fault);
}

bool tflite_set_inputs(Engine *engine, const Given *given, Fault *fault) {
    Tflite *self = (Tflite *)(void *)engine;
    bool same = true;
    for (size_t at = 0; at < engine->model.inputs.count && same; at++)
        same = !memcmp(given[at].shape, self->shapes[at], given[at].rank * sizeof *given[at].shape);
    if (!same && !resize(self, given, fault)) return false;
    for (size_t at = 0; at < engine->model.inputs.count; at++) {
        TfLiteTensor *tensor = self->api->input(self->interpreter, (int32_t)at);
        if (self->api->tensor_write(tensor, given[at].data, given[at].bytes))
            return fail(fault, "model",
                        "the engine 'tflite' does not take input '%.200s': it has %zu bytes, given were %zu",
                        engine->model.inputs.specs[at].name, self->api->tensor_bytes(tensor), given[at].bytes);
    }
    log_clear();
    return true;
}

bool tflite_invoke(Engine *engine) {
    Tflite *self = (Tflite *)(void *)engine;
    return !self->api->invoke(self->interpreter);
}

void tflite_explain(Engine *engine, Fault *fault) {
    (void)engine;
    fail(fault, "model", "inference failed: %s", *log_text() ? log_text() : "the runtime gives no reason");
    log_clear();
}

bool tflite_output(Engine *engine, size_t position, View *view, Fault *fault) {
    const Tflite *self = (const Tflite *)(const void *)engine;
    const TfliteApi *api = self->api;
    const Spec *spec = &engine->model.outputs.specs[position];
    const TfLiteTensor *tensor = api->output(self->interpreter, (int32_t)position);
    int32_t rank = tensor ? api->tensor_rank(tensor) : -1;
    if (rank < 0 || rank > MOST_DIMENSIONS)
        return fail(fault, "model", "outputs failed: output '%.200s' has %d dimensions", spec->name, (int)rank);
    *view = (View){.rank = (unsigned)rank, .bytes = spec->dtype->size};
    for (int32_t at = 0; at < rank; at++) {
        view->shape[at] = (uint64_t)api->tensor_size(tensor, at);
        if (__builtin_mul_overflow(view->bytes, (size_t)view->shape[at], &view->bytes)) return fail_memory(fault);
    }
    view->data = api->tensor_data(tensor);
    if (view->bytes && (!view->data || api->tensor_bytes(tensor) != view->bytes))
        return fail(fault, "model", "outputs failed: output '%.200s' has %zu bytes, its shape needs %zu", spec->name,
                    view->data ? api->tensor_bytes(tensor) : 0, view->bytes);
    return true;
}
