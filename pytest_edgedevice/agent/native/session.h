/* One conversation: requests in, replies out, at most one model loaded. Knows nothing of descriptors or threads. */
#ifndef EDGEDEVICE_SESSION_H
#define EDGEDEVICE_SESSION_H

#include "frames.h"
#include "running.h"
#include "runtime.h"
#include "store.h"

typedef struct {
    Store store;
    Runtime runtime;
    Loaded loaded;
    const char *program;
    bool ended;
} Session;

/* `runtime` may be NULL: then it is looked for beside the agent, whose own path is `program`. */
void session_start(Session *session, const char *folder, const char *runtime, const char *program);
/* The first frame, sent unasked. */
void session_hello(const Session *session, Reply *reply);
/* The reply to a request; errors become replies too. */
void session_answer(Session *session, const Frame *frame, Reply *reply);
void session_end(Session *session);

/* An error as a frame; `id` is JSON text. */
void put_error(Reply *reply, const char *id, size_t id_length, const Fault *fault);

#endif
