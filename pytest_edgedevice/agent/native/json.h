/* A JSON reader (RFC 8259) for headers of at most a mebibyte.
 *
 * Strict: no NaN, no Infinity, no number that overflows a double, UTF-8 only. The text is read into a flat list of
 * nodes, 16 bytes each; strings are unescaped in place. Half a character ("\ud800"), which JSON can smuggle, is kept
 * as three bytes that are no UTF-8, so that whoever needs a sound text can tell.
 */
#ifndef EDGEDEVICE_JSON_H
#define EDGEDEVICE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };
enum { JSON_MOST_DEPTH = 256 };

typedef struct {
    uint32_t start, length; /* in the text; of an object or array its count of nodes below is `next` */
    uint32_t next;          /* the node behind this one and all that is in it */
    uint32_t kind;
} JsonNode;

typedef struct {
    char *text; /* borrowed, and changed */
    JsonNode *nodes;
    uint32_t count, room;
} Json;

/* Read a text. False with the reason in `why` ("" when out of memory). Free the nodes in either case. */
bool json_read(Json *json, char *text, size_t length, char *why, size_t why_room);
void json_free(Json *json);

/* The value of a key in the object `at`; 0 (the root, no value of anything) when absent. The last of equal keys counts.
 */
uint32_t json_get(const Json *json, uint32_t at, const char *key);
bool json_is_text(const Json *json, uint32_t at, const char *text);
/* Whether it is a number without a point or exponent. */
bool json_is_whole(const Json *json, uint32_t at);
/* The same as an integer, where it fits in 64 bits. */
bool json_whole(const Json *json, uint32_t at, int64_t *value);

/* Children of an array (or keys and values of an object), one after another; false at the end. */
static inline uint32_t json_first(const Json *json, uint32_t parent) {
    return parent + 1 < json->nodes[parent].next ? parent + 1 : 0;
}
static inline uint32_t json_after(const Json *json, uint32_t parent, uint32_t child) {
    return json->nodes[child].next < json->nodes[parent].next ? json->nodes[child].next : 0;
}

#endif
