/* An external delegate for TensorFlow Lite in plain C, with the few declarations it needs (the ABI of c_api_types.h).
 *
 * Option "mode": "none" (takes no node), "refuse" (cannot be created), "fail" (fails while it is applied).
 * Option "echo": its value is reported as the error text, which shows that options arrive.
 */
#include <stdlib.h>
#include <string.h>

typedef struct TfLiteDelegate {
    void *data_;
    int (*Prepare)(void *context, struct TfLiteDelegate *delegate);
    int (*CopyFromBufferHandle)(void);
    int (*CopyToBufferHandle)(void);
    void (*FreeBufferHandle)(void);
    long long flags;
    void *opaque_delegate_builder;
} TfLiteDelegate;

static int takes_no_node(void *context, TfLiteDelegate *delegate) { return 0; }
static int fails(void *context, TfLiteDelegate *delegate) { return 1; }

TfLiteDelegate *tflite_plugin_create_delegate(const char *const *keys, const char *const *values, size_t count,
                                              void (*report_error)(const char *)) {
    const char *mode = "none";
    for (size_t at = 0; at < count; at++) {
        if (!strcmp(keys[at], "mode")) mode = values[at];
        if (!strcmp(keys[at], "echo")) { report_error(values[at]); return NULL; }
    }
    if (!strcmp(mode, "refuse")) { report_error("no such accelerator in this machine"); return NULL; }
    TfLiteDelegate *delegate = calloc(1, sizeof *delegate);
    delegate->Prepare = strcmp(mode, "fail") ? takes_no_node : fails;
    return delegate;
}

void tflite_plugin_destroy_delegate(TfLiteDelegate *delegate) { free(delegate); }
