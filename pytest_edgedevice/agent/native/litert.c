/* The engine "litert": libLiteRt.so opened, probed and tried. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <errno.h>
#include <fcntl.h>

#include "litert_engine.h"
#include "litert_selftest_model.h"

enum { SELFTEST_S = 20 };

static bool choose(Litert *self, const LoadOptions *options, Fault *fault) {
    const char *name = options->delegate;
    self->threads = options->threads;
    self->kernels = "delegate";
    self->accelerators = LITERT_CPU;
    self->proven = "xnnpack";
    if (!strcmp(name, "default") || !strcmp(name, "xnnpack")) return true;
    if (!strcmp(name, "cpu")) {
        self->kernels = "builtin";
        self->proven = "cpu";
        return true;
    }
    /* kernel_mode "reference" is accepted, and gives the bytes and the speed of the built-in kernels (seen in 2.3.0) */
    if (!strcmp(name, "reference"))
        return fail(fault, "delegate",
                    "delegate 'reference': libLiteRt.so runs built-in kernels where it is asked for "
                    "reference ones; the Python agent has them");
    self->asynchronous = true;
    self->proven = !strcmp(name, "gpu") ? "gpu" : "npu";
    self->accelerators = !strcmp(name, "gpu") ? LITERT_GPU : LITERT_NPU;
    if (!strcmp(name, "gpu") || !strcmp(name, "npu")) return true;
    if (!strncmp(name, "external:", strlen("external:")))
        return fail(fault, "delegate",
                    "delegate library '%.300s' cannot be loaded: libLiteRt.so takes no external delegates; "
                    "libtensorflowlite_c.so does",
                    name + strlen("external:"));
    return fail(fault, "delegate", "delegate '%.80s' is unknown to the engine 'litert'", name);
}

static bool check_shapes(const Model *model, Fault *fault) {
    for (size_t at = 0; at < model->inputs.count + model->outputs.count; at++) {
        const Spec *spec =
            at < model->inputs.count ? &model->inputs.specs[at] : &model->outputs.specs[at - model->inputs.count];
        if (spec->rank > LITERT_MOST_DIMENSIONS)
            return fail(fault, "delegate", "tensor '%.200s' has %u dimensions; LiteRT takes %d", spec->name, spec->rank,
                        LITERT_MOST_DIMENSIONS);
        for (unsigned next = 0; next < spec->rank; next++)
            if (spec->shape[next] < 0)
                return fail(fault, "delegate",
                            "tensor '%.200s' has a shape that varies, which libLiteRt.so cannot take here; "
                            "libtensorflowlite_c.so can",
                            spec->name);
    }
    if (model->signatures && model->signature < 0)
        return fail(fault, "model", "no signature of the model names its main graph, and LiteRT runs signatures only");
    return true;
}

static bool prepare(Litert *self, const LoadOptions *options, Fault *fault) {
    const Model *model = &self->engine.model;
    self->signature = model->signature < 0 ? 0 : (size_t)model->signature;
    if (!choose(self, options, fault) || !check_shapes(model, fault)) return false;
    int status = self->api->create_environment(0, NULL, &self->environment);
    if (status) return litert_refused(fault, "engine", "start", status);
    status = self->api->create_model(self->environment, model->data, model->size, &self->model);
    if (status == LITERT_INVALID_FLATBUFFER) return fail(fault, "model", "The model is not a valid Flatbuffer buffer");
    if (status) return litert_refused(fault, "model", "take the model", status);
    return litert_find_tensors(self, fault) && litert_build(self, options->allow_fallback, fault) &&
           litert_place(self, fault);
}

Engine *litert_start(const Runtime *runtime, Model *model, const LoadOptions *options, Fault *fault) {
    Litert *self = calloc(1, sizeof *self);
    if (!self) {
        model_close(model);
        fail_memory(fault);
        return NULL;
    }
    self->engine.name = runtime->engine;
    self->engine.version = runtime->version;
    self->engine.model = *model;
    self->runtime = runtime;
    self->api = runtime->api;
    self->profiled = options->profiled;
    litert_set_functions(&self->engine);
    if (prepare(self, options, fault)) return &self->engine;
    self->engine.close(&self->engine);
    return NULL;
}

static Engine *load(const Runtime *runtime, const char *path, const LoadOptions *options, Fault *fault) {
    Model model;
    return model_open(&model, path, fault) ? litert_start(runtime, &model, options, fault) : NULL;
}

/* Compile and run a model of our own. What fails is told by the exit status of the child that this runs in. */
static int selftest(const Runtime *runtime, const char *delegate) {
    static const float given[4] = {1, -2, 3.5, 0.25};
    static const uint64_t shape[1] = {4};
    const Given input = {(const uint8_t *)given, sizeof given, 1, shape};
    const LoadOptions options = {.delegate = delegate, .threads = 1, .allow_fallback = true};
    float got[4];
    Model model;
    View view;
    Fault fault;
    if (!model_read(&model, SELFTEST_MODEL, sizeof SELFTEST_MODEL, &fault)) return 2;
    Engine *engine = litert_start(runtime, &model, &options, &fault);
    if (!engine) return 3;
    if (!engine->reset(engine, &fault) || !engine->set_inputs(engine, &input, &fault)) return 4;
    if (!engine->invoke(engine) || !engine->output(engine, 0, &view, &fault) || view.bytes != sizeof got) return 5;
    memcpy(got, view.data, sizeof got);
    for (int at = 0; at < 4; at++)
        if (got[at] != -given[at]) return 6;
    return 0;
}

/* In a process of its own: where a function takes other arguments than ours, it crashes. */
static bool passes_selftest(Runtime *runtime) {
    int status = 0;
    pid_t child = fork();
    if (!child) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0) dup2(nowhere, 2);
        alarm(SELFTEST_S);
        int failed = selftest(runtime, "cpu");
        _exit(failed ? failed : selftest(runtime, "default"));
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (child > 0 && WIFEXITED(status) && !WEXITSTATUS(status)) return true;
    bool crashed = child > 0 && WIFSIGNALED(status);
    snprintf(runtime->problem, sizeof runtime->problem,
             "it failed at a model of one operator that was tried first (%s %d): LiteRT 2.2 or later is needed",
             crashed ? "signal" : "step",
             crashed     ? WTERMSIG(status)
             : child > 0 ? WEXITSTATUS(status)
                         : -1);
    return false;
}

#define NEEDED(symbol, field)                                                                                          \
    { "LiteRt" symbol, offsetof(LitertApi, field), true }
static const Symbol SYMBOLS[] = {
    NEEDED("CreateEnvironment", create_environment),
    NEEDED("CreateModelFromBuffer", create_model),
    NEEDED("DestroyModel", destroy_model),
    NEEDED("CreateOptions", create_options),
    NEEDED("DestroyOptions", destroy_options),
    NEEDED("SetOptionsHardwareAccelerators", set_accelerators),
    NEEDED("CreateOpaqueOptions", create_opaque),
    NEEDED("AddOpaqueOptions", add_opaque),
    NEEDED("CreateCompiledModel", compile),
    NEEDED("DestroyCompiledModel", destroy_compiled),
    NEEDED("CompiledModelIsFullyAccelerated", is_fully_accelerated),
    {"LiteRtCompiledModelIsNonCpuFullyAccelerated", offsetof(LitertApi, is_accelerated_without_cpu), false},
    NEEDED("RunCompiledModel", run),
    NEEDED("GetModelSignature", get_signature),
    NEEDED("GetNumSignatureInputs", input_count),
    NEEDED("GetNumSignatureOutputs", output_count),
    NEEDED("GetSignatureInputTensorByIndex", input),
    NEEDED("GetSignatureOutputTensorByIndex", output),
    NEEDED("GetTensorIndex", tensor_index),
    NEEDED("GetRankedTensorType", tensor_type),
    NEEDED("GetCompiledModelInputBufferRequirements", input_needs),
    NEEDED("GetCompiledModelOutputBufferRequirements", output_needs),
    NEEDED("GetCompiledModelOutputTensorLayouts", output_layouts),
    NEEDED("CreateManagedTensorBufferFromRequirements", create_buffer),
    NEEDED("DestroyTensorBuffer", destroy_buffer),
    NEEDED("GetTensorBufferSize", buffer_size),
    NEEDED("LockTensorBuffer", lock),
    NEEDED("UnlockTensorBuffer", unlock),
    {"LiteRtCompiledModelGetProfiler", offsetof(LitertApi, get_profiler), false},
    {"LiteRtStartProfiler", offsetof(LitertApi, start_profiler), false},
    {"LiteRtStopProfiler", offsetof(LitertApi, stop_profiler), false},
    {"LiteRtGetProfileSummary", offsetof(LitertApi, get_summary), false},
};

/* No library that dispatches to a vendor's NPU is ever named to the environment. */
static bool offers(const Runtime *runtime, const char *delegate) {
    static const char *const names[] = {"default", "cpu", "xnnpack", "gpu"};
    (void)runtime;
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (!strcmp(delegate, names[at])) return true;
    return false;
}

bool litert_open(Runtime *runtime) {
    static LitertApi api;
    void *found[2];
    /* the library does not tell its version; these functions came with it */
    static const Symbol ages[] = {{"LiteRtGetCompiledModelEnvironment", 0, true},
                                  {"LiteRtCompiledModelIsNonCpuFullyAccelerated", sizeof(void *), false}};
    const char *missing = symbols_read(runtime->library, SYMBOLS, sizeof SYMBOLS / sizeof *SYMBOLS, &api);
    if (!missing) missing = symbols_read(runtime->library, ages, 2, found);
    if (missing) {
        snprintf(runtime->problem, sizeof runtime->problem, "it is a LiteRT library without %s; 2.2 or later is needed",
                 missing);
        return false;
    }
    snprintf(runtime->version, sizeof runtime->version, "%s", found[1] ? "2.3 or later" : "2.2");
    runtime->engine = "litert";
    runtime->api = &api;
    if (!passes_selftest(runtime)) return false;
    runtime->load = load;
    runtime->offers = offers;
    return true;
}
