#include "tflite_delegates.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Options structs that grow from version to version are given as this many zeros behind what we set, which every
 * version reads as its defaults. */
enum { MOST_OPTION_WORDS = 64 };

static bool refuse(Fault *fault, const Runtime *runtime, const char *delegate, const char *why) {
    const char *said = log_text();
    return fail(fault, "delegate", "delegate '%.200s' %s (TensorFlow Lite %s)%s%s", delegate, why, runtime->version,
                *said ? ": " : "", said);
}

static bool make_xnnpack(Made *made, const Runtime *runtime, const LoadOptions *options, Fault *fault) {
    const TfliteApi *api = runtime->api;
    if (!api->xnnpack_create || !api->xnnpack_delete)
        return refuse(fault, runtime, "xnnpack", "is not in this library: it exports no TfLiteXNNPackDelegateCreate");
    made->delegate = api->xnnpack_create(NULL); /* the version's own defaults, one thread */
    made->destroy = api->xnnpack_delete;
    made->proven = "xnnpack";
    if (made->delegate && options->threads > 1) {
        uint32_t wanted[MOST_OPTION_WORDS] = {(uint32_t)options->threads};
        if (api->xnnpack_options && api->xnnpack_options(made->delegate))
            wanted[1] = api->xnnpack_options(made->delegate)[1];
        else if (api->xnnpack_flags)
            wanted[1] = (uint32_t)api->xnnpack_flags(made->delegate);
        api->xnnpack_delete(made->delegate);
        made->delegate = api->xnnpack_create(wanted);
    }
    if (made->delegate) return true;
    return refuse(fault, runtime, "xnnpack",
                  "cannot be created here; it needs /proc/cpuinfo and /sys/devices/system/cpu");
}

typedef TfLiteDelegate *(*CreateWith)(const void *options);
typedef void (*Destroy)(TfLiteDelegate *);
typedef struct {
    uint64_t words[MOST_OPTION_WORDS];
} AnyOptions; /* larger than every version's, and so returned through memory as they are */
typedef AnyOptions (*Defaults)(void);

typedef struct {
    CreateWith create;
    Destroy destroy;
    Defaults defaults;
} Maker;

static const char *const GPU_BESIDE[] = {"libtensorflowlite_gpu_jni.so", "libtensorflowlite_gpu_delegate.so"};
enum { GPU_PLACES = 1 + sizeof GPU_BESIDE / sizeof *GPU_BESIDE };
typedef char Path[sizeof((Runtime *)0)->path + 64];

/* Where the GPU delegate's own library may be: named, or beside the runtime. False for a place that is none. */
static bool gpu_place(Path path, const Runtime *runtime, size_t at) {
    const char *slash = strrchr(runtime->path, '/');
    int folder = slash ? (int)(slash + 1 - runtime->path) : 0;
    if (at)
        snprintf(path, sizeof(Path), "%.*s%s", folder, runtime->path, GPU_BESIDE[at - 1]);
    else
        snprintf(path, sizeof(Path), "%s", runtime->gpu ? runtime->gpu : "");
    return *path && !access(path, F_OK);
}

/* Functions of a delegate in the runtime itself, or in a library of its own. */
static bool find_maker(Maker *maker, const Runtime *runtime, bool gpu) {
    const char *prefix = gpu ? "TfLiteGpuDelegateV2" : "TfLiteNnapiDelegate";
    char name[3][64];
    Path path;
    static const char *const endings[] = {"Create", "Delete", "OptionsDefault"};
    for (int at = 0; at < 3; at++) snprintf(name[at], sizeof name[at], "%s%s", prefix, endings[at]);
    const Symbol symbols[] = {{name[0], offsetof(Maker, create), true},
                              {name[1], offsetof(Maker, destroy), true},
                              {name[2], offsetof(Maker, defaults), true}};
    if (!symbols_read(runtime->library, symbols, 3, maker)) return true;
    for (size_t at = 0; gpu && at < GPU_PLACES; at++) {
        if (!gpu_place(path, runtime, at)) continue;
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library && !symbols_read(library, symbols, 3, maker)) return true;
        const char *why = library ? NULL : dlerror();
        if (why) log_add(why);
    }
    return false;
}

static bool make_known(Made *made, const Runtime *runtime, const LoadOptions *options, Fault *fault) {
    bool gpu = !strcmp(options->delegate, "gpu");
    Maker maker;
    if (!find_maker(&maker, runtime, gpu))
        return refuse(fault, runtime, options->delegate,
                      gpu ? "is not in this library, nor is libtensorflowlite_gpu_jni.so or "
                            "libtensorflowlite_gpu_delegate.so beside it"
                          : "is not in this library: it exports no TfLiteNnapiDelegateCreate");
    AnyOptions defaults = maker.defaults();
    made->delegate = maker.create(&defaults);
    made->destroy = maker.destroy;
    made->proven = options->delegate;
    return made->delegate || refuse(fault, runtime, options->delegate, "cannot be created on this device");
}

typedef TfLiteDelegate *(*CreatePlugin)(const char *const *keys, const char *const *values, size_t count,
                                        void (*report)(const char *));
typedef struct {
    CreatePlugin create;
    Destroy destroy;
} Plugin;

static bool make_external(Made *made, const LoadOptions *options, Fault *fault) {
    static const Symbol symbols[] = {{"tflite_plugin_create_delegate", offsetof(Plugin, create), true},
                                     {"tflite_plugin_destroy_delegate", offsetof(Plugin, destroy), true}};
    const char *path = options->delegate + strlen("external:");
    Plugin plugin;
    void *library = *path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL; /* "" would be this program */
    const char *why = library ? symbols_read(library, symbols, 2, &plugin) : *path ? dlerror() : "no path is given";
    if (why)
        return fail(fault, "delegate", "delegate library '%.300s' cannot be loaded: %s%s", path,
                    library ? "it lacks " : "", why);
    made->delegate = plugin.create(options->keys, options->values, options->option_count, log_add);
    made->destroy = plugin.destroy;
    made->proven = options->delegate;
    if (made->delegate) return true;
    return fail(fault, "delegate", "delegate library '%.300s' cannot be loaded: Failed to load delegate from %.300s %s",
                path, path, log_text());
}

bool delegate_make(Made *made, const Runtime *runtime, const LoadOptions *options, Fault *fault) {
    const char *name = options->delegate;
    *made = (Made){.proven = "cpu"};
    log_clear();
    if (!strcmp(name, "cpu")) return true;
    if (!strcmp(name, "default") || !strcmp(name, "xnnpack")) return make_xnnpack(made, runtime, options, fault);
    if (!strcmp(name, "gpu") || !strcmp(name, "npu") || !strcmp(name, "nnapi"))
        return make_known(made, runtime, options, fault);
    if (!strncmp(name, "external:", strlen("external:"))) return make_external(made, options, fault);
    if (!strcmp(name, "reference"))
        return fail(fault, "delegate",
                    "delegate 'reference': TensorFlow Lite's C library %s has no reference kernels; the "
                    "Python agent has",
                    runtime->version);
    return fail(fault, "delegate", "delegate '%.80s' is unknown to the engine 'tflite'", name);
}

bool delegate_offered(const Runtime *runtime, const char *name) {
    const TfliteApi *api = runtime->api;
    Path path;
    if (!strcmp(name, "default") || !strcmp(name, "cpu") || !strcmp(name, "external")) return true;
    if (!strcmp(name, "xnnpack")) return api->xnnpack_create && api->xnnpack_delete;
    if (!strcmp(name, "gpu")) {
        bool found = dlsym(runtime->library, "TfLiteGpuDelegateV2Create") != NULL;
        for (size_t at = 0; !found && at < GPU_PLACES; at++) found = gpu_place(path, runtime, at);
        return found;
    }
    if (strcmp(name, "npu") && strcmp(name, "nnapi")) return false;
    /* the library can make the delegate on every system; behind it is something on Android alone */
    return dlsym(runtime->library, "TfLiteNnapiDelegateCreate") && dlopen("libneuralnetworks.so", RTLD_LAZY);
}

void delegate_end(Made *made) {
    if (made->delegate) made->destroy(made->delegate);
    *made = (Made){.proven = "cpu"};
}
