/* The engine "litert" at work. */
#include <stdlib.h>
#include <string.h>

#include "litert_engine.h"

static bool reset(Engine *engine, Fault *fault) {
    Litert *self = (Litert *)(void *)engine;
    bool dirty = self->dirty;
    self->dirty = engine->model.has_resources || engine->model.has_variables;
    if (self->compiled && !dirty) return true;
    return litert_build(self, !self->whole, fault);
}

static bool set_inputs(Engine *engine, const Given *given, Fault *fault) {
    Litert *self = (Litert *)(void *)engine;
    for (size_t at = 0; at < self->input_count; at++) {
        Slot *slot = &self->inputs[at];
        void *memory = NULL;
        int status = self->api->lock(slot->buffer, &memory, LITERT_WRITE);
        if (status || !memory) return litert_refused(fault, "model", "take an input", status);
        if (slot->bytes) memcpy(memory, given[slot->spec].data, slot->bytes);
        self->api->unlock(slot->buffer);
    }
    return true;
}

static int read_outputs(Litert *self) {
    for (size_t at = 0; at < self->output_count; at++) {
        Slot *slot = &self->outputs[at];
        void *memory = NULL;
        int status = self->api->lock(slot->buffer, &memory, LITERT_READ);
        if (status || !memory) return status ? status : -1;
        if (slot->bytes) memcpy(slot->content, memory, slot->bytes);
        self->api->unlock(slot->buffer);
    }
    self->read = true;
    return 0;
}

static bool invoke(Engine *engine) {
    Litert *self = (Litert *)(void *)engine;
    self->read = false;
    self->status = self->api->run(self->compiled, self->signature, self->input_count, self->input_buffers,
                                  self->output_count, self->output_buffers);
    /* accelerators return before the work is done: it is when every output was read */
    if (!self->status && self->asynchronous) self->status = read_outputs(self);
    return !self->status;
}

static void explain(Engine *engine, Fault *fault) {
    const Litert *self = (const Litert *)(const void *)engine;
    fail(fault, "model", "inference failed: LiteRT's status is %d", self->status);
}

static bool output(Engine *engine, size_t position, View *view, Fault *fault) {
    Litert *self = (Litert *)(void *)engine;
    const Spec *spec = &engine->model.outputs.specs[position];
    int status = self->read ? 0 : read_outputs(self);
    if (status) return litert_refused(fault, "model", "read an output", status);
    for (size_t at = 0; at < self->output_count; at++) {
        if (self->outputs[at].spec != position) continue;
        *view = (View){.data = self->outputs[at].content, .bytes = self->outputs[at].bytes, .rank = spec->rank};
        for (unsigned next = 0; next < spec->rank; next++) view->shape[next] = (uint64_t)spec->shape[next];
        return true;
    }
    return fail(fault, "model", "outputs failed: LiteRT does not give output '%.200s'", spec->name);
}

static void close_engine(Engine *engine) {
    Litert *self = (Litert *)(void *)engine;
    litert_take_down(self);
    if (self->model) self->api->destroy_model(self->model);
    for (size_t at = 0; self->outputs && at < self->output_count; at++) free(self->outputs[at].content);
    free(self->inputs);
    free(self->outputs);
    free(self->input_buffers);
    free(self->output_buffers);
    placement_clear(&engine->placement);
    model_close(&engine->model);
    free(self);
}

void litert_set_functions(Engine *engine) {
    engine->reset = reset;
    engine->set_inputs = set_inputs;
    engine->invoke = invoke;
    engine->explain = explain;
    engine->output = output;
    engine->profile = litert_profile;
    engine->close = close_engine;
}
