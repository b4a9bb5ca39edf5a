#include "session.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "conditions.h"
#include "loading.h"
#include "watching.h"

typedef bool (*Handler)(Session *session, const Frame *frame, Reply *reply, Fault *fault);

static bool read_name(const Frame *frame, char name[BLOB_NAME + 1], Fault *fault) {
    const Json *header = &frame->header;
    const JsonNode *node = &header->nodes[json_get(header, 0, "sha256")];
    bool text = node->kind == JSON_STRING;
    return store_name(text ? header->text + node->start : "", text ? node->length : 0, name, fault);
}

static bool have(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    char name[BLOB_NAME + 1];
    if (!read_name(frame, name, fault)) return false;
    char *path = store_find(&session->store, name, fault);
    if (!path && strcmp(fault->kind, "missing")) return false;
    text_format(&reply->header, "\"op\":\"have\",\"present\":%s", path ? "true" : "false");
    free(path);
    return true;
}

static bool put(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    char name[BLOB_NAME + 1];
    int64_t offset, total;
    bool complete;
    if (!read_name(frame, name, fault) || !read_whole(frame, "offset", 0, INT64_MAX, &offset, fault) ||
        !read_whole(frame, "total", 0, INT64_MAX, &total, fault) ||
        !store_put(&session->store, name, offset, total, frame->payload, frame->payload_bytes, &complete, fault))
        return false;
    text_format(&reply->header, "\"op\":\"put\",\"complete\":%s", complete ? "true" : "false");
    return true;
}

/* The hello says nothing of folders, so only a host that does not read it asks for one. */
static bool refuse_folder(const Frame *frame, Fault *fault) {
    const Json *header = &frame->header;
    uint32_t at = json_get(header, 0, "folder");
    if (!at || header->nodes[at].kind == JSON_FALSE) return true;
    if (header->nodes[at].kind != JSON_TRUE) return fail(fault, "protocol", "'folder' must be true or false");
    return fail(fault, "model", "this agent takes no model that is a folder");
}

static bool load(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    char name[BLOB_NAME + 1];
    if (session->loaded.engine)
        return fail(fault, "protocol", "this agent has a model already; start one agent for each");
    if (!refuse_folder(frame, fault)) return false;
    if (!read_name(frame, name, fault)) return false;
    char *path = store_find(&session->store, name, fault);
    if (!path) return false;
    bool done = load_model(session, frame, path, reply, fault);
    free(path);
    return done;
}

static bool loaded(const Session *session, Fault *fault) {
    return session->loaded.engine || fail(fault, "protocol", "no model is loaded");
}

static bool run(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    return loaded(session, fault) && run_samples(&session->loaded, frame, reply, fault);
}

static bool measure(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    return loaded(session, fault) && measure_series(&session->loaded, frame, reply, fault);
}

static bool profile(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    return loaded(session, fault) && take_profile(&session->loaded, frame, reply, fault);
}

static bool resources(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    return loaded(session, fault) && watch_resources(&session->loaded, frame, reply, fault);
}

static bool stream(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    return loaded(session, fault) && feed_frames(&session->loaded, frame, reply, fault);
}

static bool facts(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    (void)session, (void)frame, (void)fault;
    text_put(&reply->header, "\"op\":\"facts\",\"facts\":");
    put_facts(&reply->header);
    text_put(&reply->header, ",\"conditions\":");
    put_conditions(&reply->header);
    return true;
}

static bool bye(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    (void)fault;
    uint32_t wipe = json_get(&frame->header, 0, "wipe");
    if (wipe && frame->header.nodes[wipe].kind == JSON_TRUE) store_wipe(&session->store);
    session->ended = true;
    text_put(&reply->header, "\"op\":\"bye\"");
    return true;
}

static const struct {
    const char *name;
    Handler handler;
} OPERATIONS[] = {{"bye", bye},         {"facts", facts},     {"have", have}, {"load", load},
                  {"measure", measure}, {"profile", profile}, {"put", put},   {"resources", resources},
                  {"run", run},         {"stream", stream}};
enum { OPERATION_COUNT = sizeof OPERATIONS / sizeof *OPERATIONS };

static bool answer(Session *session, const Frame *frame, Reply *reply, Fault *fault) {
    const Json *header = &frame->header;
    uint32_t operation = json_get(header, 0, "op");
    if (!json_is_whole(header, json_get(header, 0, "id")))
        return fail(fault, "protocol", "a request needs an integer 'id'");
    if (frame->starved) return fail(fault, "memory", "out of memory on the device: the request's payload did not fit");
    for (size_t at = 0; operation && at < OPERATION_COUNT; at++)
        if (json_is_text(header, operation, OPERATIONS[at].name))
            return OPERATIONS[at].handler(session, frame, reply, fault) &&
                   reply_fits(reply, OPERATIONS[at].name, fault);
    Text shown = {0};
    const JsonNode *node = &header->nodes[operation];
    bool text = node->kind == JSON_STRING;
    text_quoted(&shown, text ? header->text + node->start : "", text ? node->length : 0, 80);
    fail(fault, "protocol", "unknown operation %.*s", (int)shown.length, shown.data ? shown.data : "");
    text_free(&shown);
    return false;
}

void put_error(Reply *reply, const char *id, size_t id_length, const Fault *fault) {
    reply_free(reply);
    text_put(&reply->header, "{\"op\":\"error\",\"kind\":");
    text_json_string(&reply->header, fault->kind);
    text_put(&reply->header, ",\"message\":");
    text_json_string(&reply->header, fault->message);
    text_put(&reply->header, ",\"id\":");
    text_add(&reply->header, id, id_length);
    text_put(&reply->header, "}");
}

void session_answer(Session *session, const Frame *frame, Reply *reply) {
    const Json *header = &frame->header;
    uint32_t id = json_get(header, 0, "id");
    const char *number = "null";
    size_t length = 4;
    Fault fault = {.kind = "internal"};
    if (json_is_whole(header, id)) { /* sent back as it came, however long */
        number = header->text + header->nodes[id].start;
        length = header->nodes[id].length;
    }
    *reply = (Reply){0};
    text_put(&reply->header, "{");
    bool done = answer(session, frame, reply, &fault);
    text_put(&reply->header, ",\"id\":");
    text_add(&reply->header, number, length);
    text_put(&reply->header, "}");
    if (!done || reply->header.failed) {
        if (done) fail_memory(&fault);
        put_error(reply, number, length, &fault);
    }
}

/* Hash of the file that this program was started from; "" where the system does not tell it. */
static void own_hash(const char *program, char hex[65]) {
    unsigned char bytes[1 << 14];
    Sha256 hash;
    hex[0] = 0;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (file < 0 && strchr(program, '/')) file = open(program, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    sha256_start(&hash);
    ssize_t got;
    while ((got = read(file, bytes, sizeof bytes)) > 0) sha256_add(&hash, bytes, (size_t)got);
    close(file);
    if (!got) sha256_finish(&hash, hex);
}

static void put_delegates(Text *header, const Runtime *runtime) {
    static const char *const names[] = {"default", "cpu", "xnnpack", "reference", "gpu", "npu", "nnapi", "external"};
    bool any = false;
    text_put(header, "\"delegates\":[");
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        if (!runtime->offers(runtime, names[at])) continue;
        text_format(header, any ? ",\"%s\"" : "\"%s\"", names[at]);
        any = true;
    }
    text_put(header, "],");
}

void session_hello(const Session *session, Reply *reply) {
    Text *header = &reply->header;
    struct utsname name;
    char hash[65];
    own_hash(session->program, hash);
    text_format(header, "{\"op\":\"hello\",\"protocol\":%d,\"agent_sha256\":\"%s\",\"engines\":{", PROTOCOL_VERSION,
                hash);
    if (session->runtime.engine) {
        text_json_string(header, session->runtime.engine);
        text_put(header, ":");
        text_json_string(header, session->runtime.version);
    }
    text_put(header, "},");
    if (session->runtime.engine) put_delegates(header, &session->runtime);
    text_put(header, "\"operations\":[");
    for (size_t at = 0; at < OPERATION_COUNT; at++) text_format(header, at ? ",\"%s\"" : "\"%s\"", OPERATIONS[at].name);
    text_format(header, "],\"window\":%d,\"clock_tick_ns\":%" PRId64 ",\"pid\":%ld,\"emulated\":%s,\"system\":", WINDOW,
                clock_tick_ns(), (long)getpid(), is_emulated() ? "true" : "false");
#ifdef __ANDROID__
    text_put(header, "\"android\"");
#else
    text_put(header, "\"linux\"");
#endif
    if (!uname(&name)) {
        text_put(header, ",\"arch\":");
        text_json_string(header, name.machine);
    }
    text_put(header, "}");
}

void session_start(Session *session, const char *folder, const char *runtime, const char *program) {
    memset(session, 0, sizeof *session);
    session->store.folder = folder;
    session->loaded.first_ns = -1;
    session->program = program;
    runtime_open(&session->runtime, runtime, program);
}

void session_end(Session *session) {
    if (session->loaded.engine) session->loaded.engine->close(session->loaded.engine);
    session->loaded.engine = NULL;
}
