/* The engine "tflite": TensorFlow Lite's C library, as apps ship it. */
#include "tflite_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tflite_take_down(Tflite *self) {
    if (self->interpreter) self->api->destroy(self->interpreter);
    self->interpreter = NULL;
    delegate_end(&self->made);
}

static bool create(Tflite *self, Fault *fault) {
    const TfliteApi *api = self->api;
    log_clear();
    witness_start(&self->witness);
    TfLiteOptions *options = api->options_create();
    if (!options) return fail_memory(fault);
    api->options_threads(options, self->options.threads);
    api->options_reporter(options, log_add_format, NULL);
    api->options_add(options, &self->witness.delegate);
    if (self->made.delegate) api->options_add(options, self->made.delegate);
    self->interpreter = api->create(self->model, options);
    api->options_delete(options);
    if (self->interpreter && !api->allocate(self->interpreter)) return true;
    const char *said = *log_text() ? log_text() : "the runtime gives no reason";
    return fail(fault, self->made.delegate ? "delegate" : "model", "%s", said);
}

/* Built-in kernels alone, where XNNPACK cannot be had or does not take the graph: in the open, never in silence. */
static bool create_without(Tflite *self, const char *why, Fault *fault) {
    tflite_take_down(self);
    snprintf(self->refused, sizeof self->refused, "%.255s", why);
    return create(self, fault);
}

bool tflite_build(Tflite *self, Fault *fault) {
    bool xnnpack = !strcmp(self->options.delegate, "default") || !strcmp(self->options.delegate, "xnnpack");
    tflite_take_down(self);
    self->refused[0] = 0;
    if (!delegate_make(&self->made, self->runtime, &self->options, fault)) {
        Fault refusal = *fault;
        return !strcmp(self->options.delegate, "default") && create_without(self, refusal.message, fault);
    }
    if (create(self, fault)) return true;
    if (xnnpack && self->made.delegate) {
        /* XNNPACK refuses graphs with tensors whose size depends on values */
        Fault refusal = *fault;
        return create_without(self, refusal.message, fault);
    }
    return false;
}

bool tflite_place(Tflite *self, Fault *fault) {
    Placement *placement = &self->engine.placement;
    bool wanted = strcmp(self->options.delegate, "cpu") != 0;
    placement_clear(placement);
    if (!witness_account(&self->witness, self->made.delegate, wanted, &self->engine.model, placement, fault))
        return false;
    if (placement->partitions) placement->proven = self->made.proven;
    if (self->refused[0])
        snprintf(placement->evidence, sizeof placement->evidence, "the delegate was refused: %.200s", self->refused);
    else
        snprintf(placement->evidence, sizeof placement->evidence, "%zu delegate nodes in the prepared graph's plan",
                 placement->partitions);
    return !placement->left_over.failed || fail_memory(fault);
}

static bool mismatch(Fault *fault, const char *what) {
    return fail(fault, "engine",
                "the runtime describes the model in another way than its file (%s): is it a TensorFlow "
                "Lite C library of version 2.5 or later?",
                what);
}

/* The file said what varies; the prepared graph says the rest, and this also proves that we read it rightly. */
static bool read_shapes(Tflite *self, Fault *fault) {
    const TfliteApi *api = self->api;
    Model *model = &self->engine.model;
    if ((size_t)api->input_count(self->interpreter) != model->inputs.count) return mismatch(fault, "inputs");
    if ((size_t)api->output_count(self->interpreter) != model->outputs.count) return mismatch(fault, "outputs");
    for (size_t at = 0; at < model->inputs.count + model->outputs.count; at++) {
        bool is_input = at < model->inputs.count;
        int32_t position = (int32_t)(is_input ? at : at - model->inputs.count);
        Spec *spec = is_input ? &model->inputs.specs[position] : &model->outputs.specs[position];
        const TfLiteTensor *tensor =
            is_input ? api->input(self->interpreter, position) : api->output(self->interpreter, position);
        if (!tensor || api->tensor_type(tensor) != spec->dtype->in_api) return mismatch(fault, "element types");
        int32_t rank = api->tensor_rank(tensor);
        if (rank < 0 || rank > MOST_DIMENSIONS) return mismatch(fault, "dimensions");
        bool same = (unsigned)rank == spec->rank, placed = is_input || api->tensor_data(tensor);
        spec->rank = (unsigned)rank;
        for (int32_t dimension = 0; dimension < rank; dimension++) {
            int64_t size = api->tensor_size(tensor, dimension);
            if (is_input) self->shapes[at][dimension] = (uint64_t)size;
            bool varies = same && spec->shape[dimension] == -1;
            spec->shape[dimension] = varies || !placed ? -1 : size;
        }
    }
    return true;
}

static void close_engine(Engine *engine) {
    Tflite *self = (Tflite *)(void *)engine;
    tflite_take_down(self);
    if (self->model) self->api->model_delete(self->model);
    placement_clear(&engine->placement);
    model_close(&engine->model);
    for (size_t at = 0; at < self->options.option_count; at++) {
        free((char *)(uintptr_t)self->options.keys[at]);
        free((char *)(uintptr_t)self->options.values[at]);
    }
    free(self->delegate);
    free(self->shapes);
    free(self);
}

static bool prepare(Tflite *self, const char *path, Fault *fault) {
    const TfliteApi *api = self->api;
    if (!model_open(&self->engine.model, path, fault)) return false;
    self->shapes = calloc(self->engine.model.inputs.count + 1, sizeof *self->shapes);
    if (!self->shapes) return fail_memory(fault);
    log_clear();
    self->model =
        api->model_create_reporting ? api->model_create_reporting(path, log_add_format, NULL) : api->model_create(path);
    if (!self->model)
        return fail(fault, "model", "The model is not a valid Flatbuffer buffer%s%s", *log_text() ? ": " : "",
                    log_text());
    return tflite_build(self, fault) && read_shapes(self, fault) && tflite_place(self, fault);
}

static bool keep_options(Tflite *self, const LoadOptions *options) {
    self->options = *options;
    self->options.option_count = 0;
    self->options.delegate = self->delegate = strdup(options->delegate);
    if (!self->delegate) return false;
    for (size_t at = 0; at < options->option_count; at++) {
        self->options.keys[at] = strdup(options->keys[at]);
        self->options.values[at] = strdup(options->values[at]);
        self->options.option_count++;
        if (!self->options.keys[at] || !self->options.values[at]) return false;
    }
    return true;
}

static Engine *load(const Runtime *runtime, const char *path, const LoadOptions *options, Fault *fault) {
    Tflite *self = calloc(1, sizeof *self);
    if (!self || !keep_options(self, options)) {
        fail_memory(fault);
        if (self) close_engine(&self->engine);
        return NULL;
    }
    self->engine.name = runtime->engine;
    self->engine.version = runtime->version;
    self->engine.reset = tflite_reset;
    self->engine.set_inputs = tflite_set_inputs;
    self->engine.invoke = tflite_invoke;
    self->engine.explain = tflite_explain;
    self->engine.output = tflite_output;
    self->engine.close = close_engine;
    self->runtime = runtime;
    self->api = runtime->api;
    if (prepare(self, path, fault)) return &self->engine;
    close_engine(&self->engine);
    return NULL;
}

#define NEEDED(symbol, field)                                                                                          \
    { "TfLite" symbol, offsetof(TfliteApi, field), true }
#define OPTIONAL(symbol, field)                                                                                        \
    { "TfLite" symbol, offsetof(TfliteApi, field), false }
static const Symbol SYMBOLS[] = {
    NEEDED("Version", version),
    NEEDED("ModelCreateFromFile", model_create),
    OPTIONAL("ModelCreateFromFileWithErrorReporter", model_create_reporting),
    NEEDED("ModelDelete", model_delete),
    NEEDED("InterpreterOptionsCreate", options_create),
    NEEDED("InterpreterOptionsDelete", options_delete),
    NEEDED("InterpreterOptionsSetNumThreads", options_threads),
    NEEDED("InterpreterOptionsAddDelegate", options_add),
    NEEDED("InterpreterOptionsSetErrorReporter", options_reporter),
    NEEDED("InterpreterCreate", create),
    NEEDED("InterpreterDelete", destroy),
    NEEDED("InterpreterGetInputTensorCount", input_count),
    NEEDED("InterpreterGetInputTensor", input),
    NEEDED("InterpreterResizeInputTensor", resize),
    NEEDED("InterpreterAllocateTensors", allocate),
    NEEDED("InterpreterInvoke", invoke),
    OPTIONAL("InterpreterResetVariableTensors", reset_variables),
    NEEDED("InterpreterGetOutputTensorCount", output_count),
    NEEDED("InterpreterGetOutputTensor", output),
    NEEDED("TensorType", tensor_type),
    NEEDED("TensorNumDims", tensor_rank),
    NEEDED("TensorDim", tensor_size),
    NEEDED("TensorByteSize", tensor_bytes),
    NEEDED("TensorData", tensor_data),
    NEEDED("TensorCopyFromBuffer", tensor_write),
    OPTIONAL("XNNPackDelegateCreate", xnnpack_create),
    OPTIONAL("XNNPackDelegateDelete", xnnpack_delete),
    OPTIONAL("XNNPackDelegateGetOptions", xnnpack_options),
    OPTIONAL("XNNPackDelegateGetFlags", xnnpack_flags),
};

bool tflite_open(Runtime *runtime) {
    static TfliteApi api;
    int major = 0, minor = 0;
    const char *missing = symbols_read(runtime->library, SYMBOLS, sizeof SYMBOLS / sizeof *SYMBOLS, &api);
    if (missing) {
        snprintf(runtime->problem, sizeof runtime->problem, "it is a TensorFlow Lite library without %s", missing);
        return false;
    }
    snprintf(runtime->version, sizeof runtime->version, "%s", api.version());
    if (sscanf(runtime->version, "%d.%d", &major, &minor) != 2 || major < 2 || (major == 2 && minor < 5)) {
        snprintf(runtime->problem, sizeof runtime->problem, "it is TensorFlow Lite %s; 2.5 or later is needed",
                 runtime->version);
        return false;
    }
    runtime->engine = "tflite";
    runtime->api = &api;
    runtime->load = load;
    runtime->offers = delegate_offered;
    return true;
}
