#include "runtime.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const BESIDE[] = {"libtensorflowlite_c.so", "libLiteRt.so", "libtensorflowlite_jni.so"};

const char *symbols_read(void *library, const Symbol *symbols, size_t count, void *table) {
    const char *missing = NULL;
    for (size_t at = 0; at < count; at++) {
        void *found = dlsym(library, symbols[at].name);
        if (!found && symbols[at].required && !missing) missing = symbols[at].name;
        memcpy((char *)table + symbols[at].offset, &found, sizeof found);
    }
    return missing;
}

static bool open_library(Runtime *runtime) {
    runtime->library = dlopen(runtime->path, RTLD_NOW | RTLD_LOCAL);
    if (!runtime->library) {
        const char *why = dlerror();
        snprintf(runtime->problem, sizeof runtime->problem, "%s", why ? why : "it cannot be opened");
        return false;
    }
    if (dlsym(runtime->library, "TfLiteVersion")) return tflite_open(runtime);
    if (dlsym(runtime->library, "LiteRtCreateEnvironment")) return litert_open(runtime);
    snprintf(runtime->problem, sizeof runtime->problem,
             "it exports neither TfLiteVersion nor LiteRtCreateEnvironment: is it an inference runtime?");
    return false;
}

/* The agent's own folder, where libraries are looked for. */
static size_t own_folder(const char *program, char *path, size_t room) {
    ssize_t length = readlink("/proc/self/exe", path, room - 1);
    if (length > 0)
        path[length] = 0;
    else
        snprintf(path, room, "%s", program); /* without /proc */
    char *slash = strrchr(path, '/');
    if (!slash) return 0;
    slash[1] = 0;
    return (size_t)(slash + 1 - path);
}

void runtime_open(Runtime *runtime, const char *named, const char *program) {
    memset(runtime, 0, sizeof *runtime);
    if (named) {
        /* a bare name would be looked for on the system's library path, never here */
        snprintf(runtime->path, sizeof runtime->path, "%s%s", strchr(named, '/') ? "" : "./", named);
        if (open_library(runtime)) return;
    } else {
        size_t length = own_folder(program, runtime->path, sizeof runtime->path - 64);
        for (size_t at = 0; length && at < sizeof BESIDE / sizeof *BESIDE; at++) {
            snprintf(runtime->path + length, sizeof runtime->path - length, "%s", BESIDE[at]);
            if (access(runtime->path, F_OK)) continue;
            if (open_library(runtime)) return;
            break; /* it is there, and of no use: say why */
        }
    }
    runtime->engine = NULL;
    char why[sizeof runtime->problem];
    memcpy(why, runtime->problem, sizeof why);
    if (*why)
        snprintf(runtime->problem, sizeof runtime->problem, "runtime '%.300s' cannot be used: %.600s", runtime->path,
                 why);
    else
        snprintf(
            runtime->problem, sizeof runtime->problem,
            "no inference runtime beside the agent: push libtensorflowlite_c.so (2.5 or later) or libLiteRt.so (2.2 "
            "or later) for this device, and start the agent with --runtime PATH");
}

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_bytes[2048];
static size_t log_length;

void log_clear(void) {
    pthread_mutex_lock(&log_lock);
    log_length = 0;
    log_bytes[0] = 0;
    pthread_mutex_unlock(&log_lock);
}

void log_add(const char *text) {
    pthread_mutex_lock(&log_lock);
    size_t count = strlen(text), room = sizeof log_bytes - 1 - log_length;
    while (count && (text[count - 1] == '\n' || text[count - 1] == ' ')) count--;
    if (log_length && count && room > 1) {
        log_bytes[log_length++] = ' ';
        room--;
    }
    if (count > room) count = room;
    for (size_t at = 0; at < count; at++) log_bytes[log_length++] = text[at] == '\n' ? ' ' : text[at];
    log_bytes[log_length] = 0;
    pthread_mutex_unlock(&log_lock);
}

void log_add_format(void *unused, const char *format, va_list arguments) {
    char text[1024];
    (void)unused;
    if (vsnprintf(text, sizeof text, format, arguments) > 0) log_add(text);
}

const char *log_text(void) { return log_bytes; }
