#include "frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PREFIX_BYTES = 16, GROWTH_BYTES = 8 << 20, DROP_BYTES = 1 << 16 };

static uint64_t little(const unsigned char *bytes, int count) {
    uint64_t value = 0;
    for (int at = count; at-- > 0;) value = value << 8 | bytes[at];
    return value;
}

/* FRAME_END when the source ends first. */
static FrameResult fill(ReadSome read_some, void *source, void *into, size_t count) {
    for (size_t filled = 0; filled < count;) {
        ssize_t got = read_some(source, (char *)into + filled, count - filled);
        if (got <= 0) return FRAME_END;
        filled += (size_t)got;
    }
    return FRAME_READ;
}

static FrameResult drop(ReadSome read_some, void *source, uint64_t count) {
    unsigned char nowhere[DROP_BYTES];
    while (count) {
        ssize_t got = read_some(source, nowhere, count < sizeof nowhere ? (size_t)count : sizeof nowhere);
        if (got <= 0) return FRAME_END;
        count -= (uint64_t)got;
    }
    return FRAME_READ;
}

static FrameResult read_payload(Frame *frame, ReadSome read_some, void *source, uint64_t size) {
    uint64_t room = 0;
    while (frame->payload_bytes < size) {
        uint64_t grown = frame->payload_bytes < GROWTH_BYTES ? GROWTH_BYTES : 2 * (uint64_t)frame->payload_bytes;
        room = grown < size ? grown : size;
        uint8_t *larger = realloc(frame->payload, (size_t)room);
        if (!larger) {
            uint64_t left = size - frame->payload_bytes;
            free(frame->payload);
            frame->payload = NULL;
            frame->payload_bytes = 0;
            frame->starved = true;
            return drop(read_some, source, left);
        }
        frame->payload = larger;
        size_t part = (size_t)(room - frame->payload_bytes);
        if (fill(read_some, source, frame->payload + frame->payload_bytes, part) != FRAME_READ) return FRAME_END;
        frame->payload_bytes += part;
    }
    return FRAME_READ;
}

static FrameResult wrong(Fault *fault, const char *format, uint64_t value, uint64_t limit) {
    fail(fault, "protocol", format, value, limit);
    return FRAME_WRONG;
}

static FrameResult parse_header(Frame *frame, uint32_t size, Fault *fault) {
    char why[128];
    static const char *const names[] = {"object", "list", "string", "number", "bool", "bool", "null"};
    if (!json_read(&frame->header, frame->text, size, why, sizeof why)) {
        if (*why)
            fail(fault, "protocol", "header is not JSON: %s", why);
        else
            fail_memory(fault);
        return FRAME_WRONG;
    }
    uint32_t kind = frame->header.nodes[0].kind;
    if (kind == JSON_OBJECT) return FRAME_READ;
    fail(fault, "protocol", "header is a %s, not an object", names[kind]);
    return FRAME_WRONG;
}

static FrameResult read_parts(Frame *frame, ReadSome read_some, void *source, Fault *fault) {
    unsigned char prefix[PREFIX_BYTES];
    FrameResult result = fill(read_some, source, prefix, sizeof prefix);
    if (result != FRAME_READ) return result;
    if (memcmp(prefix, "EDG1", 4)) {
        Text shown = {0};
        text_quoted(&shown, (const char *)prefix, sizeof prefix, sizeof prefix);
        fail(fault, "protocol", "expected a frame, got %.*s", (int)shown.length, shown.data ? shown.data : "");
        text_free(&shown);
        return FRAME_WRONG;
    }
    uint32_t header_bytes = (uint32_t)little(prefix + 4, 4);
    uint64_t payload_bytes = little(prefix + 8, 8);
    if (header_bytes < 2 || header_bytes > MAX_HEADER_BYTES)
        return wrong(fault, "header length %" PRIu64 " is outside 2..%" PRIu64, header_bytes, MAX_HEADER_BYTES);
    if (payload_bytes > MAX_PAYLOAD_BYTES)
        return wrong(fault, "payload of %" PRIu64 " bytes is over the limit of %" PRIu64, payload_bytes,
                     MAX_PAYLOAD_BYTES);
    frame->text = malloc((size_t)header_bytes + 1);
    if (!frame->text) {
        fail_memory(fault);
        return FRAME_WRONG;
    }
    result = fill(read_some, source, frame->text, header_bytes);
    if (result != FRAME_READ) return result;
    frame->text[header_bytes] = 0;
    result = parse_header(frame, header_bytes, fault);
    return result == FRAME_READ ? read_payload(frame, read_some, source, payload_bytes) : result;
}

FrameResult frame_read(Frame *frame, ReadSome read_some, void *source, Fault *fault) {
    *frame = (Frame){0};
    FrameResult result = read_parts(frame, read_some, source, fault);
    if (result != FRAME_READ) frame_free(frame);
    return result;
}

void frame_free(Frame *frame) {
    json_free(&frame->header);
    free(frame->text);
    free(frame->payload);
    *frame = (Frame){0};
}

static uint64_t payload_size(const Reply *reply) {
    uint64_t size = 0;
    for (size_t at = 0; at < reply->count; at++) size += reply->chunks[at].size;
    return size;
}

bool reply_fits(const Reply *reply, const char *operation, Fault *fault) {
    static const char text[] =
        "the reply to '%s' cannot be sent: %s of %" PRIu64 " bytes is over the limit of %" PRIu64;
    uint64_t payload = payload_size(reply);
    if (reply->header.failed) return fail_memory(fault);
    if (reply->header.length > MAX_HEADER_BYTES)
        return fail(fault, "model", text, operation, "header", (uint64_t)reply->header.length,
                    (uint64_t)MAX_HEADER_BYTES);
    if (payload > MAX_PAYLOAD_BYTES)
        return fail(fault, "model", text, operation, "payload", payload, MAX_PAYLOAD_BYTES);
    return true;
}

bool write_all(int sink, const void *bytes, size_t count) {
    for (const char *from = bytes; count;) {
        ssize_t written = write(sink, from, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        from += written;
        count -= (size_t)written;
    }
    return true;
}

bool reply_write(const Reply *reply, int sink) {
    char small[4096] = "EDG1"; /* one write for a small reply: a packet of its own would cost a round trip */
    uint64_t payload = payload_size(reply), header = reply->header.length;
    for (int at = 0; at < 4; at++) small[4 + at] = (char)(header >> (8 * at) & 0xff);
    for (int at = 0; at < 8; at++) small[8 + at] = (char)(payload >> (8 * at) & 0xff);
    size_t filled = PREFIX_BYTES;
    if (header + payload > sizeof small - PREFIX_BYTES) {
        if (!write_all(sink, small, filled) || !write_all(sink, reply->header.data, reply->header.length)) return false;
        for (size_t at = 0; at < reply->count; at++)
            if (!write_all(sink, reply->chunks[at].data, reply->chunks[at].size)) return false;
        return true;
    }
    memcpy(small + filled, reply->header.data, reply->header.length);
    filled += reply->header.length;
    for (size_t at = 0; at < reply->count; at++) {
        if (reply->chunks[at].size) memcpy(small + filled, reply->chunks[at].data, reply->chunks[at].size);
        filled += reply->chunks[at].size;
    }
    return write_all(sink, small, filled);
}

void reply_free(Reply *reply) {
    for (size_t at = 0; at < reply->count; at++) free(reply->chunks[at].data);
    free(reply->chunks);
    text_free(&reply->header);
    *reply = (Reply){0};
}
