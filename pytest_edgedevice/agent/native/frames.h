/* Frames in and out: PROTOCOL.md's "A frame".
 *
 * Lengths are checked before memory is taken, and memory grows with the bytes that came. A payload that memory does
 * not suffice for is read to its end and dropped, so that the stream stays in step and the request can be answered.
 */
#ifndef EDGEDEVICE_FRAMES_H
#define EDGEDEVICE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "json.h"
#include "text.h"

#define SENTINEL "EDGEDEVICE-AGENT 1\n"
enum { PROTOCOL_VERSION = 1, WINDOW = 8 };
#define MAX_HEADER_BYTES ((uint32_t)1 << 20)
#define MAX_PAYLOAD_BYTES ((uint64_t)1 << 30)

typedef struct {
    char *text; /* the header; `header` points into it */
    Json header;
    uint8_t *payload;
    size_t payload_bytes;
    bool starved; /* memory did not suffice for the payload, which was dropped */
} Frame;

typedef enum { FRAME_READ, FRAME_END, FRAME_WRONG } FrameResult;

/* Where bytes come from: how many were put `into`, 0 at the end, -1 on failure. */
typedef ssize_t (*ReadSome)(void *source, void *into, size_t most);

/* Wait for one whole frame. FRAME_WRONG: the bytes are none, and `fault` says why. */
FrameResult frame_read(Frame *frame, ReadSome read_some, void *source, Fault *fault);
void frame_free(Frame *frame);

/* Bytes that follow a reply's header, in order. */
typedef struct {
    uint8_t *data;
    size_t size;
} Chunk;

typedef struct {
    Text header;
    Chunk *chunks; /* owned, as are their bytes */
    size_t count;
} Reply;

/* Why a reply cannot be sent, as a fault of kind "model"; true when it can. */
bool reply_fits(const Reply *reply, const char *operation, Fault *fault);
bool reply_write(const Reply *reply, int sink);
void reply_free(Reply *reply);
bool write_all(int sink, const void *bytes, size_t count);

#endif
