/* libLiteRt.so: its functions, and the parts of its ABI that we rely on.
 *
 * Declared from the public headers under litert/c (Apache-2.0) of 2.2 and 2.3. Up to 2.1.5 functions of the same names
 * take other arguments, which is why the version is probed and the library is tried before it is used.
 */
#ifndef EDGEDEVICE_LITERT_API_H
#define EDGEDEVICE_LITERT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void *LiteRtHandle;

enum {
    LITERT_MOST_DIMENSIONS = 8,
    LITERT_CPU = 1,
    LITERT_GPU = 2,
    LITERT_NPU = 4,
    LITERT_READ = 0,
    LITERT_WRITE = 1,
    LITERT_INVALID_FLATBUFFER = 501
};

typedef struct {
    unsigned rank : 7;
    unsigned has_strides : 1;
    int32_t dimensions[LITERT_MOST_DIMENSIONS];
    uint32_t strides[LITERT_MOST_DIMENSIONS];
} LiteRtLayout;

typedef struct {
    int element_type;
    LiteRtLayout layout;
} LiteRtType;

typedef struct {
    int (*create_environment)(int, const void *, LiteRtHandle *);
    int (*create_model)(LiteRtHandle environment, const void *, size_t, LiteRtHandle *);
    void (*destroy_model)(LiteRtHandle);
    int (*create_options)(LiteRtHandle *);
    void (*destroy_options)(LiteRtHandle);
    int (*set_accelerators)(LiteRtHandle options, int);
    int (*create_opaque)(const char *, void *, void (*destroy)(void *), LiteRtHandle *);
    int (*add_opaque)(LiteRtHandle options, LiteRtHandle opaque);
    int (*compile)(LiteRtHandle environment, LiteRtHandle model, LiteRtHandle options, LiteRtHandle *);
    void (*destroy_compiled)(LiteRtHandle);
    int (*is_fully_accelerated)(LiteRtHandle, bool *);
    int (*is_accelerated_without_cpu)(LiteRtHandle, bool *);
    int (*run)(LiteRtHandle, size_t signature, size_t, LiteRtHandle *, size_t, LiteRtHandle *);
    int (*get_signature)(LiteRtHandle model, size_t, LiteRtHandle *);
    int (*input_count)(LiteRtHandle signature, size_t *);
    int (*output_count)(LiteRtHandle signature, size_t *);
    int (*input)(LiteRtHandle signature, size_t, LiteRtHandle *);
    int (*output)(LiteRtHandle signature, size_t, LiteRtHandle *);
    int (*tensor_index)(LiteRtHandle tensor, uint32_t *);
    int (*tensor_type)(LiteRtHandle tensor, LiteRtType *);
    int (*input_needs)(LiteRtHandle compiled, size_t signature, size_t, LiteRtHandle *);
    int (*output_needs)(LiteRtHandle compiled, size_t signature, size_t, LiteRtHandle *);
    int (*output_layouts)(LiteRtHandle compiled, size_t signature, size_t, LiteRtLayout *, bool allocate);
    int (*create_buffer)(LiteRtHandle environment, const LiteRtType *, LiteRtHandle needs, LiteRtHandle *);
    void (*destroy_buffer)(LiteRtHandle);
    int (*buffer_size)(LiteRtHandle, size_t *);
    int (*lock)(LiteRtHandle, void **, int);
    int (*unlock)(LiteRtHandle);
    int (*get_profiler)(LiteRtHandle compiled, LiteRtHandle *profiler);
    int (*start_profiler)(LiteRtHandle profiler);
    int (*stop_profiler)(LiteRtHandle profiler);
    int (*get_summary)(LiteRtHandle profiler, LiteRtHandle compiled, const char **); /* to be freed */
} LitertApi;

#endif
