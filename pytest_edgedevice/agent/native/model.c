#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flat.h"
#include "tensor_names.h"

/* fields of the schema's tables that we read */
enum { MODEL_OPCODES = 1, MODEL_SUBGRAPHS = 2, MODEL_SIGNATURES = 7 };
enum { OPCODE_OLD = 0, OPCODE_CUSTOM = 1, OPCODE_NEW = 3, CUSTOM = 32 };
enum { GRAPH_TENSORS = 0, GRAPH_INPUTS = 1, GRAPH_OUTPUTS = 2, GRAPH_OPERATORS = 3 };
enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TENSOR_QUANTIZATION = 4, TENSOR_VARIABLE = 5, TENSOR_SHAPE_SIGNATURE = 7 };
enum { QUANTIZATION_SCALE = 2, QUANTIZATION_ZERO_POINT = 3, QUANTIZATION_AXIS = 6 };
enum { OPERATOR_OPCODE = 0 };
enum { STRING_IN_FILE = 5, TYPES_IN_FILE = 23 };

static const Dtype DTYPES[] = {
    {"float32", 4, 0, 1},  {"float16", 2, 1, 10},  {"int32", 4, 2, 2},    {"uint8", 1, 3, 3},
    {"int64", 8, 4, 4},    {"bool", 1, 6, 6},      {"int16", 2, 7, 7},    {"complex64", 8, 8, 8},
    {"int8", 1, 9, 9},     {"float64", 8, 10, 11}, {"uint64", 8, 12, 13}, {"complex128", 16, 11, 12},
    {"uint32", 4, 15, 16}, {"uint16", 2, 16, 17},
};
enum { DTYPE_COUNT = sizeof DTYPES / sizeof *DTYPES };

const Dtype *dtype_named(const char *name, size_t length) {
    for (size_t at = 0; at < DTYPE_COUNT; at++)
        if (strlen(DTYPES[at].name) == length && !memcmp(DTYPES[at].name, name, length)) return &DTYPES[at];
    return NULL;
}

const Dtype *dtype_in_file(int number) {
    for (size_t at = 0; at < DTYPE_COUNT; at++)
        if (DTYPES[at].in_file == number) return &DTYPES[at];
    return NULL;
}

const char *type_name_in_file(int number) {
    static const char *const others[TYPES_IN_FILE] = {
        [STRING_IN_FILE] = "string", [13] = "resource", [14] = "variant", [17] = "int4",
        [18] = "bfloat16",           [19] = "int2",     [20] = "uint4",   [21] = "float8_e4m3fn",
        [22] = "float8_e5m2",
    };
    const Dtype *dtype = dtype_in_file(number);
    if (dtype) return dtype->name;
    return number >= 0 && number < TYPES_IN_FILE && others[number] ? others[number] : "unknown";
}

static bool no_model(Fault *fault) { return fail(fault, "model", "The model is not a valid Flatbuffer buffer"); }

static bool read_quantization(Flat *flat, size_t tensor, Spec *spec, Fault *fault) {
    size_t table = flat_child(flat, tensor, TENSOR_QUANTIZATION);
    size_t scales = flat_child(flat, table, QUANTIZATION_SCALE);
    size_t points = flat_child(flat, table, QUANTIZATION_ZERO_POINT);
    uint32_t count = flat_count(flat, scales, 4);
    uint32_t point_count = flat_count(flat, points, 8);
    if (!count) return true;
    spec->scale = calloc(count, sizeof *spec->scale);
    spec->zero_point = calloc(count, sizeof *spec->zero_point);
    if (!spec->scale || !spec->zero_point) return fail_memory(fault);
    spec->scales = count;
    spec->axis = (int32_t)flat_integer(flat, table, QUANTIZATION_AXIS, 4, 0);
    for (uint32_t at = 0; at < count; at++) {
        uint32_t bits = (uint32_t)flat_item(flat, scales, at, 4);
        memcpy(&spec->scale[at], &bits, sizeof bits);
        spec->zero_point[at] = at < point_count ? flat_item(flat, points, at, 8) : 0;
    }
    return true;
}

static bool read_spec(Flat *flat, size_t tensor, Spec *spec, Fault *fault) {
    int type = (int)flat_integer(flat, tensor, TENSOR_TYPE, 1, 0);
    spec->dtype = dtype_in_file(type);
    if (!spec->dtype)
        return fail(fault, "model",
                    "tensor '%.80s' has dtype %s, which cannot be sent; wrap the model so that it takes "
                    "numbers",
                    spec->name, type_name_in_file(type));
    size_t shape = flat_child(flat, tensor, TENSOR_SHAPE), varies = flat_child(flat, tensor, TENSOR_SHAPE_SIGNATURE);
    uint32_t rank = flat_count(flat, shape, 4);
    if (rank > MOST_DIMENSIONS)
        return fail(fault, "model", "tensor '%.80s' has %u dimensions; %d are the most", spec->name, rank,
                    MOST_DIMENSIONS);
    spec->rank = rank;
    bool told = flat_count(flat, varies, 4) == rank;
    for (uint32_t at = 0; at < rank; at++)
        spec->shape[at] = told && flat_item(flat, varies, at, 4) == -1 ? -1 : flat_item(flat, shape, at, 4);
    return read_quantization(flat, tensor, spec, fault);
}

static bool read_specs(Flat *flat, size_t graph, bool outputs, size_t signature, Specs *specs, Fault *fault) {
    size_t indices = flat_child(flat, graph, outputs ? GRAPH_OUTPUTS : GRAPH_INPUTS);
    size_t tensors = flat_child(flat, graph, GRAPH_TENSORS);
    uint32_t count = flat_count(flat, indices, 4), known = flat_count(flat, tensors, 4);
    specs->specs = calloc(count ? count : 1, sizeof *specs->specs);
    if (!specs->specs) return fail_memory(fault);
    for (uint32_t at = 0; at < count; at++) {
        Spec *spec = &specs->specs[specs->count++];
        int64_t index = flat_item(flat, indices, at, 4);
        if (index < 0 || index >= known) return no_model(fault);
        spec->tensor = (int32_t)index;
        size_t tensor = flat_table(flat, tensors, (uint32_t)index);
        if (!name_tensor(flat, tensor, signature, outputs, specs, fault)) return false;
        if (!read_spec(flat, tensor, spec, fault)) return false;
    }
    return !flat->bad || no_model(fault);
}

static char *copied(const char *text, uint32_t length) {
    char *copy = malloc((size_t)length + 1);
    if (!copy) return NULL;
    if (length) memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

static bool read_operators(Flat *flat, size_t root, size_t graph, Model *model, Fault *fault) {
    size_t operators = flat_child(flat, graph, GRAPH_OPERATORS), codes = flat_child(flat, root, MODEL_OPCODES);
    uint32_t count = flat_count(flat, operators, 4), known = flat_count(flat, codes, 4);
    model->operators = calloc(count ? count : 1, sizeof *model->operators);
    if (!model->operators) return fail_memory(fault);
    for (uint32_t at = 0; at < count; at++) {
        char number[24];
        int64_t code = flat_integer(flat, flat_table(flat, operators, at), OPERATOR_OPCODE, 4, 0);
        if (code < 0 || code >= known) return no_model(fault);
        size_t table = flat_table(flat, codes, (uint32_t)code);
        int64_t old = flat_integer(flat, table, OPCODE_OLD, 1, 0),
                builtin = flat_integer(flat, table, OPCODE_NEW, 4, 0);
        if (old > builtin) builtin = old; /* files from before 2.5 have the old field only */
        uint32_t length;
        const char *custom = flat_text(flat, flat_child(flat, table, OPCODE_CUSTOM), &length);
        const char *name = operator_name((int32_t)builtin);
        if (!name) {
            snprintf(number, sizeof number, "OPERATOR_%d", (int)builtin);
            name = number;
        }
        bool is_custom = builtin == CUSTOM && length;
        model->operators[at] = is_custom ? copied(custom, length) : copied(name, (uint32_t)strlen(name));
        if (!model->operators[at]) return fail_memory(fault);
        model->nodes++;
        model->has_resources |= !strcmp(name, "VAR_HANDLE") || !strcmp(name, "CALL_ONCE") || !strcmp(name, "HASHTABLE");
    }
    return !flat->bad || no_model(fault);
}

static bool has_operator(const Model *model, const char *name) {
    for (size_t at = 0; at < model->nodes; at++)
        if (!strcmp(model->operators[at], name)) return true;
    return false;
}

/* A label for tables, the same as the Python agent's (agent/engines/variant.py). */
static const char *label(Flat *flat, size_t graph, Model *model) {
    size_t tensors = flat_child(flat, graph, GRAPH_TENSORS);
    bool there[TYPES_IN_FILE] = {false}, quantized[TYPES_IN_FILE] = {false}, edges = false;
    for (uint32_t at = 0; at < flat_count(flat, tensors, 4) && !flat->bad; at++) {
        size_t tensor = flat_table(flat, tensors, at);
        int64_t type = flat_integer(flat, tensor, TENSOR_TYPE, 1, 0);
        if (type < 0 || type >= TYPES_IN_FILE) continue;
        there[type] = true;
        model->has_variables |= flat_integer(flat, tensor, TENSOR_VARIABLE, 1, 0) != 0;
        size_t scales = flat_child(flat, flat_child(flat, tensor, TENSOR_QUANTIZATION), QUANTIZATION_SCALE);
        quantized[type] |= flat_count(flat, scales, 4) > 0;
    }
    for (size_t at = 0; at < model->inputs.count; at++) edges |= model->inputs.specs[at].scales > 0;
    for (size_t at = 0; at < model->outputs.count; at++) edges |= model->outputs.specs[at].scales > 0;
    enum { F32 = 0, F16 = 1, U8 = 3, I16 = 7, I8 = 9, F64 = 10 };
    bool bytes = quantized[I8] || quantized[U8];
    if (bytes && quantized[I16]) return "int16x8";
    if (bytes && (edges || has_operator(model, "QUANTIZE"))) return "int8";
    if (bytes) return has_operator(model, "DEQUANTIZE") ? "weight_int8" : "dynamic_int8";
    if (there[F16]) return "float16";
    if (there[F32] && !there[F64]) return "float32";
    return model->inputs.count ? model->inputs.specs[0].dtype->name : "unknown";
}

static bool read_model(Flat *flat, Model *model, Fault *fault) {
    if (flat->size < 8 || memcmp(flat->data + 4, "TFL3", 4)) return no_model(fault);
    size_t root = flat_root(flat);
    size_t graphs = flat_child(flat, root, MODEL_SUBGRAPHS);
    if (!flat_count(flat, graphs, 4)) return no_model(fault);
    size_t graph = flat_table(flat, graphs, 0);
    size_t signature = find_signature(flat, root, flat_child(flat, graph, GRAPH_OUTPUTS), &model->signature);
    model->signatures = flat_count(flat, flat_child(flat, root, MODEL_SIGNATURES), 4);
    if (flat->bad || !graph) return no_model(fault);
    if (!read_operators(flat, root, graph, model, fault)) return false;
    if (!read_specs(flat, graph, false, signature, &model->inputs, fault)) return false;
    if (!read_specs(flat, graph, true, signature, &model->outputs, fault)) return false;
    snprintf(model->variant, sizeof model->variant, "%s", label(flat, graph, model));
    return !flat->bad || no_model(fault);
}

bool model_open(Model *model, const char *path, Fault *fault) {
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about)) {
        if (file >= 0) close(file);
        return fail(fault, "missing", "the blob cannot be read: %s", strerror(errno));
    }
    void *data = about.st_size ? mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    close(file);
    if (!about.st_size) return no_model(fault);
    if (data == MAP_FAILED) return fail_memory(fault);
    if (!model_read(model, data, (size_t)about.st_size, fault)) {
        munmap(data, (size_t)about.st_size);
        return false;
    }
    model->mapped = true;
    return true;
}

bool model_read(Model *model, const void *data, size_t size, Fault *fault) {
    *model = (Model){.data = data, .size = size, .signature = -1};
    Flat flat = {.data = data, .size = size};
    if (read_model(&flat, model, fault)) return true;
    model_close(model);
    return false;
}

static void free_specs(Specs *specs) {
    for (size_t at = 0; at < specs->count; at++) {
        free(specs->specs[at].name);
        free(specs->specs[at].scale);
        free(specs->specs[at].zero_point);
    }
    free(specs->specs);
}

void model_close(Model *model) {
    free_specs(&model->inputs);
    free_specs(&model->outputs);
    for (size_t at = 0; at < model->nodes; at++) free(model->operators[at]);
    free(model->operators);
    if (model->mapped) munmap((void *)(uintptr_t)model->data, model->size);
    *model = (Model){.signature = -1};
}
