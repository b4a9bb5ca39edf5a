#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_reserve(Text *text, size_t more) {
    if (text->failed) return false;
    if (more <= text->room - text->length) return true;
    size_t wanted = text->length + more;
    size_t grown = text->room < SIZE_MAX / 2 ? 2 * text->room : wanted;
    if (grown < wanted) grown = wanted;
    char *data = wanted < more ? NULL : realloc(text->data, grown);
    if (!data) {
        text_free(text);
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = grown;
    return true;
}

void text_add(Text *text, const void *bytes, size_t count) {
    if (!count || !text_reserve(text, count)) return;
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
}

void text_put(Text *text, const char *string) { text_add(text, string, strlen(string)); }

void text_format(Text *text, const char *format, ...) {
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (count < 0) return;
    size_t length = (size_t)count;
    text_add(text, small, length < sizeof small ? length : sizeof small - 1);
}

void text_free(Text *text) {
    free(text->data);
    memset(text, 0, sizeof *text);
}

size_t utf8_step(const char *bytes, size_t count) {
    const unsigned char *at = (const unsigned char *)bytes;
    if (!count) return 0;
    if (at[0] < 0x80) return 1;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size > count) return 0;
    for (size_t next = 1; next < size; next++)
        if ((at[next] & 0xc0) != 0x80) return 0;
    if (at[0] == 0xe0 && at[1] < 0xa0) return 0;  /* overlong */
    if (at[0] == 0xed && at[1] >= 0xa0) return 0; /* half a character */
    if (at[0] == 0xf0 && at[1] < 0x90) return 0;  /* overlong */
    if (at[0] == 0xf4 && at[1] >= 0x90) return 0; /* past the last character */
    return size;
}

long utf8_length(const char *bytes, size_t count) {
    long characters = 0;
    for (size_t at = 0; at < count; characters++) {
        size_t step = utf8_step(bytes + at, count - at);
        if (!step) return -1;
        at += step;
    }
    return characters;
}

void text_json(Text *text, const char *bytes, size_t count) {
    text_put(text, "\"");
    for (size_t at = 0; at < count;) {
        size_t step = utf8_step(bytes + at, count - at);
        unsigned char first = (unsigned char)bytes[at];
        if (step == 0) {
            text_put(text, "\\ufffd");
            step = 1;
        } else if (first == '"' || first == '\\') {
            text_put(text, "\\");
            text_add(text, bytes + at, 1);
        } else if (first < 0x20) {
            text_format(text, "\\u%04x", first);
        } else {
            text_add(text, bytes + at, step);
        }
        at += step;
    }
    text_put(text, "\"");
}

void text_json_string(Text *text, const char *string) { text_json(text, string, strlen(string)); }

void text_json_number(Text *text, double number) {
    if (isfinite(number))
        text_format(text, "%.17g", number);
    else
        text_put(text, "null");
}

void text_quoted(Text *text, const char *bytes, size_t count, size_t most) {
    text_put(text, "'");
    for (size_t at = 0; at < count && at < most; at++) {
        unsigned char one = (unsigned char)bytes[at];
        if (one >= 0x20 && one < 0x7f && one != '\'' && one != '\\')
            text_add(text, bytes + at, 1);
        else
            text_format(text, "\\x%02x", one);
    }
    text_put(text, count > most ? "'..." : "'");
}

bool fail(Fault *fault, const char *kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fault->kind = kind;
    if (vsnprintf(fault->message, sizeof fault->message, format, arguments) < 0) fault->message[0] = 0;
    va_end(arguments);
    return false;
}

bool fail_memory(Fault *fault) { return fail(fault, "memory", "out of memory on the device"); }
