#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

typedef struct {
    Json *json;
    size_t at, end;
    int depth;
    const char *wrong; /* NULL while all is well, "" when out of memory */
} Reader;

static bool wrong(Reader *reader, const char *what) {
    if (!reader->wrong) reader->wrong = what;
    return false;
}

static int peek(const Reader *reader) {
    return reader->at < reader->end ? (unsigned char)reader->json->text[reader->at] : -1;
}

static void skip_space(Reader *reader) {
    for (int one = peek(reader); one == ' ' || one == '\t' || one == '\n' || one == '\r'; one = peek(reader))
        reader->at++;
}

static bool add_node(Reader *reader, uint32_t kind, uint32_t *number) {
    Json *json = reader->json;
    if (json->count == json->room) {
        uint32_t room = json->room ? 2 * json->room : 64;
        JsonNode *nodes = realloc(json->nodes, room * sizeof *nodes);
        if (!nodes) return wrong(reader, "");
        json->nodes = nodes;
        json->room = room;
    }
    *number = json->count++;
    json->nodes[*number] = (JsonNode){.start = (uint32_t)reader->at, .next = *number + 1, .kind = kind};
    return true;
}

static bool read_hex(Reader *reader, uint32_t *code) {
    *code = 0;
    for (int digits = 0; digits < 4; digits++, reader->at++) {
        int one = peek(reader);
        uint32_t value;
        if (one >= '0' && one <= '9')
            value = (uint32_t)(one - '0');
        else if ((one | 0x20) >= 'a' && (one | 0x20) <= 'f')
            value = (uint32_t)((one | 0x20) - 'a' + 10);
        else
            return wrong(reader, "an escape \\u lacks its four digits");
        *code = *code << 4 | value;
    }
    return true;
}

static size_t put_character(char *to, uint32_t code) {
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t at = size; at-- > 1; code >>= 6) to[at] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(lead[size] | code);
    return size;
}

/* An escape behind its backslash; never longer than what it is written with. */
static bool read_escape(Reader *reader, char *to, size_t *size) {
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    int one = peek(reader);
    reader->at++;
    if (one == 'u') {
        uint32_t code, low;
        if (!read_hex(reader, &code)) return false;
        const char *rest = reader->json->text + reader->at;
        if (code >= 0xd800 && code < 0xdc00 && reader->end - reader->at >= 6 && rest[0] == '\\' && rest[1] == 'u') {
            size_t back = reader->at;
            reader->at += 2;
            if (!read_hex(reader, &low)) return false;
            if (low >= 0xdc00 && low < 0xe000)
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            else
                reader->at = back;
        }
        *size = put_character(to, code);
        return true;
    }
    const char *found = one > 0 ? strchr(plain, one) : NULL;
    if (!found) return wrong(reader, "a string has an escape that JSON lacks");
    *to = meant[found - plain];
    *size = 1;
    return true;
}

static bool read_string(Reader *reader) {
    uint32_t number;
    reader->at++;
    if (!add_node(reader, JSON_STRING, &number)) return false;
    char *text = reader->json->text;
    size_t to = reader->at, size;
    for (;;) {
        int one = peek(reader);
        if (one < 0) return wrong(reader, "a string does not end");
        if (one == '"') break;
        if (one < 0x20) return wrong(reader, "a string holds a control character");
        if (one == '\\') {
            reader->at++;
            if (!read_escape(reader, text + to, &size)) return false;
        } else {
            size = utf8_step(text + reader->at, reader->end - reader->at);
            if (!size) return wrong(reader, "it is no UTF-8");
            memmove(text + to, text + reader->at, size);
            reader->at += size;
        }
        to += size;
    }
    reader->at++;
    JsonNode *node = &reader->json->nodes[number];
    node->length = (uint32_t)(to - node->start);
    return true;
}

static size_t skip_digits(Reader *reader) {
    size_t from = reader->at;
    while (peek(reader) >= '0' && peek(reader) <= '9') reader->at++;
    return reader->at - from;
}

static bool read_number(Reader *reader) {
    uint32_t number;
    if (!add_node(reader, JSON_NUMBER, &number)) return false;
    size_t from = reader->at;
    bool simple = true;
    if (peek(reader) == '-') reader->at++;
    bool zero = peek(reader) == '0';
    size_t digits = skip_digits(reader);
    if (!digits || (zero && digits > 1)) return wrong(reader, "a value is no JSON");
    if (peek(reader) == '.') {
        simple = false;
        reader->at++;
        if (!skip_digits(reader)) return wrong(reader, "a number ends in its point");
    }
    if (peek(reader) == 'e' || peek(reader) == 'E') {
        simple = false;
        reader->at++;
        if (peek(reader) == '-' || peek(reader) == '+') reader->at++;
        if (!skip_digits(reader)) return wrong(reader, "a number lacks its exponent");
    }
    /* the byte behind the text is a NUL, so that strtod ends there at the latest */
    if ((!simple || digits > 300) && !isfinite(strtod(reader->json->text + from, NULL)))
        return wrong(reader, "a number is too large for a double");
    reader->json->nodes[number].length = (uint32_t)(reader->at - from);
    return true;
}

static bool read_word(Reader *reader, const char *word, uint32_t kind) {
    uint32_t number;
    size_t length = strlen(word);
    if (reader->end - reader->at < length || memcmp(reader->json->text + reader->at, word, length))
        return wrong(reader, "a value is no JSON");
    if (!add_node(reader, kind, &number)) return false;
    reader->at += length;
    return true;
}

static bool read_value(Reader *reader);

static bool read_members(Reader *reader, uint32_t kind) {
    uint32_t number;
    int close = kind == JSON_OBJECT ? '}' : ']';
    if (reader->depth == JSON_MOST_DEPTH) return wrong(reader, "it is nested too deeply");
    if (!add_node(reader, kind, &number)) return false;
    reader->at++;
    reader->depth++;
    skip_space(reader);
    for (bool first = true; peek(reader) != close; first = false) {
        if (!first) {
            if (peek(reader) != ',') return wrong(reader, "a comma or an end is missing");
            reader->at++;
            skip_space(reader);
        }
        if (kind == JSON_OBJECT) {
            if (peek(reader) != '"') return wrong(reader, "a key is missing");
            if (!read_string(reader)) return false;
            skip_space(reader);
            if (peek(reader) != ':') return wrong(reader, "a colon is missing");
            reader->at++;
        }
        if (!read_value(reader)) return false;
        skip_space(reader);
    }
    reader->at++;
    reader->depth--;
    reader->json->nodes[number].next = reader->json->count;
    return true;
}

static bool read_value(Reader *reader) {
    skip_space(reader);
    switch (peek(reader)) {
    case '{': return read_members(reader, JSON_OBJECT);
    case '[': return read_members(reader, JSON_ARRAY);
    case '"': return read_string(reader);
    case 't': return read_word(reader, "true", JSON_TRUE);
    case 'f': return read_word(reader, "false", JSON_FALSE);
    case 'n': return read_word(reader, "null", JSON_NULL);
    default: return read_number(reader);
    }
}

bool json_read(Json *json, char *text, size_t length, char *why, size_t why_room) {
    *json = (Json){.text = text};
    Reader reader = {.json = json, .end = length};
    if (read_value(&reader)) {
        skip_space(&reader);
        if (reader.at < reader.end) wrong(&reader, "something follows its end");
    }
    if (!reader.wrong) return true;
    if (*reader.wrong)
        snprintf(why, why_room, "%s (at byte %zu)", reader.wrong, reader.at);
    else
        *why = 0;
    return false;
}

void json_free(Json *json) {
    free(json->nodes);
    *json = (Json){0};
}
