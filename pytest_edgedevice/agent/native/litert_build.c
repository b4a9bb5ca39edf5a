/* The engine "litert": a model compiled, with its buffers, and where it runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "litert_engine.h"

bool litert_refused(Fault *fault, const char *kind, const char *what, int status) {
    return fail(fault, kind, "LiteRT cannot %s (status %d)", what, status);
}

/* Give the compiler one set of options as TOML; the text becomes the library's to free. */
static int add_options(const LitertApi *api, LiteRtHandle options, const char *name, const char *text) {
    LiteRtHandle opaque = NULL;
    char *copy = strdup(text);
    int status = copy ? api->create_opaque(name, copy, free, &opaque) : -1;
    if (status) free(copy); /* until here it is ours */
    return status ? status : api->add_opaque(options, opaque);
}

static bool compile(Litert *self, int accelerators, Fault *fault) {
    const LitertApi *api = self->api;
    LiteRtHandle options = NULL;
    char text[96];
    int status = api->create_options(&options);
    if (!status) status = api->set_accelerators(options, accelerators);
    snprintf(text, sizeof text, "kernel_mode = \"%s\"\nnum_threads = %d\n", self->kernels, self->threads);
    if (!status) status = add_options(api, options, "xnnpack", text);
    if (!status && self->profiled)
        status = add_options(api, options, "runtime_options_string", "enable_profiling = true\n");
    if (!status) status = api->compile(self->environment, self->model, options, &self->compiled);
    if (options) api->destroy_options(options);
    bool accelerated = accelerators & (LITERT_GPU | LITERT_NPU);
    return !status || litert_refused(fault, accelerated ? "delegate" : "model", "compile the model", status);
}

/* Which of the file's tensors a signature's input or output is, checked against what the file says of it. */
static bool match(const Litert *self, LiteRtHandle tensor, const Specs *specs, Slot *slot, Fault *fault) {
    uint32_t index;
    if (self->api->tensor_index(tensor, &index) || self->api->tensor_type(tensor, &slot->type))
        return fail(fault, "engine", "LiteRT does not describe the model's tensors");
    for (slot->spec = 0; slot->spec < specs->count; slot->spec++)
        if (specs->specs[slot->spec].tensor == (int32_t)index) break;
    if (slot->spec == specs->count)
        return fail(fault, "engine", "LiteRT names a tensor that the main graph does not have");
    const Spec *spec = &specs->specs[slot->spec];
    bool same = slot->type.element_type == spec->dtype->in_api && slot->type.layout.rank == spec->rank;
    slot->bytes = spec->dtype->size;
    for (unsigned at = 0; at < spec->rank && same; at++) {
        same = slot->type.layout.dimensions[at] == spec->shape[at];
        slot->bytes *= (size_t)spec->shape[at];
    }
    return same || fail(fault, "engine", "LiteRT describes tensor '%.200s' in another way than the file", spec->name);
}

static bool make_slot(const Litert *self, size_t position, bool is_input, Slot *slot, Fault *fault) {
    const LitertApi *api = self->api;
    LiteRtHandle needs = NULL;
    size_t room = 0;
    int status = is_input ? api->input_needs(self->compiled, self->signature, position, &needs)
                          : api->output_needs(self->compiled, self->signature, position, &needs);
    if (!status) status = api->create_buffer(self->environment, &slot->type, needs, &slot->buffer);
    if (!status) status = api->buffer_size(slot->buffer, &room);
    if (status || room < slot->bytes)
        return litert_refused(fault, self->asynchronous ? "delegate" : "model", "make a buffer for the model's tensors",
                              status);
    return true;
}

/* Compiling leaves the graph unprepared until it is first run; this prepares it, so that a load finds what is wrong. */
static bool allocate(const Litert *self, Fault *fault) {
    LiteRtLayout *layouts = calloc(self->output_count + 1, sizeof *layouts);
    if (!layouts) return fail_memory(fault);
    int status = self->api->output_layouts(self->compiled, self->signature, self->output_count, layouts, true);
    bool same = true;
    for (size_t at = 0; at < self->output_count && !status; at++) {
        const LiteRtLayout *known = &self->outputs[at].type.layout;
        same &= layouts[at].rank == known->rank &&
                !memcmp(layouts[at].dimensions, known->dimensions, known->rank * sizeof *known->dimensions);
    }
    free(layouts);
    if (status) return litert_refused(fault, self->asynchronous ? "delegate" : "model", "prepare the model", status);
    return same || fail(fault, "delegate",
                        "an output has another shape than the model's file says, which libLiteRt.so cannot "
                        "take here; libtensorflowlite_c.so can");
}

static bool make_slots(Litert *self, Fault *fault) {
    if (!allocate(self, fault)) return false;
    for (size_t at = 0; at < self->input_count; at++) {
        if (!make_slot(self, at, true, &self->inputs[at], fault)) return false;
        self->input_buffers[at] = self->inputs[at].buffer;
    }
    for (size_t at = 0; at < self->output_count; at++) {
        if (!make_slot(self, at, false, &self->outputs[at], fault)) return false;
        self->output_buffers[at] = self->outputs[at].buffer;
    }
    return true;
}

void litert_take_down(Litert *self) {
    for (size_t at = 0; at < self->input_count + self->output_count; at++) {
        Slot *slot = at < self->input_count ? &self->inputs[at] : &self->outputs[at - self->input_count];
        if (slot->buffer) self->api->destroy_buffer(slot->buffer);
        slot->buffer = NULL;
    }
    if (self->compiled) self->api->destroy_compiled(self->compiled);
    self->compiled = NULL;
}

/* Everything that a run needs, from nothing: state that a model keeps outlives all else. */
bool litert_build(Litert *self, bool allow_cpu, Fault *fault) {
    litert_take_down(self);
    self->whole = true;
    if (compile(self, self->accelerators, fault)) return make_slots(self, fault);
    if (!allow_cpu || self->accelerators == LITERT_CPU) return false;
    self->whole = false;
    return compile(self, self->accelerators | LITERT_CPU, fault) && make_slots(self, fault);
}

bool litert_place(Litert *self, Fault *fault) {
    const LitertApi *api = self->api;
    Placement *placement = &self->engine.placement;
    bool full = false;
    int status = self->asynchronous && api->is_accelerated_without_cpu
                     ? api->is_accelerated_without_cpu(self->compiled, &full)
                     : api->is_fully_accelerated(self->compiled, &full);
    size_t nodes = self->engine.model.nodes;
    placement_clear(placement);
    placement->nodes = nodes;
    if (status) return fail(fault, "engine", "LiteRT does not tell where the model runs (status %d)", status);
    bool kernels = !self->asynchronous && strcmp(self->kernels, "delegate");
    if (kernels && full && nodes)
        return fail(fault, "delegate", "LiteRT used XNNPACK although built-in kernels were asked for");
    if (kernels || (full && self->whole)) {
        placement->delegated = nodes;
        placement->partitions = !kernels;
        placement->proven = self->proven;
    } else {
        placement->proven = "unknown";
        placement_leave(placement, "unknown", nodes);
    }
    snprintf(placement->evidence, sizeof placement->evidence, "%s",
             kernels ? "compiled without XNNPACK, which this library was seen to obey"
             : full  ? "LiteRT says that every operator was delegated"
                     : "LiteRT says that operators were left over, and does not tell which");
    return !placement->left_over.failed || fail_memory(fault);
}

bool litert_find_tensors(Litert *self, Fault *fault) {
    const LitertApi *api = self->api;
    const Model *model = &self->engine.model;
    LiteRtHandle signature = NULL, tensor = NULL;
    size_t inputs = 0, outputs = 0;
    int status = api->get_signature(self->model, self->signature, &signature);
    if (!status) status = api->input_count(signature, &inputs);
    if (!status) status = api->output_count(signature, &outputs);
    if (status || inputs != model->inputs.count || outputs != model->outputs.count)
        return fail(fault, "model", "the model's signature has %zu inputs and %zu outputs, its main graph %zu and %zu",
                    inputs, outputs, model->inputs.count, model->outputs.count);
    self->inputs = calloc(inputs + 1, sizeof *self->inputs);
    self->outputs = calloc(outputs + 1, sizeof *self->outputs);
    self->input_buffers = calloc(inputs + 1, sizeof *self->input_buffers);
    self->output_buffers = calloc(outputs + 1, sizeof *self->output_buffers);
    if (!self->inputs || !self->outputs || !self->input_buffers || !self->output_buffers) return fail_memory(fault);
    self->input_count = inputs;
    self->output_count = outputs;
    for (size_t at = 0; at < inputs; at++)
        if (api->input(signature, at, &tensor) || !match(self, tensor, &model->inputs, &self->inputs[at], fault))
            return false;
    for (size_t at = 0; at < outputs; at++) {
        Slot *slot = &self->outputs[at];
        if (api->output(signature, at, &tensor) || !match(self, tensor, &model->outputs, slot, fault)) return false;
        slot->content = malloc(slot->bytes ? slot->bytes : 1);
        if (!slot->content) return fail_memory(fault);
    }
    return true;
}
