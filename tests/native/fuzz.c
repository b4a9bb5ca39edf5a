/* Bytes into the parts of the agent that read what others wrote: frames, headers, tensors, model files.
 *
 * With libFuzzer it is a fuzz target. Without, a program that reads inputs from standard input, each with its length as
 * four little-endian bytes before it, and writes a line on each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensors.h"

typedef struct {
    const uint8_t *data;
    size_t left, step;
} Memory;

static ssize_t read_memory(void *source, void *into, size_t most) {
    Memory *memory = source;
    size_t count = memory->left < most ? memory->left : most;
    if (count > memory->step) count = memory->step; /* a stream comes in pieces */
    if (count) memcpy(into, memory->data, count);
    memory->data += count;
    memory->left -= count;
    return (ssize_t)count;
}

/* What a session would look at in a frame. */
static void look(const Frame *frame) {
    Fault fault;
    int64_t value;
    size_t count;
    Text text = {0};
    (void)read_whole(frame, "samples", 1, 1000, &value, &fault);
    free(split_tensors(frame, &count, &fault));
    for (uint32_t at = 0; at < frame->header.count; at++) {
        const JsonNode *node = &frame->header.nodes[at];
        if (node->next <= at || node->next > frame->header.count) abort();
        if (node->kind == JSON_STRING) text_json(&text, frame->header.text + node->start, node->length);
        (void)json_get(&frame->header, at, "name");
    }
    text_free(&text);
}

static const char *try_frames(const uint8_t *data, size_t size, char *said, size_t room) {
    Memory memory = {data, size, size % 7 + 1};
    for (;;) {
        Frame frame;
        Fault fault = {.message = ""};
        FrameResult result = frame_read(&frame, read_memory, &memory, &fault);
        if (result == FRAME_END) return "end";
        if (result == FRAME_WRONG) {
            snprintf(said, room, "wrong: %.200s", fault.message);
            return said;
        }
        look(&frame);
        frame_free(&frame);
    }
}

static const char *try_model(const uint8_t *data, size_t size) {
    Model model;
    Fault fault;
    if (!model_read(&model, data, size, &fault)) return "refused";
    model_close(&model);
    return "model";
}

/* The first byte says what the others are. */
static const char *try_input(const uint8_t *data, size_t size, char *said, size_t room) {
    if (!size) return "end";
    if (data[0] & 1) return try_frames(data + 1, size - 1, said, room);
    uint8_t *copy = malloc(size); /* of its own, so that an overrun by one byte is seen */
    if (!copy) return "end";
    memcpy(copy, data + 1, size - 1);
    uint8_t *exact = realloc(copy, size > 1 ? size - 1 : 1);
    const char *found = try_model(exact ? exact : copy, size - 1);
    free(exact ? exact : copy);
    return found;
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char said[256];
    (void)try_input(data, size, said, sizeof said);
    return 0;
}
#else
int main(void) {
    unsigned char length[4];
    while (fread(length, 1, 4, stdin) == 4) {
        char said[256];
        size_t size = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
        uint8_t *data = malloc(size ? size : 1);
        if (!data || fread(data, 1, size, stdin) != size) return 1;
        puts(try_input(data, size, said, sizeof said));
        fflush(stdout);
        free(data);
    }
    return 0;
}
#endif
