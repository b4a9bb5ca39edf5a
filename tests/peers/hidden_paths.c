/* Preloaded into a process: no file whose path begins with $HIDDEN is there for it, as in a locked-down container. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hidden(const char *path) {
    const char *prefix = getenv("HIDDEN");
    if (prefix == NULL || *prefix == '\0' || strncmp(path, prefix, strlen(prefix)) != 0) return 0;
    errno = ENOENT;
    return 1;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);                                                 \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = va_arg(arguments, mode_t);                                                                       \
        va_end(arguments);                                                                                             \
        return hidden(path) ? -1 : real(path, flags, mode);                                                            \
    }

#define FOPEN(name)                                                                                                    \
    FILE *name(const char *path, const char *mode) {                                                                   \
        FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, #name);                                           \
        return hidden(path) ? NULL : real(path, mode);                                                                 \
    }

OPEN(open)
OPEN(open64)
FOPEN(fopen)
FOPEN(fopen64)
