#include "tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool wire_error(Fault *fault, const char *text) { return fail(fault, "protocol", "%s", text); }

bool read_whole(const Frame *frame, const char *name, int64_t low, int64_t high, int64_t *value, Fault *fault) {
    const Json *header = &frame->header;
    uint32_t at = json_get(header, 0, name);
    if (at && json_whole(header, at, value) && *value >= low && *value <= high) return true;
    const JsonNode *node = &header->nodes[at];
    bool plain = at && node->kind == JSON_NUMBER;
    return fail(fault, "protocol", "'%s' must be a whole number from %" PRId64 " to %" PRId64 ", not %.*s", name, low,
                high, plain ? (int)(node->length < 40 ? node->length : 40) : 4,
                plain ? header->text + node->start : "that");
}

static bool read_shape(const Json *header, uint32_t at, Part *part, Fault *fault) {
    if (!at || header->nodes[at].kind != JSON_ARRAY) return wire_error(fault, "a tensor has no shape");
    for (uint32_t size = json_first(header, at); size; size = json_after(header, at, size)) {
        int64_t value;
        if (part->rank == MOST_DIMENSIONS) return wire_error(fault, "a tensor has no shape of at most 16 dimensions");
        if (!json_whole(header, size, &value) || value < 0 || value >= (int64_t)1 << 48)
            return wire_error(fault, "a tensor has an impossible shape");
        part->shape[part->rank++] = (uint64_t)value;
    }
    return true;
}

static bool read_entry(const Json *header, uint32_t entry, Part *part, Fault *fault) {
    const JsonNode *nodes = header->nodes;
    if (nodes[entry].kind != JSON_OBJECT) return wire_error(fault, "an entry of 'tensors' is not an object");
    uint32_t name = json_get(header, entry, "name"), dtype = json_get(header, entry, "dtype");
    uint32_t role = json_get(header, entry, "role");
    if (!name || nodes[name].kind != JSON_STRING) return wire_error(fault, "a tensor's name is not a short string");
    part->name = header->text + nodes[name].start;
    part->name_length = nodes[name].length;
    long characters = utf8_length(part->name, part->name_length);
    if (characters < 0 || characters > MOST_NAME_CHARACTERS)
        return wire_error(fault, "a tensor's name is not a short string");
    if (role && !json_is_text(header, role, "tensor") && !json_is_text(header, role, "sample") &&
        !json_is_text(header, role, "timing"))
        return wire_error(fault, "a tensor has an unknown role");
    if (dtype && nodes[dtype].kind == JSON_STRING)
        part->dtype = dtype_named(header->text + nodes[dtype].start, nodes[dtype].length);
    if (!part->dtype) return wire_error(fault, "a tensor has an unknown dtype");
    return read_shape(header, json_get(header, entry, "shape"), part, fault);
}

/* Bytes that a shape needs; false beyond 64 bits. */
static bool needed_bytes(const Part *part, uint64_t *bytes) {
    bool fits = true;
    *bytes = part->dtype->size;
    for (unsigned at = 0; at < part->rank; at++)
        if (!part->shape[at]) {
            *bytes = 0;
            return true;
        }
    for (unsigned at = 0; at < part->rank && fits; at++) fits = !__builtin_mul_overflow(*bytes, part->shape[at], bytes);
    return fits;
}

static bool split(const Frame *frame, uint32_t list, Part *parts, size_t *count, Fault *fault) {
    size_t offset = 0;
    for (uint32_t entry = json_first(&frame->header, list); entry; entry = json_after(&frame->header, list, entry)) {
        Part *part = &parts[(*count)++];
        uint64_t bytes;
        if (!read_entry(&frame->header, entry, part, fault)) return false;
        bool fits = needed_bytes(part, &bytes);
        if (!fits || bytes > frame->payload_bytes - offset)
            return fail(fault, "protocol", "tensor '%.*s' needs %s%" PRIu64 " bytes, the payload has %zu left",
                        (int)(part->name_length < 80 ? part->name_length : 80), part->name, fits ? "" : "more than ",
                        fits ? bytes : UINT64_MAX, frame->payload_bytes - offset);
        part->bytes = (size_t)bytes;
        /* nothing is read of an empty tensor, but an address is added to */
        part->data = frame->payload ? frame->payload + offset : (const uint8_t *)"";
        offset += part->bytes;
    }
    if (offset == frame->payload_bytes) return true;
    return fail(fault, "protocol", "payload has %zu bytes that no tensor claims", frame->payload_bytes - offset);
}

Part *split_tensors(const Frame *frame, size_t *count, Fault *fault) {
    const Json *header = &frame->header;
    uint32_t list = json_get(header, 0, "tensors");
    *count = 0;
    if (!list || header->nodes[list].kind != JSON_ARRAY) {
        wire_error(fault, "header has no list 'tensors'");
        return NULL;
    }
    size_t entries = 0;
    for (uint32_t entry = json_first(header, list); entry; entry = json_after(header, list, entry)) entries++;
    Part *parts = calloc(entries + 1, sizeof *parts);
    if (!parts)
        fail_memory(fault);
    else if (!split(frame, list, parts, count, fault)) {
        free(parts);
        parts = NULL;
    }
    return parts;
}

static void list_names(Text *text, const Specs *specs) {
    for (size_t at = 0; at < specs->count; at++) {
        text_put(text, at ? ", " : "[");
        text_quoted(text, specs->specs[at].name, strlen(specs->specs[at].name), 80);
    }
    text_put(text, specs->count ? "]" : "[]");
}

static bool wrong_names(const Model *model, const Part *parts, size_t count, Fault *fault) {
    Text text = {0};
    text_put(&text, "inputs are ");
    list_names(&text, &model->inputs);
    text_put(&text, ", got [");
    for (size_t at = 0; at < count && at < 32; at++) {
        if (at) text_put(&text, ", ");
        text_quoted(&text, parts[at].name, parts[at].name_length, 80);
    }
    text_put(&text, count > 32 ? ", ...]" : "]");
    fail(fault, "input", "%.*s", (int)(text.length < 4000 ? text.length : 4000), text.data ? text.data : "");
    text_free(&text);
    return false;
}

static void put_shape(Text *text, const Spec *spec, const Part *part) {
    unsigned rank = spec ? spec->rank : part->rank;
    text_put(text, "[");
    for (unsigned at = 0; at < rank; at++) {
        int64_t size = spec ? spec->shape[at] : (int64_t)part->shape[at];
        text_format(text, at ? ", %" PRId64 : "%" PRId64, size);
    }
    text_put(text, "]");
}

static bool check_input(const Spec *spec, const Part *part, uint64_t samples, Fault *fault) {
    if (part->dtype != spec->dtype)
        return fail(fault, "input", "input '%.200s' has dtype %s, got %s", spec->name, spec->dtype->name,
                    part->dtype->name);
    bool fits = part->rank == spec->rank + 1 && part->shape[0] == samples;
    for (unsigned at = 0; fits && at < spec->rank; at++)
        fits = spec->shape[at] == -1 || (uint64_t)spec->shape[at] == part->shape[at + 1];
    if (fits) return true;
    Text text = {0};
    put_shape(&text, spec, NULL);
    text_put(&text, " a sample, got ");
    put_shape(&text, NULL, part);
    fail(fault, "input", "input '%.200s' has shape %.*s", spec->name, (int)text.length, text.data ? text.data : "");
    text_free(&text);
    return false;
}

static bool sort_inputs(const Model *model, const Part *parts, size_t count, uint64_t samples, Part *sorted,
                        Fault *fault) {
    if (count != model->inputs.count) return wrong_names(model, parts, count, fault);
    for (size_t at = 0; at < count; at++) {
        const Spec *spec = &model->inputs.specs[at];
        size_t length = strlen(spec->name), found = 0;
        while (found < count && (parts[found].name_length != length || memcmp(parts[found].name, spec->name, length)))
            found++;
        if (found == count) return wrong_names(model, parts, count, fault);
        sorted[at] = parts[found];
        if (!check_input(spec, &sorted[at], samples, fault)) return false;
    }
    return true;
}

Part *read_inputs(const Model *model, const Frame *frame, uint64_t *samples, Fault *fault) {
    int64_t wanted;
    size_t count;
    if (!read_whole(frame, "samples", 1, (int64_t)1 << 32, &wanted, fault)) return NULL;
    *samples = (uint64_t)wanted;
    Part *parts = split_tensors(frame, &count, fault);
    if (!parts) return NULL;
    Part *sorted = calloc(count + model->inputs.count + 1, sizeof *sorted);
    if (!sorted) {
        fail_memory(fault);
    } else if (!sort_inputs(model, parts, count, *samples, sorted, fault)) {
        free(sorted);
        sorted = NULL;
    }
    free(parts);
    return sorted;
}

void one_sample(const Part *inputs, size_t count, uint64_t sample, Given *given) {
    for (size_t at = 0; at < count; at++) {
        size_t bytes = inputs[at].bytes / (size_t)inputs[at].shape[0];
        given[at] = (Given){inputs[at].data + bytes * (size_t)sample, bytes, inputs[at].rank - 1, inputs[at].shape + 1};
    }
}
