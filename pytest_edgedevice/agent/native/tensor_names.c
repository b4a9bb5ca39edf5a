#include "tensor_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODEL_SIGNATURES = 7, TENSOR_NAME = 3 };
enum { SIGNATURE_INPUTS = 0, SIGNATURE_OUTPUTS = 1, SIGNATURE_GRAPH = 4, MAP_NAME = 0, MAP_TENSOR = 1 };

static bool holds(Flat *flat, size_t vector, int64_t value) {
    for (uint32_t at = 0; at < flat_count(flat, vector, 4); at++)
        if (flat_item(flat, vector, at, 4) == value) return true;
    return false;
}

size_t find_signature(Flat *flat, size_t root, size_t outputs, int *index) {
    size_t signatures = flat_child(flat, root, MODEL_SIGNATURES);
    for (uint32_t at = 0; at < flat_count(flat, signatures, 4) && !flat->bad; at++) {
        size_t signature = flat_table(flat, signatures, at);
        size_t maps = flat_child(flat, signature, SIGNATURE_OUTPUTS);
        bool fits = flat_integer(flat, signature, SIGNATURE_GRAPH, 4, 0) == 0;
        for (uint32_t one = 0; fits && one < flat_count(flat, maps, 4); one++)
            fits = holds(flat, outputs, flat_integer(flat, flat_table(flat, maps, one), MAP_TENSOR, 4, 0));
        if (fits) {
            *index = (int)at;
            return signature;
        }
    }
    return 0;
}

static const char *signature_name(Flat *flat, size_t signature, bool output, int32_t tensor, uint32_t *length) {
    size_t maps = flat_child(flat, signature, output ? SIGNATURE_OUTPUTS : SIGNATURE_INPUTS), found = 0;
    for (uint32_t at = 0; at < flat_count(flat, maps, 4); at++) {
        size_t map = flat_table(flat, maps, at);
        if (flat_integer(flat, map, MAP_TENSOR, 4, 0) == tensor) found = flat_child(flat, map, MAP_NAME);
    }
    return flat_text(flat, found, length);
}

static bool is_taken(const Specs *specs, const char *name) {
    for (size_t at = 0; at + 1 < specs->count; at++)
        if (!strcmp(specs->specs[at].name, name)) return true;
    return false;
}

bool name_tensor(Flat *flat, size_t tensor, size_t signature, bool output, Specs *specs, Fault *fault) {
    size_t position = specs->count - 1;
    Spec *spec = &specs->specs[position];
    uint32_t length = 0;
    char numbered[32];
    const char *name = signature_name(flat, signature, output, spec->tensor, &length);
    if (!length) name = flat_text(flat, flat_child(flat, tensor, TENSOR_NAME), &length);
    if (!length) {
        snprintf(numbered, sizeof numbered, "%s_%zu", output ? "output" : "input", position);
        name = numbered;
        length = (uint32_t)strlen(numbered);
    }
    long characters = utf8_length(name, length);
    if (characters < 0 || memchr(name, 0, length))
        return fail(fault, "model", "the name of %s %zu is no UTF-8 text", output ? "output" : "input", position);
    if (characters > MOST_NAME_CHARACTERS)
        return fail(fault, "model", "the name of tensor '%.40s'... has %ld characters; %d are the most", name,
                    characters, MOST_NAME_CHARACTERS);
    /* room for a suffix for every tensor before it, each of at most 21 characters */
    size_t room = (size_t)length + 24 * specs->count + 1;
    spec->name = malloc(room);
    if (!spec->name) return fail_memory(fault);
    memcpy(spec->name, name, length);
    spec->name[length] = 0;
    for (size_t end = length; is_taken(specs, spec->name);)
        end += (size_t)snprintf(spec->name + end, room - end, ":%zu", position);
    return true;
}
