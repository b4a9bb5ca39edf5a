/* What was read, by key and by type. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

bool json_is_text(const Json *json, uint32_t at, const char *text) {
    const JsonNode *node = &json->nodes[at];
    size_t length = strlen(text);
    return node->kind == JSON_STRING && node->length == length && !memcmp(json->text + node->start, text, length);
}

uint32_t json_get(const Json *json, uint32_t at, const char *key) {
    uint32_t found = 0;
    if (json->nodes[at].kind != JSON_OBJECT) return 0;
    for (uint32_t name = json_first(json, at); name;) {
        uint32_t value = name + 1; /* a key is one node */
        if (json_is_text(json, name, key)) found = value;
        name = json_after(json, at, value);
    }
    return found;
}

bool json_is_whole(const Json *json, uint32_t at) {
    const JsonNode *node = &json->nodes[at];
    if (!at || node->kind != JSON_NUMBER) return false;
    for (uint32_t next = 0; next < node->length; next++) {
        char one = json->text[node->start + next];
        if (one != '-' && (one < '0' || one > '9')) return false;
    }
    return true;
}

bool json_whole(const Json *json, uint32_t at, int64_t *value) {
    char digits[24];
    const JsonNode *node = &json->nodes[at];
    if (!json_is_whole(json, at) || node->length >= sizeof digits) return false;
    memcpy(digits, json->text + node->start, node->length);
    digits[node->length] = 0;
    errno = 0;
    long long number = strtoll(digits, NULL, 10);
    *value = number;
    return !errno;
}
