#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frames.h"

bool store_name(const char *text, size_t length, char name[BLOB_NAME + 1], Fault *fault) {
    bool sound = length == BLOB_NAME;
    for (size_t at = 0; sound && at < length; at++)
        sound = (text[at] >= '0' && text[at] <= '9') || (text[at] >= 'a' && text[at] <= 'f');
    if (!sound) return fail(fault, "protocol", "a blob is named by 64 lower-case hexadecimal digits");
    memcpy(name, text, BLOB_NAME);
    name[BLOB_NAME] = 0;
    return true;
}

static char *path_of(const Store *store, const char *name, const char *ending) {
    size_t room = strlen(store->folder) + BLOB_NAME + 8;
    char *path = malloc(room);
    if (path) snprintf(path, room, "%s/%s%s", store->folder, name, ending);
    return path;
}

char *store_find(const Store *store, const char *name, Fault *fault) {
    struct stat about;
    char *path = path_of(store, name, "");
    if (!path) {
        fail_memory(fault);
        return NULL;
    }
    if (!stat(path, &about) && S_ISREG(about.st_mode)) return path;
    free(path);
    fail(fault, "missing", "no blob %s here", name);
    return NULL;
}

static void forget(const Store *store, Partial *partial) {
    char *part = path_of(store, partial->name, ".part");
    if (part) unlink(part);
    free(part);
    partial->name[0] = 0;
}

static bool append(const char *part, const uint8_t *chunk, size_t count, bool first) {
    int file = open(part, O_WRONLY | O_CREAT | O_CLOEXEC | (first ? O_EXCL : O_APPEND), 0600);
    if (file < 0) return false;
    bool written = write_all(file, chunk, count);
    int cause = errno;
    bool closed = !close(file);
    if (!written) errno = cause;
    return written && closed;
}

static bool finish(Store *store, Partial *partial, const char *part, Fault *fault) {
    char found[65];
    sha256_finish(&partial->hash, found);
    if (strcmp(found, partial->name)) {
        fail(fault, "protocol", "blob %s arrived with hash %s", partial->name, found);
        forget(store, partial);
        return false;
    }
    char *path = path_of(store, partial->name, "");
    bool renamed = path && !rename(part, path);
    if (renamed)
        partial->name[0] = 0;
    else {
        fail(fault, "internal", "cannot store the blob: %s", strerror(errno));
        forget(store, partial);
    }
    free(path);
    return renamed;
}

static bool take(Store *store, Partial *partial, const uint8_t *chunk, size_t count, bool last, Fault *fault) {
    char *part = path_of(store, partial->name, ".part");
    if (!part) return fail_memory(fault);
    bool taken = append(part, chunk, count, partial->have == 0);
    if (taken) {
        sha256_add(&partial->hash, chunk, count);
        partial->have += (int64_t)count;
        if (last) taken = finish(store, partial, part, fault);
    } else {
        int cause = errno;
        forget(store, partial);
        fail(fault, cause == ENOSPC || cause == EDQUOT ? "full" : "internal", "cannot store the blob: %s",
             strerror(cause));
    }
    free(part);
    return taken;
}

static Partial *find_partial(Store *store, const char *name) {
    for (int at = 0; at < MOST_PARTIAL; at++)
        if (!strcmp(store->partial[at].name, name)) return &store->partial[at];
    return NULL;
}

static Partial *start(Store *store, const char *name) {
    Partial *partial = find_partial(store, name);
    if (!partial) partial = find_partial(store, "");
    if (!partial) {
        partial = &store->partial[0]; /* eight were begun and left */
        forget(store, partial);
    }
    memcpy(partial->name, name, BLOB_NAME + 1);
    forget(store, partial); /* what another agent may have left there */
    memcpy(partial->name, name, BLOB_NAME + 1);
    partial->have = 0;
    sha256_start(&partial->hash);
    return partial;
}

bool store_put(Store *store, const char *name, int64_t offset, int64_t total, const uint8_t *chunk, size_t count,
               bool *complete, Fault *fault) {
    if (offset < 0 || total < offset || (uint64_t)count > (uint64_t)(total - offset))
        return fail(fault, "protocol", "chunk of %zu at %" PRId64 " does not lie inside %" PRId64 " bytes", count,
                    offset, total);
    Partial *partial = offset ? find_partial(store, name) : start(store, name);
    if (!partial || partial->have != offset)
        return fail(fault, "protocol", "chunk at %" PRId64 " does not follow the %" PRId64 " bytes that are here",
                    offset, partial ? partial->have : 0);
    *complete = offset + (int64_t)count == total;
    return take(store, partial, chunk, count, *complete, fault);
}

void store_wipe(const Store *store) {
    DIR *listing = opendir(store->folder);
    if (!listing) return;
    for (const struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        size_t digits = strspn(entry->d_name, "0123456789abcdef");
        const char *ending = entry->d_name + digits;
        if (digits == BLOB_NAME && (!*ending || !strcmp(ending, ".part"))) unlinkat(dirfd(listing), entry->d_name, 0);
    }
    closedir(listing);
}

static void remove_inside(int folder, const char *name, int depth) {
    int inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = inside < 0 ? NULL : fdopendir(inside);
    if (!listing) {
        if (inside >= 0) close(inside);
        return;
    }
    for (const struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (unlinkat(inside, entry->d_name, 0) && depth < 64) {
            remove_inside(inside, entry->d_name, depth + 1);
            unlinkat(inside, entry->d_name, AT_REMOVEDIR);
        }
    }
    closedir(listing);
}

void remove_tree(const char *folder) {
    remove_inside(AT_FDCWD, folder, 0);
    rmdir(folder);
}
