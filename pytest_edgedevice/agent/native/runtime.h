/* The inference runtime: one library, named by the user or found beside the agent, opened at run time. */
#ifndef EDGEDEVICE_RUNTIME_H
#define EDGEDEVICE_RUNTIME_H

#include "engine.h"

typedef struct Runtime Runtime;
struct Runtime {
    const char *engine; /* "tflite" or "litert"; NULL without a usable runtime, and then `problem` says why */
    char version[48];
    char path[4096];
    char problem[1024];
    const char *gpu; /* a library with the GPU delegate; NULL for one beside the runtime, or in it */
    void *library;
    void *api; /* the opener's own */
    Engine *(*load)(const Runtime *runtime, const char *path, const LoadOptions *options, Fault *fault);
    /* Whether a delegate could be made here; one that could may still be refused. */
    bool (*offers)(const Runtime *runtime, const char *delegate);
};

/* `named` may be NULL: then the libraries beside the agent (`program`) are tried. Never fails; see `engine`. */
void runtime_open(Runtime *runtime, const char *named, const char *program);

/* One opener a library; false with `problem` when this is none of its kind, is too old, or lacks something. */
bool tflite_open(Runtime *runtime);
bool litert_open(Runtime *runtime);

/* What the runtime said since the last call of log_clear, in one line; "" when nothing. */
const char *log_text(void);
void log_clear(void);
void log_add(const char *text);
void log_add_format(void *unused, const char *format, va_list arguments);

/* A library's functions by name: fills `table` and returns the first required one that is missing, or NULL. */
typedef struct {
    const char *name;
    size_t offset;
    bool required;
} Symbol;
const char *symbols_read(void *library, const Symbol *symbols, size_t count, void *table);

#endif
