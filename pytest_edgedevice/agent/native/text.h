/* Growable bytes, and faults as they go over the wire.
 *
 * A buffer that fails once stays failed and holds nothing more, so that a writer checks once, at the end.
 */
#ifndef EDGEDEVICE_TEXT_H
#define EDGEDEVICE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __GNUC__
#define LIKE_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define LIKE_PRINTF(at, first)
#endif

typedef struct {
    char *data;
    size_t length, room;
    bool failed; /* out of memory */
} Text;

/* What went wrong: one of the protocol's kinds of error, and words for a person. */
typedef struct {
    const char *kind;
    char message[4096];
} Fault;

bool text_reserve(Text *text, size_t more);
void text_add(Text *text, const void *bytes, size_t count);
void text_put(Text *text, const char *string);
void text_format(Text *text, const char *format, ...) LIKE_PRINTF(2, 3);
void text_free(Text *text);

/* A JSON string with its quotes; what is no UTF-8, or half a character, becomes U+FFFD. */
void text_json(Text *text, const char *bytes, size_t count);
void text_json_string(Text *text, const char *string);
/* A double so that it reads back as the same one; NaN and infinities, which JSON lacks, become null. */
void text_json_number(Text *text, double number);

/* Words for a person: quoted, cut after `most` bytes, bytes that are no printable ASCII escaped. */
void text_quoted(Text *text, const char *bytes, size_t count, size_t most);

/* Always false, so that a caller can say `return fail(...)`. */
bool fail(Fault *fault, const char *kind, const char *format, ...) LIKE_PRINTF(3, 4);
bool fail_memory(Fault *fault);

/* Length of the UTF-8 character at the start, 1 to 4; 0 where there is none. Half characters (surrogates) are none. */
size_t utf8_step(const char *bytes, size_t count);
/* Characters in a text; -1 when it is no UTF-8. */
long utf8_length(const char *bytes, size_t count);

#endif
