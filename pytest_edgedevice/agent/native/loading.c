#include "loading.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "watching.h"

/* Texts of a request as C strings, freed together. */
typedef struct {
    LoadOptions options;
    char *engine, *delegate;
    char *texts[2 * MOST_DELEGATE_OPTIONS];
    size_t count;
} Asked;

static bool wrong_types(Fault *fault) {
    return fail(fault, "protocol",
                "'engine', 'delegate' and 'delegate_options' must be strings and an object of strings");
}

/* A string of the header as a C string; `absent` where there is none. NULL with a fault. */
static char *copied(const Json *header, uint32_t at, const char *absent, Fault *fault) {
    const JsonNode *node = &header->nodes[at];
    bool text = at && node->kind == JSON_STRING, plain = at && (node->kind == JSON_NUMBER);
    const char *from = text || plain ? header->text + node->start : absent;
    size_t length = text || plain ? node->length : absent ? strlen(absent) : 0;
    if (!from || memchr(from, 0, length)) {
        wrong_types(fault);
        return NULL;
    }
    char *copy = malloc(length + 1);
    if (!copy) {
        fail_memory(fault);
        return NULL;
    }
    memcpy(copy, from, length);
    copy[length] = 0;
    return copy;
}

static bool read_options(const Json *header, Asked *asked, Fault *fault) {
    uint32_t object = json_get(header, 0, "delegate_options");
    if (!object) return true;
    if (header->nodes[object].kind != JSON_OBJECT) return wrong_types(fault);
    for (uint32_t key = json_first(header, object); key; key = json_after(header, object, key + 1)) {
        if (asked->options.option_count == MOST_DELEGATE_OPTIONS)
            return fail(fault, "input", "there are more than %d delegate options", MOST_DELEGATE_OPTIONS);
        for (uint32_t at = key; at <= key + 1; at++) {
            asked->texts[asked->count] = copied(header, at, NULL, fault);
            if (!asked->texts[asked->count]) return false;
            asked->count++;
        }
        asked->options.keys[asked->options.option_count] = asked->texts[asked->count - 2];
        asked->options.values[asked->options.option_count++] = asked->texts[asked->count - 1];
    }
    return true;
}

static bool read_asked(const Frame *frame, Asked *asked, Fault *fault) {
    const Json *header = &frame->header;
    int64_t threads;
    uint32_t fallback = json_get(header, 0, "allow_fallback");
    uint32_t engine = json_get(header, 0, "engine"), delegate = json_get(header, 0, "delegate");
    if ((engine && header->nodes[engine].kind != JSON_STRING) ||
        (delegate && header->nodes[delegate].kind != JSON_STRING))
        return wrong_types(fault);
    if (!read_whole(frame, "threads", 1, 1024, &threads, fault)) return false;
    asked->options.threads = (int)threads;
    asked->options.allow_fallback = fallback && header->nodes[fallback].kind == JSON_TRUE;
    asked->engine = copied(header, engine, "", fault);
    asked->delegate = asked->engine ? copied(header, delegate, "default", fault) : NULL;
    asked->options.delegate = asked->delegate;
    return asked->delegate && read_options(header, asked, fault);
}

static bool check_engine(const Session *session, const char *wanted, Fault *fault) {
    const Runtime *runtime = &session->runtime;
    bool known = !*wanted || !strcmp(wanted, "tflite") || !strcmp(wanted, "litert");
    if (!known) return fail(fault, "input", "engine '%.80s' is unknown; engines are litert, tflite", wanted);
    if (!runtime->engine) return fail(fault, "engine", "%s", runtime->problem);
    if (!*wanted || !strcmp(wanted, runtime->engine)) return true;
    bool litert = !strcmp(wanted, "litert");
    return fail(fault, "engine",
                "engine '%s' is not loaded on the device, '%s' is: name %s for this device with 'runtime' in "
                "edgedevice.toml, or start the agent with --runtime PATH",
                wanted, runtime->engine,
                litert ? "libLiteRt.so (2.2 or later)" : "libtensorflowlite_c.so (2.5 or later)");
}

static void put_quantization(Text *text, const Spec *spec) {
    if (!spec->scales) {
        text_put(text, "null");
        return;
    }
    text_put(text, "{\"scales\":[");
    for (uint32_t at = 0; at < spec->scales; at++) {
        if (at) text_put(text, ",");
        text_json_number(text, (double)spec->scale[at]);
    }
    text_put(text, "],\"zero_points\":[");
    for (uint32_t at = 0; at < spec->scales; at++)
        text_format(text, at ? ",%" PRId64 : "%" PRId64, spec->zero_point[at]);
    if (spec->scales > 1)
        text_format(text, "],\"axis\":%" PRId32 "}", spec->axis);
    else
        text_put(text, "],\"axis\":null}");
}

static void put_specs(Text *text, const char *key, const Specs *specs) {
    text_format(text, "\"%s\":[", key);
    for (size_t at = 0; at < specs->count; at++) {
        const Spec *spec = &specs->specs[at];
        text_put(text, at ? ",{\"name\":" : "{\"name\":");
        text_json_string(text, spec->name);
        text_format(text, ",\"dtype\":\"%s\",\"shape\":[", spec->dtype->name);
        for (unsigned next = 0; next < spec->rank; next++)
            text_format(text, next ? ",%" PRId64 : "%" PRId64, spec->shape[next]);
        text_put(text, "],\"quantization\":");
        put_quantization(text, spec);
        text_put(text, "}");
    }
    text_put(text, "],");
}

static void put_placement(Text *text, const Placement *placement) {
    text_put(text, "\"placement\":{\"proven\":");
    text_json_string(text, placement->proven);
    text_format(text, ",\"nodes\":%zu,\"delegated\":%zu,\"partitions\":%zu,\"left_over\":{", placement->nodes,
                placement->delegated, placement->partitions);
    text_add(text, placement->left_over.data, placement->left_over.length);
    text_put(text, "},\"evidence\":");
    text_json_string(text, placement->evidence);
    text_put(text, "},");
}

static void put_loaded(Text *text, const Engine *engine, int64_t elapsed) {
    text_put(text, "\"op\":\"load\",\"engine\":");
    text_json_string(text, engine->name);
    text_put(text, ",\"engine_version\":");
    text_json_string(text, engine->version);
    text_put(text, ",\"variant\":");
    text_json_string(text, engine->model.variant);
    text_put(text, ",");
    put_specs(text, "inputs", &engine->model.inputs);
    put_specs(text, "outputs", &engine->model.outputs);
    put_placement(text, &engine->placement);
    text_format(text, "\"load_ns\":%" PRId64, elapsed);
}

bool load_model(Session *session, const Frame *frame, const char *path, Reply *reply, Fault *fault) {
    Asked asked = {.count = 0};
    bool done = read_asked(frame, &asked, fault) && check_engine(session, asked.engine, fault);
    if (done) {
        memory_begin(&session->loaded.memory);
        int64_t start = clock_ns();
        session->loaded.engine = session->runtime.load(&session->runtime, path, &asked.options, fault);
        done = session->loaded.engine != NULL;
        if (done) put_loaded(&reply->header, session->loaded.engine, clock_ns() - start);
    }
    for (size_t at = 0; at < asked.count; at++) free(asked.texts[at]);
    free(asked.engine);
    free(asked.delegate);
    return done;
}
