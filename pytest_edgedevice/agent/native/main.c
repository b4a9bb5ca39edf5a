/* The agent's process: descriptors, threads and the end of it all.
 *
 * The protocol runs over the descriptors that were standard input and output; whatever a runtime prints goes to
 * standard error instead. Threads read ahead and write behind, so that samples travel while others are computed; when
 * the peer is gone the process ends at once, even in the middle of an inference.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "session.h"

enum { EXIT_PROTOCOL = 65, EXIT_USAGE = 2, KEEP_BYTES = 64 << 20 };

typedef struct {
    union {
        Frame frame;
        Reply reply;
    };
    Fault *wrong; /* the stream is of no use any more, and why */
    bool last;
} Item;

/* A queue of at most WINDOW items between two threads. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Item items[WINDOW];
    unsigned first, count;
} Queue;

static Queue inbox = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{{{0}}, NULL, false}}, 0, 0};
static Queue outbox = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{{{0}}, NULL, false}}, 0, 0};
static int source, sink;
static const char *wiped; /* the folder to remove when the peer vanishes */

static void queue_put(Queue *queue, const Item *item) {
    pthread_mutex_lock(&queue->lock);
    while (queue->count == WINDOW) pthread_cond_wait(&queue->changed, &queue->lock);
    queue->items[(queue->first + queue->count++) % WINDOW] = *item;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static Item queue_get(Queue *queue) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->count) pthread_cond_wait(&queue->changed, &queue->lock);
    Item item = queue->items[queue->first];
    queue->first = (queue->first + 1) % WINDOW;
    queue->count--;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

/* The peer is gone: leave nothing behind, wait for nobody. */
static void vanish(void) {
    if (wiped) remove_tree(wiped);
    _exit(0);
}

static ssize_t read_source(void *unused, void *into, size_t most) {
    ssize_t got;
    (void)unused;
    do got = read(source, into, most);
    while (got < 0 && errno == EINTR);
    return got;
}

static void *read_ahead(void *unused) {
    static Fault fault;
    (void)unused;
    for (;;) {
        Item item = {.wrong = NULL};
        FrameResult result = frame_read(&item.frame, read_source, NULL, &fault);
        if (result == FRAME_END) vanish(); /* in the middle of a frame or not: nobody is left to be told */
        if (result == FRAME_WRONG) item.wrong = &fault;
        bool last = item.wrong || json_is_text(&item.frame.header, json_get(&item.frame.header, 0, "op"), "bye");
        queue_put(&inbox, &item);
        if (last) return NULL;
    }
}

static void *write_behind(void *unused) {
    (void)unused;
    for (;;) {
        Item item = queue_get(&outbox);
        if (item.last) return NULL;
        /* without its header a reply is nothing: memory is gone for good */
        if (item.reply.header.failed) _exit(EXIT_FAILURE);
        if (!reply_write(&item.reply, sink)) vanish();
        reply_free(&item.reply);
    }
}

static int serve(Session *session) {
    while (!session->ended) {
        Item in = queue_get(&inbox), out = {.wrong = NULL};
        out.reply = (Reply){0};
        if (in.wrong) {
            put_error(&out.reply, "null", 4, in.wrong);
            queue_put(&outbox, &out);
            return EXIT_PROTOCOL;
        }
        session_answer(session, &in.frame, &out.reply);
        frame_free(&in.frame);
        queue_put(&outbox, &out);
    }
    return EXIT_SUCCESS;
}

static bool claim_descriptors(void) {
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    source = fcntl(0, F_DUPFD_CLOEXEC, 3);
    sink = fcntl(1, F_DUPFD_CLOEXEC, 3);
    if (source < 0 || sink < 0) return false;
    if (nothing >= 0) dup2(nothing, 0);
    return dup2(2, 1) >= 0;
}

/* Have glibc keep one request's buffers for the next: fresh ones cost page faults beside the inference. */
static void keep_freed_memory(void) {
#ifdef __GLIBC__
    mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
#endif
}

static int usage(const char *wrong) {
    fprintf(stderr,
            "edgedevice-agent: %s\n"
            "usage: edgedevice-agent --folder FOLDER [--wipe] [--runtime LIBRARY] [--gpu LIBRARY]\n"
            "  --folder   folder with the blobs\n"
            "  --wipe     remove the folder when the peer vanishes without a bye\n"
            "  --runtime  libtensorflowlite_c.so or libLiteRt.so; by default one of them beside the agent\n"
            "  --gpu      libtensorflowlite_gpu_jni.so; by default the one beside the runtime\n",
            wrong);
    return EXIT_USAGE;
}

int main(int count, char **arguments) {
    static Session session;
    const char *folder = NULL, *runtime = NULL, *gpu = NULL;
    bool wipe = false;
    for (int at = 1; at < count; at++) {
        const char **value = !strcmp(arguments[at], "--folder")    ? &folder
                             : !strcmp(arguments[at], "--runtime") ? &runtime
                             : !strcmp(arguments[at], "--gpu")     ? &gpu
                                                                   : NULL;
        if (value && at + 1 < count)
            *value = arguments[++at];
        else if (!strcmp(arguments[at], "--wipe"))
            wipe = true;
        else
            return usage("an argument is unknown or lacks its value");
    }
    if (!folder) return usage("--folder is missing");
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is told by write */
    keep_freed_memory();
    if (!claim_descriptors()) return usage("standard input and output are closed");
    wiped = wipe ? folder : NULL;

    pthread_t reader, writer;
    if (!write_all(sink, SENTINEL, strlen(SENTINEL))) vanish();
    session_start(&session, folder, runtime, arguments[0]); /* before there are threads: it may fork */
    session.runtime.gpu = gpu;
    if (pthread_create(&reader, NULL, read_ahead, NULL) || pthread_create(&writer, NULL, write_behind, NULL))
        return EXIT_FAILURE;
    Item hello = {.wrong = NULL}, last = {.last = true};
    hello.reply = (Reply){0};
    session_hello(&session, &hello.reply);
    queue_put(&outbox, &hello);
    int status = serve(&session);
    queue_put(&outbox, &last);
    pthread_join(writer, NULL);
    _exit(status); /* runtimes have threads of their own, and nothing here is left to be tidied up */
}
