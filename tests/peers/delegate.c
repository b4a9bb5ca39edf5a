/* An external delegate for TensorFlow Lite in plain C, with the few declarations it needs (the ABI of c/common.h).
 *
 * Option "mode": "none" (takes no node), "negate" (takes every NEG on float32 and computes it), "first" (takes
 * the first of them only), "refuse" (cannot be created), "fail" (fails while it is applied).
 * Option "echo": its value is reported as the error text, which shows that options arrive.
 * Option "offset": a number that is added to everything it computes: an accelerator that computes wrongly.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, ERROR = 1, FLOAT32 = 1, BUILTIN_NEG = 59, MOST_NODES = 64 };

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    int type;
    void *data;
    IntArray *dims;
    struct { float scale; int32_t zero_point; } params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const IntArray *dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs, *outputs, *intermediates, *temporaries;
    void *user_data, *builtin_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
    Delegate *delegate;
} Node;

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *newer[4]; /* what later versions added */
} Registration;

struct Context {
    size_t tensors_size;
    int (*GetExecutionPlan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    int (*ResizeTensor)(Context *, Tensor *, IntArray *);
    void (*ReportError)(Context *, const char *, ...);
    int (*AddTensors)(Context *, int, int *);
    int (*GetNodeAndRegistration)(Context *, int, Node **, Registration **);
    int (*ReplaceNodeSubsetsWithDelegateKernels)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    int (*Prepare)(Context *, Delegate *);
    int (*CopyFromBufferHandle)(void);
    int (*CopyToBufferHandle)(void);
    void (*FreeBufferHandle)(void);
    long long flags;
    void *opaque_delegate_builder;
    int most;     /* ours: nodes to take at most */
    float offset; /* ours */
};

typedef struct { Delegate *delegate; IntArray *nodes, *inputs, *outputs; } Params;
typedef struct { int count; float offset; struct { int from, to; } steps[MOST_NODES]; } Kernel;

static void *kernel_init(Context *context, const char *buffer, size_t length) {
    const Params *params = (const Params *)buffer;
    Kernel *kernel = calloc(1, sizeof *kernel);
    kernel->offset = params->delegate->offset;
    for (int at = 0; at < params->nodes->size; at++) {
        Node *node;
        Registration *registration;
        if (context->GetNodeAndRegistration(context, params->nodes->data[at], &node, &registration) != OK) continue;
        kernel->steps[kernel->count].from = node->inputs->data[0];
        kernel->steps[kernel->count++].to = node->outputs->data[0];
    }
    return kernel;
}

static void kernel_free(Context *context, void *kernel) { free(kernel); }
static int kernel_prepare(Context *context, Node *node) { return OK; }

static int kernel_invoke(Context *context, Node *node) {
    const Kernel *kernel = node->user_data;
    for (int step = 0; step < kernel->count; step++) {
        const Tensor *from = &context->tensors[kernel->steps[step].from];
        const Tensor *to = &context->tensors[kernel->steps[step].to];
        if (from->bytes != to->bytes) return ERROR;
        for (size_t at = 0; at < from->bytes / sizeof(float); at++)
            ((float *)to->data)[at] = kernel->offset - ((const float *)from->data)[at];
    }
    return OK;
}

static int takes(Context *context, Delegate *delegate) {
    IntArray *plan;
    struct { int size; int data[MOST_NODES]; } mine = {0};
    if (context->GetExecutionPlan(context, &plan) != OK) return ERROR;
    for (int at = 0; at < plan->size && mine.size < delegate->most; at++) {
        Node *node;
        Registration *registration;
        if (context->GetNodeAndRegistration(context, plan->data[at], &node, &registration) != OK) return ERROR;
        if (registration->builtin_code == BUILTIN_NEG && context->tensors[node->inputs->data[0]].type == FLOAT32)
            mine.data[mine.size++] = plan->data[at];
    }
    Registration kernel = {kernel_init, kernel_free, kernel_prepare, kernel_invoke, NULL, 51, "EdgeDeviceNegate", 1};
    kernel.builtin_code = 51; /* BuiltinOperator_DELEGATE */
    return context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, (const IntArray *)&mine, delegate);
}

static int takes_no_node(Context *context, Delegate *delegate) { return OK; }
static int fails(Context *context, Delegate *delegate) { return ERROR; }

Delegate *tflite_plugin_create_delegate(const char *const *keys, const char *const *values, size_t count,
                                        void (*report_error)(const char *)) {
    const char *mode = "none";
    float offset = 0;
    for (size_t at = 0; at < count; at++) {
        if (!strcmp(keys[at], "mode")) mode = values[at];
        if (!strcmp(keys[at], "offset")) offset = strtof(values[at], NULL);
        if (!strcmp(keys[at], "echo")) { report_error(values[at]); return NULL; }
    }
    if (!strcmp(mode, "refuse")) { report_error("no such accelerator in this machine"); return NULL; }
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->Prepare = !strcmp(mode, "none") ? takes_no_node : strcmp(mode, "fail") ? takes : fails;
    delegate->most = !strcmp(mode, "first") ? 1 : MOST_NODES;
    delegate->offset = offset;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
