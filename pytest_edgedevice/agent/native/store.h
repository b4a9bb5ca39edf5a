/* Blobs by content hash in the agent's folder. A blob appears under its name only when its hash is right. */
#ifndef EDGEDEVICE_STORE_H
#define EDGEDEVICE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sha256.h"
#include "text.h"

enum { BLOB_NAME = 64, MOST_PARTIAL = 8 };

typedef struct {
    char name[BLOB_NAME + 1]; /* empty: free */
    int64_t have;
    Sha256 hash;
} Partial;

typedef struct {
    const char *folder;
    Partial partial[MOST_PARTIAL]; /* blobs on their way */
} Store;

/* A peer's word as a name: 64 lower-case hexadecimal digits, the only way to a path. */
bool store_name(const char *text, size_t length, char name[BLOB_NAME + 1], Fault *fault);
/* The path of a blob that is here; to be freed. NULL with the fault "missing". */
char *store_find(const Store *store, const char *name, Fault *fault);
/* Append a chunk. `complete` when it was the last and the hash is right. */
bool store_put(Store *store, const char *name, int64_t offset, int64_t total, const uint8_t *chunk, size_t count,
               bool *complete, Fault *fault);
/* Remove every blob, whole or not; what is mapped stays readable. */
void store_wipe(const Store *store);
/* Remove a folder with all that is in it, following no links. */
void remove_tree(const char *folder);

#endif
